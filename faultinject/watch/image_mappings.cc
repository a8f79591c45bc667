// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/image_mappings.h"

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
#include <type_traits>

#include "faultinject/watch/call_filter.h"
#include "faultinject/watch/sanitized.h"

namespace fencepost {

#ifdef FENCEPOST_SANITIZED

void KeepImageMappings(const std::vector<std::string>& /*paths*/) {}
bool ImageMappingsAreKept() { return false; }
bool AnyImageIsKept() { return false; }
void ObserveImageMappings(MappingObserver* /*observer*/) {}
std::span<uint8_t> WholeImage(size_t /*image*/) { return {}; }
int ImageOfDescriptor(int /*fd*/) { return -1; }

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
  std::span<uint8_t> whole;  // see WholeImage
};

struct Kept {
  ImageMapping mapping;
  bool in_use = false;
};

// Constant-initialised and never destroyed: mmap is called before main and after it.
struct State {
  std::mutex mutex;
  std::vector<Image> images;
  std::vector<Kept> kept;
  MappingObserver* observer = nullptr;
  uint64_t next_address = kArenaBegin;
};
constinit State* state = nullptr;

uint64_t AsWord(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }
template <typename Integer>
uint64_t AsWord(Integer integer) requires std::is_integral_v<Integer> {
  return static_cast<uint64_t>(integer);
}

// As libc's; where images are kept, past the filter of a watch of them.
template <typename... Arguments>
int64_t SystemCall(int64_t number, Arguments... arguments) {
  uint64_t padded[6] = {};
  size_t i = 0;
  ((padded[i++] = AsWord(arguments)), ...);
  // Another watch (FileWatch) wants to see it.
  if (state == nullptr) {
    return syscall(number, padded[0], padded[1], padded[2], padded[3], padded[4], padded[5]);
  }
  const int64_t result = fencepost_unfiltered_call(number, padded[0], padded[1], padded[2],
                                                   padded[3], padded[4], padded[5]);
  if (result >= 0 || result < -4095) return result;
  errno = static_cast<int>(-result);
  return -1;
}

void* SystemMmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  return reinterpret_cast<void*>(
      SystemCall(SYS_mmap, address, length, protection, flags, fd, offset));
}

bool IsShared(int flags) {
  const int type = flags & MAP_TYPE;
  return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
}

void TellUnwatchable(const char* what) {
  if (state->observer != nullptr) state->observer->OnUnwatchable(what);
}

// No longer ones to hand out: what is there is unmapped or replaced, if only in part.
// REQUIRES: the lock is held.
void ForgetRange(const void* address, size_t length, const char* why) {
  const auto begin = reinterpret_cast<uintptr_t>(address), end = begin + length;
  const size_t forgotten = std::erase_if(state->kept, [&](const Kept& kept) {
    const auto base = reinterpret_cast<uintptr_t>(kept.mapping.base);
    return base < end && begin < base + kept.mapping.length;
  });
  if (forgotten > 0) TellUnwatchable(why);
}

void ForgetRangeIfKept(const void* address, size_t length, const char* why) {
  if (state == nullptr) return;
  const std::lock_guard lock(state->mutex);
  ForgetRange(address, length, why);
}

// The number of the image, or -1. REQUIRES: the lock is held.
int FindImage(int fd) {
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) return -1;
  const Identity file{info.st_dev, info.st_ino};
  const auto image = std::find_if(state->images.begin(), state->images.end(),
                                  [&](const Image& known) { return known.file == file; });
  return image == state->images.end() ? -1 : static_cast<int>(image - state->images.begin());
}

// Maps the image somewhere in the arena. REQUIRES: the lock is held.
void* MapInArena(size_t length, int protection, int flags, int fd, off_t offset) {
  constexpr uint64_t kAlignment = uint64_t{2} << 20;
  const uint64_t bytes = (length + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes > kArenaEnd - state->next_address) state->next_address = kArenaBegin;
  void* const base = SystemMmap(reinterpret_cast<void*>(state->next_address), length, protection,
                                flags | MAP_FIXED_NOREPLACE, fd, offset);
  state->next_address += bytes;
  if (base != MAP_FAILED || errno != EEXIST) return base;
  TellUnwatchable("maps its images more often than there is room for");
  return SystemMmap(nullptr, length, protection, flags, fd, offset);
}

void* MapImage(size_t image, size_t length, int protection, int flags, off_t offset) {
#ifdef MAP_SYNC
  // What the kernel says of a tmpfs.
  if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE && (flags & MAP_SYNC) != 0) {
    errno = EOPNOTSUPP;
    return MAP_FAILED;
  }
#endif
  for (Kept& kept : state->kept) {
    const ImageMapping& mapping = kept.mapping;
    if (kept.in_use || mapping.image != image || mapping.length != length ||
        mapping.protection != protection || mapping.offset != offset) {
      continue;
    }
    kept.in_use = true;
    return mapping.base;
  }
  void* const base = MapInArena(length, protection, flags, state->images[image].fd, offset);
  if (base == MAP_FAILED) return base;
  state->kept.push_back(
      {{static_cast<uint8_t*>(base), length, protection, offset, image}, /*in_use=*/true});
  if (state->observer != nullptr) state->observer->OnMapping(state->kept.back().mapping);
  return base;
}

void* Map(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  const bool is_fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
  // malloc's calls must get through while the lock is held: they come from in here, too.
  if (state == nullptr || (fd < 0 && !is_fixed)) {
    return SystemMmap(address, length, protection, flags, fd, offset);
  }
  const std::lock_guard lock(state->mutex);
  if (is_fixed) ForgetRange(address, length, "maps something over an image");
  const int image = FindImage(fd);
  if (image >= 0 && !is_fixed && IsShared(flags)) {
    return MapImage(static_cast<size_t>(image), length, protection, flags, offset);
  }
  if (image >= 0) TellUnwatchable("maps an image privately or at an address of its own");
  return SystemMmap(address, length, protection, flags, fd, offset);
}

// Whether the mapping was put aside instead of being unmapped.
bool PutAside(void* address, size_t length) {
  if (state == nullptr) return false;
  const std::lock_guard lock(state->mutex);
  for (Kept& kept : state->kept) {
    const ImageMapping& mapping = kept.mapping;
    if (!kept.in_use || mapping.base != address || mapping.length != length) continue;
    // The next one must find it as a new mapping would be.
    if (SystemCall(SYS_mprotect, address, length, mapping.protection) != 0) break;
    kept.in_use = false;
    if (state->observer != nullptr) state->observer->OnMapping(mapping);
    return true;
  }
  ForgetRange(address, length, "unmaps an image in part");
  return false;
}

}  // namespace

void KeepImageMappings(const std::vector<std::string>& paths) {
  if (state == nullptr) state = new State;
  const std::lock_guard lock(state->mutex);
  for (const Image& image : state->images) {
    if (image.fd >= 0) close(image.fd);
    if (!image.whole.empty()) SystemCall(SYS_munmap, image.whole.data(), image.whole.size());
  }
  state->images.clear();
  for (const std::string& path : paths) {
    struct stat info {};
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd >= 0) static_cast<void>(fstat(fd, &info));
    state->images.push_back({{info.st_dev, info.st_ino}, fd, {}});
  }
}

bool ImageMappingsAreKept() { return true; }
bool AnyImageIsKept() { return state != nullptr; }

void ObserveImageMappings(MappingObserver* observer) {
  if (state == nullptr) state = new State;
  const std::lock_guard lock(state->mutex);
  state->observer = observer;
  if (observer == nullptr) return;
  for (const Kept& kept : state->kept) observer->OnMapping(kept.mapping);
}

std::span<uint8_t> WholeImage(size_t image) {
  if (state == nullptr) return {};
  const std::lock_guard lock(state->mutex);
  if (image >= state->images.size()) return {};
  std::span<uint8_t>& whole = state->images[image].whole;
  struct stat info;
  const int fd = state->images[image].fd;
  if (!whole.empty() || fd < 0 || fstat(fd, &info) != 0 || info.st_size <= 0) return whole;
  const auto bytes = static_cast<size_t>(info.st_size);
  void* const base = SystemMmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base != MAP_FAILED) whole = {static_cast<uint8_t*>(base), bytes};
  return whole;
}

int ImageOfDescriptor(int fd) {
  if (state == nullptr) return -1;
  const std::lock_guard lock(state->mutex);
  return FindImage(fd);
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
  constexpr const char* kWhy = "moves or resizes the mapping of an image";
  fencepost::ForgetRangeIfKept(address, length, kWhy);
  if (new_address != nullptr) fencepost::ForgetRangeIfKept(new_address, new_length, kWhy);
  return reinterpret_cast<void*>(
      fencepost::SystemCall(SYS_mremap, address, length, new_length, flags, new_address));
}

int munmap(void* address, size_t length) noexcept {
  if (fencepost::PutAside(address, length)) return 0;
  return static_cast<int>(fencepost::SystemCall(SYS_munmap, address, length));
}

}  // extern "C"

#endif
