// SPDX-License-Identifier: BSD-3-Clause
#include "engines/canaries/canary_pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpmem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "engines/pmem/pmem_environment.h"
#include "engines/store_directory.h"

namespace fencepost::canary {
namespace {

namespace fs = std::filesystem;

struct Unmap {
  uint64_t bytes;
  void operator()(void* base) const { (void)pmem_unmap(base, bytes); }
};
using Mapping = std::unique_ptr<void, Unmap>;

Result<Medium> PrepareMedium(const fs::path& path) {
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(path));
  if (medium != Medium::kDax && medium != Medium::kTmpfs) {
    return Status::Unsupported(
        fmt::format("a canary needs persistent memory or a tmpfs, not {}: {}", MediumName(medium),
                    path.string()));
  }
  RETURN_IF_ERROR(pmem::PreparePmem(medium, path).status());
  return medium;
}

// Maps `bytes` bytes; a file that is to be made gets that size.
Result<Mapping> Map(const fs::path& path, uint64_t bytes, bool create) {
  size_t mapped_bytes = 0;
  int is_pmem = 0;
  void* base =
      pmem_map_file(path.c_str(), create ? bytes : 0,
                    create ? PMEM_FILE_CREATE | PMEM_FILE_EXCL : 0, 0600, &mapped_bytes, &is_pmem);
  if (base == nullptr) return ErrnoStatus("pmem_map_file", errno, path);
  Mapping mapping(base, Unmap{mapped_bytes});
  if (mapped_bytes != bytes) return CorruptPool(path, "it has another size than it was made with");
  if (is_pmem == 0) {
    return Status::Unsupported(fmt::format("not mapped as persistent memory: {}", path.string()));
  }
  return mapping;
}

Status SyncPath(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("open", errno, path);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? Status::Ok() : ErrnoStatus("fsync", error, path);
}

Status Fill(const fs::path& creating, const fs::path& path, uint64_t magic, uint64_t bytes,
            FunctionRef<void(void*)> initialise) {
  {
    ASSIGN_OR_RETURN(const Mapping mapping, Map(creating, bytes, true));
    auto* header = static_cast<PoolHeader*>(mapping.get());
    header->magic = magic;
    header->bytes = bytes;
    initialise(mapping.get());
    Persist(mapping.get(), bytes);
  }
  RETURN_IF_ERROR(SyncPath(creating));
  if (rename(creating.c_str(), path.c_str()) != 0) return ErrnoStatus("rename", errno, path);
  return SyncPath(path.parent_path());
}

Status Create(const fs::path& path, uint64_t magic, uint64_t bytes,
              FunctionRef<void(void*)> initialise) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return ErrnoStatus("mkdir", error.value(), path.parent_path());
  fs::path creating = path;
  creating += ".creating";
  unlink(creating.c_str());
  const Status status = Fill(creating, path, magic, bytes, initialise);
  if (!status.ok()) unlink(creating.c_str());
  return status;
}

}  // namespace

Result<std::unique_ptr<RawPool>> RawPool::Open(const EngineOptions& options, uint64_t magic,
                                               uint64_t bytes,
                                               FunctionRef<void(void* base)> initialise) {
  if (options.path.empty()) return Status::InvalidArgument("canary: engine.path is not set");
  std::error_code ignored;
  const fs::path path = fs::absolute(options.path, ignored);
  ASSIGN_OR_RETURN(const Medium medium, PrepareMedium(path));
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return ErrnoStatus("stat", errno, path);
    if (!options.create_if_missing) {
      return Status(StatusCode::kNotFound, "there is no pool: " + path.string());
    }
    RETURN_IF_ERROR(Create(path, magic, bytes, initialise));
  } else if (!S_ISREG(info.st_mode)) {
    return Status::InvalidArgument("not a file: " + path.string());
  } else if (static_cast<uint64_t>(info.st_size) != bytes) {
    return CorruptPool(path, "it has another size than it was made with");
  }
  ASSIGN_OR_RETURN(Mapping mapping, Map(path, bytes, false));
  const auto* header = static_cast<const PoolHeader*>(mapping.get());
  if (header->magic != magic || header->bytes != bytes) {
    return CorruptPool(path, "it is no pool of this canary");
  }
  return std::unique_ptr<RawPool>(new RawPool(mapping.release(), bytes, medium));
}

RawPool::~RawPool() { (void)pmem_unmap(base_, bytes_); }

void CopyCached(void* to, const void* from, uint64_t bytes) {
  pmem_memcpy(to, from, bytes, PMEM_F_MEM_NOFLUSH);
}

void CopyAround(void* to, const void* from, uint64_t bytes) {
  pmem_memcpy(to, from, bytes, PMEM_F_MEM_NODRAIN | PMEM_F_MEM_NONTEMPORAL);
}

void Flush(const void* address, uint64_t bytes) { pmem_flush(address, bytes); }
void Drain() { pmem_drain(); }
void Persist(const void* address, uint64_t bytes) { pmem_persist(address, bytes); }

Status CorruptPool(const std::filesystem::path& path, std::string_view what) {
  return Status::Corrupt(fmt::format("{}: {}", what, path.string()));
}

}  // namespace fencepost::canary
