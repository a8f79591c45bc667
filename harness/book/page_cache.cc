// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/page_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "engines/medium.h"
#include "engines/system_error.h"
#include "harness/book/unique_fd.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Result<std::vector<fs::path>> FilesBelow(const fs::path& path) {
  std::vector<fs::path> found;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path, error)) {
      if (entry.is_regular_file(error)) found.push_back(entry.path());
    }
  } else {
    found.push_back(path);
  }
  if (error) {
    return Status::IoError(fmt::format("reading {}: {}", path.string(), error.message()));
  }
  return found;
}

Result<PageCacheShare> ShareOfFile(const fs::path& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return SystemError("open", path);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return SystemError("fstat", path);
  PageCacheShare share;
  if (status.st_size == 0) return share;
  const auto bytes = static_cast<size_t>(status.st_size);
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  // Not touched: to ask does not bring a page in.
  void* mapped = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) return SystemError("mmap", path);
  std::vector<unsigned char> pages((bytes + page_bytes - 1) / page_bytes);
  const int answer = mincore(mapped, bytes, pages.data());
  munmap(mapped, bytes);
  if (answer != 0) return SystemError("mincore", path);
  share.pages = pages.size();
  for (const unsigned char page : pages) share.resident_pages += page & 1u;
  return share;
}

Status EvictFile(const fs::path& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return SystemError("open", path);
  // A dirty page is not dropped.
  if (fdatasync(file.get()) != 0) return SystemError("fdatasync", path);
  if (const int error = posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) {
    errno = error;
    return SystemError("posix_fadvise", path);
  }
  return Status::Ok();
}

}  // namespace

Result<PageCacheShare> PageCacheShareOf(const fs::path& path) {
  ASSIGN_OR_RETURN(const std::vector<fs::path> files, FilesBelow(path));
  PageCacheShare sum;
  for (const fs::path& file : files) {
    ASSIGN_OR_RETURN(const PageCacheShare share, ShareOfFile(file));
    sum.pages += share.pages;
    sum.resident_pages += share.resident_pages;
  }
  return sum;
}

Status EvictFromPageCache(const fs::path& path) {
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(path));
  if (medium == Medium::kTmpfs) {
    return Status::Unsupported(
        fmt::format("{} is on tmpfs: its files are the page cache", path.string()));
  }
  ASSIGN_OR_RETURN(const std::vector<fs::path> files, FilesBelow(path));
  for (const fs::path& file : files) RETURN_IF_ERROR(EvictFile(file));
  return Status::Ok();
}

}  // namespace fencepost
