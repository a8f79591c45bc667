// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/image_mappings.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <mutex>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FENCEPOST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FENCEPOST_SANITIZED
#endif

namespace fencepost {

#ifdef FENCEPOST_SANITIZED

void KeepImageMappings(const std::vector<std::string>& /*paths*/) {}

#else

namespace {

struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Identity&) const = default;
};

struct Image {
  Identity file;
  // What is mapped is this descriptor, not the caller's: a mapping keeps its description open, and
  // with it the lock (flock) that libpmemobj took there.
  int fd = -1;
};

struct Kept {
  Identity file;
  void* base = nullptr;
  size_t length = 0;
  int protection = 0;
  off_t offset = 0;
  bool in_use = false;
};

// Constant-initialised and never destroyed: mmap is called before main and after it.
struct State {
  std::mutex mutex;
  std::vector<Image> images;
  std::vector<Kept> kept;
};
constinit State* state = nullptr;

void* SystemMmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  const long result = syscall(SYS_mmap, address, length, protection, flags, fd, offset);
  return result == -1 ? MAP_FAILED : reinterpret_cast<void*>(result);
}

bool IsShared(int flags) {
  const int type = flags & MAP_TYPE;
  return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
}

// No longer ones to hand out: what is there is unmapped or replaced, if only in part.
// REQUIRES: the lock is held.
void ForgetRange(const void* address, size_t length) {
  const auto begin = reinterpret_cast<uintptr_t>(address), end = begin + length;
  std::erase_if(state->kept, [&](const Kept& kept) {
    const auto base = reinterpret_cast<uintptr_t>(kept.base);
    return base < end && begin < base + kept.length;
  });
}

void ForgetRangeIfKept(const void* address, size_t length) {
  if (state == nullptr) return;
  const std::lock_guard lock(state->mutex);
  ForgetRange(address, length);
}

void* Map(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  struct stat info;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) ForgetRangeIfKept(address, length);
  if (state == nullptr || fd < 0 || !IsShared(flags) ||
      (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0 || fstat(fd, &info) != 0) {
    return SystemMmap(address, length, protection, flags, fd, offset);
  }
  const Identity file{info.st_dev, info.st_ino};
  const std::lock_guard lock(state->mutex);
  const auto image = std::find_if(state->images.begin(), state->images.end(),
                                  [&](const Image& known) { return known.file == file; });
  if (image == state->images.end()) {
    return SystemMmap(address, length, protection, flags, fd, offset);
  }
#ifdef MAP_SYNC
  // What the kernel says of a tmpfs.
  if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE && (flags & MAP_SYNC) != 0) {
    errno = EOPNOTSUPP;
    return MAP_FAILED;
  }
#endif
  for (Kept& kept : state->kept) {
    if (kept.in_use || !(kept.file == file) || kept.length != length ||
        kept.protection != protection || kept.offset != offset) {
      continue;
    }
    kept.in_use = true;
    return kept.base;
  }
  void* const base = SystemMmap(address, length, protection, flags, image->fd, offset);
  if (base != MAP_FAILED) {
    state->kept.push_back({file, base, length, protection, offset, /*in_use=*/true});
  }
  return base;
}

// Whether the mapping was put aside instead of being unmapped.
bool PutAside(void* address, size_t length) {
  if (state == nullptr) return false;
  const std::lock_guard lock(state->mutex);
  for (Kept& kept : state->kept) {
    if (!kept.in_use || kept.base != address || kept.length != length) continue;
    // The next one must find it as a new mapping would be.
    if (mprotect(address, length, kept.protection) != 0) break;
    kept.in_use = false;
    return true;
  }
  ForgetRange(address, length);
  return false;
}

}  // namespace

void KeepImageMappings(const std::vector<std::string>& paths) {
  if (state == nullptr) state = new State;
  const std::lock_guard lock(state->mutex);
  for (const Image& image : state->images) close(image.fd);
  state->images.clear();
  for (const std::string& path : paths) {
    struct stat info;
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0) {
      state->images.push_back({{info.st_dev, info.st_ino}, fd});
    }
  }
}

#endif

}  // namespace fencepost

#ifndef FENCEPOST_SANITIZED

// The linker exports them from the program, because libraries that it links refer to them.
extern "C" {

void* mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) noexcept {
  return fencepost::Map(address, length, protection, flags, fd, offset);
}

void* mmap64(void* address, size_t length, int protection, int flags, int fd,
             off64_t offset) noexcept {
  return fencepost::Map(address, length, protection, flags, fd, offset);
}

// A mapping that is moved or resized is no longer the one that was kept.
void* mremap(void* address, size_t length, size_t new_length, int flags, ...) noexcept {
  va_list rest;
  va_start(rest, flags);
  void* const new_address = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : nullptr;
  va_end(rest);
  fencepost::ForgetRangeIfKept(address, length);
  if (new_address != nullptr) fencepost::ForgetRangeIfKept(new_address, new_length);
  const long result = syscall(SYS_mremap, address, length, new_length, flags, new_address);
  return result == -1 ? MAP_FAILED : reinterpret_cast<void*>(result);
}

int munmap(void* address, size_t length) noexcept {
  if (fencepost::PutAside(address, length)) return 0;
  return static_cast<int>(syscall(SYS_munmap, address, length));
}

}  // extern "C"

#endif
