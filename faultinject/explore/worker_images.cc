// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/worker_images.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "engines/system_error.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPageBytes = 4096;

uint8_t* MapShared(uint64_t bytes, int fd) {
  const int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
  void* base = mmap(nullptr, std::max<uint64_t>(bytes, 1), PROT_READ | PROT_WRITE, flags, fd, 0);
  return base == MAP_FAILED ? nullptr : static_cast<uint8_t*>(base);
}

}  // namespace

WorkerImages::~WorkerImages() {
  Release();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void WorkerImages::Release() {
  for (auto& [number, image] : images_) {
    for (uint8_t* base : {image.file, image.durable}) {
      if (base != nullptr) munmap(base, std::max<uint64_t>(image.bytes, 1));
    }
  }
  images_.clear();
  paths_.clear();
}

Status WorkerImages::MakeImage(const ImageSet::File& from, Image* image) {
  image->bytes = from.bytes.size();
  const int fd = open(image->path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError("open", image->path, errno);
  // All blocks now: a full tmpfs would otherwise end the process with SIGBUS later.
  const int error =
      image->bytes == 0 ? 0 : posix_fallocate(fd, 0, static_cast<off_t>(image->bytes));
  struct stat info;
  if (error != 0 || fstat(fd, &info) != 0) {
    close(fd);
    return SystemError("posix_fallocate", image->path, error != 0 ? error : errno);
  }
  image->inode = info.st_ino;
  image->mode = info.st_mode;
  image->file = MapShared(image->bytes, fd);
  image->durable = MapShared(image->bytes, -1);
  const int map_error = errno;
  close(fd);
  if (image->file == nullptr || image->durable == nullptr) {
    return SystemError("mmap", image->path, map_error);
  }
  if (image->bytes == 0) return Status::Ok();
  std::memcpy(image->file, from.bytes.data(), image->bytes);
  std::memcpy(image->durable, from.bytes.data(), image->bytes);
  return Status::Ok();
}

Status WorkerImages::Create(const ImageSet& images) {
  Release();
  std::error_code error;
  fs::remove_all(folder_, error);
  fs::create_directories(folder_, error);
  if (error) return SystemError("mkdir", folder_.string(), error.value());
  std::set<std::string> names;
  for (const auto& [number, file] : images.files()) {
    // The name that the program used, where no other file has it: some formats hold it.
    std::string name = fs::path(file.path).filename().string();
    while (!names.insert(name).second) name = fmt::format("{}-{}", number, name);
    Image& image = images_[number];
    image.path = (folder_ / name).string();
    RETURN_IF_ERROR(MakeImage(file, &image));
    paths_.push_back(image.path);
  }
  changes_ = images.changes();
  return Status::Ok();
}

bool WorkerImages::Usable(const ImageSet& images) const {
  if (images_.size() != images.files().size()) return false;
  for (const auto& [number, image] : images_) {
    const auto wanted = images.files().find(number);
    struct stat info;
    if (wanted == images.files().end() || image.bytes != wanted->second.bytes.size() ||
        lstat(image.path.c_str(), &info) != 0 || info.st_ino != image.inode ||
        info.st_mode != image.mode || static_cast<uint64_t>(info.st_size) != image.bytes) {
      return false;
    }
  }
  // What else the recovery has left in the folder must not be seen by the next.
  std::error_code error;
  const auto entries =
      std::distance(fs::directory_iterator(folder_, error), fs::directory_iterator());
  return !error && static_cast<size_t>(entries) == images_.size();
}

void WorkerImages::Apply(const ImageSet& images, const CrashState& state) {
  LineBytes line;
  const auto put = [](uint8_t* base, const Image& image, uint64_t offset, const LineBytes& bytes) {
    if (offset < image.bytes) {
      std::memcpy(base + offset, bytes.data(), std::min(kLineBytes, image.bytes - offset));
    }
  };
  for (const LineId& id : images.ChangesSince(changes_)) {
    Image& image = images_.at(id.file);
    images.ReadLine(id, &line);
    put(image.durable, image, id.number * kLineBytes, line);
    put(image.file, image, id.number * kLineBytes, line);
  }
  changes_ = images.changes();
  for (const auto& [id, chosen] : state) {
    const Image& image = images_.at(id.file);
    put(image.file, image, id.number * kLineBytes, chosen.bytes);
  }
}

void WorkerImages::Restore(ChangeLog* log) {
  if (log != nullptr) {
    log->count = 0;
    log->too_many = false;
  }
  size_t number = 0;
  for (auto& [file, image] : images_) {
    const size_t this_image = number++;
    struct stat info;
    // A file that was cut cannot be touched beyond its end; the owner makes it anew.
    if (stat(image.path.c_str(), &info) != 0 || info.st_ino != image.inode ||
        static_cast<uint64_t>(info.st_size) < image.bytes) {
      continue;
    }
    for (uint64_t at = 0; at < image.bytes; at += kPageBytes) {
      const uint64_t bytes = std::min(kPageBytes, image.bytes - at);
      if (std::memcmp(image.file + at, image.durable + at, bytes) == 0) continue;
      if (log != nullptr) LogPage(image, this_image, at, bytes, log);
      std::memcpy(image.file + at, image.durable + at, bytes);
    }
  }
}

void WorkerImages::LogPage(const Image& image, size_t number, uint64_t page, uint64_t bytes,
                           ChangeLog* log) {
  for (uint64_t at = page; at < page + bytes; at += kLineBytes) {
    const uint64_t length = std::min(kLineBytes, page + bytes - at);
    if (std::memcmp(image.file + at, image.durable + at, length) == 0) continue;
    log->too_many |= log->count == ChangeLog::kMost;
    if (log->too_many) return;
    ChangeLog::Change& change = log->changes[log->count++];
    change = {.image = number, .number = at / kLineBytes};
    std::memcpy(change.bytes.data(), image.file + at, length);
  }
}

}  // namespace fencepost
