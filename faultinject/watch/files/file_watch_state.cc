// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/files/file_watch_state.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "faultinject/watch/call_filter.h"

namespace fencepost {

FileWatchState* file_watch = nullptr;

SpinLock::SpinLock(std::atomic<uint32_t>* word) : word_(word) {
  constexpr uint32_t kMostTurns = 1 << 22;  // a second or more
  for (uint32_t turn = 0; word->exchange(1, std::memory_order_acquire) != 0; ++turn) {
    if (turn == kMostTurns) {
      word_ = nullptr;
      return;
    }
    if (turn % 64 == 63) KernelCall(SYS_sched_yield);
  }
}

void FileWatchState::Begin(FileWatchBuffer* buffer) {
  mappings_.fill({});
  arena_next_ = kFileArenaBegin;
  mapping_lock_ = 0;
  position_lock = 0;
  buffer_.store(buffer, std::memory_order_release);
}

void FileWatchState::End() {
  // What is still mapped, or read by a thread that goes on, is watched no longer.
  buffer_.store(nullptr, std::memory_order_release);
  for (Mapping& mapping : mappings_) {
    if (mapping.begin != 0) Unprotect(mapping, mapping.begin, mapping.end);
  }
}

std::optional<uint32_t> FileWatchState::Find(const FileIdentity& identity) const {
  const FileWatchBuffer& watched = *buffer();
  const FileIdentity* const end = watched.files + watched.file_count;
  const FileIdentity* const found = std::lower_bound(watched.files, end, identity);
  if (found == end || *found != identity) return std::nullopt;
  return static_cast<uint32_t>(found - watched.files);
}

std::optional<uint32_t> FileWatchState::FindDescriptor(int fd) const {
  struct stat info;
  if (KernelCall(SYS_fstat, static_cast<uint64_t>(fd), reinterpret_cast<uint64_t>(&info)) != 0) {
    return std::nullopt;
  }
  return Find({info.st_dev, info.st_ino});
}

void FileWatchState::OnUnwatchable(const char* what) {
  FileWatchBuffer* const log = buffer();
  if (log == nullptr || log->why[0] != '\0') return;
  std::strncpy(log->why, what, sizeof(log->why) - 1);
}

void FileWatchState::Note(FileRead::Kind kind, uint32_t file, uint64_t begin, uint64_t end) {
  FileWatchBuffer* const log = buffer();
  if (log == nullptr) return;
  const SpinLock lock(&log->lock);
  if (!lock.held()) return OnUnwatchable("ends a thread in the middle of a call");
  if (log->read_count > 0) {
    FileWatchBuffer::Read& last = log->reads[log->read_count - 1];
    if (last.kind == kind && last.file == file && begin >= last.begin && begin <= last.end &&
        kind != FileRead::Kind::kName) {
      last.end = std::max(last.end, end);
      return;
    }
  }
  if (log->read_count == FileWatchBuffer::kMostReads) {
    return OnUnwatchable("reads in too many places");
  }
  log->reads[log->read_count] = {kind, file, begin, end};
  ++log->read_count;
}

void FileWatchState::OnBytes(uint32_t file, uint64_t begin, uint64_t end) {
  if (end < begin) end = UINT64_MAX;
  if (begin < end) Note(FileRead::Kind::kBytes, file, begin, end);
}

void FileWatchState::OnName(uint32_t directory, std::string_view name) {
  FileWatchBuffer* const log = buffer();
  if (log == nullptr) return;
  uint64_t begin = 0;
  {
    const SpinLock lock(&log->lock);
    if (!lock.held()) return OnUnwatchable("ends a thread in the middle of a call");
    if (name.size() > FileWatchBuffer::kNameBytes - log->name_bytes) {
      return OnUnwatchable("looks too many names up");
    }
    begin = log->name_bytes;
    std::memcpy(log->names + begin, name.data(), name.size());
    log->name_bytes += name.size();
  }
  Note(FileRead::Kind::kName, directory, begin, begin + name.size());
}

// --- mappings -----------------------------------------------------------------------------------

bool FileWatchState::Reserve(uint64_t length, Mapping mapping, uint64_t* begin) {
  const SpinLock lock(&mapping_lock_);
  if (!lock.held()) return false;
  const auto free = std::find_if(mappings_.begin(), mappings_.end(),
                                 [](const Mapping& other) { return other.begin == 0; });
  // A page between two, so that none runs on into the next.
  if (free == mappings_.end() || length > kFileArenaEnd - arena_next_ - kPageBytes) return false;
  mapping.begin = *begin = arena_next_;
  mapping.end = arena_next_ + length;
  arena_next_ = mapping.end + kPageBytes;
  *free = mapping;
  return true;
}

int64_t FileWatchState::Map(uint32_t file, const std::array<uint64_t, 6>& arguments) {
  const auto [address, bytes, protection, flags, fd, offset] = arguments;
  const uint64_t length = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  const bool movable = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)) == 0 &&
                       (protection & PROT_EXEC) == 0 && bytes != 0 && length >= bytes;
  uint64_t begin = 0;
  const Mapping mapping = {
      .offset = offset, .file = file, .protection = static_cast<int>(protection)};
  if (!movable || !Reserve(length, mapping, &begin)) {
    OnBytes(file, offset, offset + bytes);
    return KernelCall(SYS_mmap, address, bytes, protection, flags, fd, offset);
  }
  const int64_t mapped =
      KernelCall(SYS_mmap, begin, bytes, protection, flags | MAP_FIXED_NOREPLACE, fd, offset);
  if (mapped != static_cast<int64_t>(begin)) {
    Forget(begin, begin + length);
    return mapped;
  }
  KernelCall(SYS_mprotect, begin, length, PROT_NONE);
  return mapped;
}

bool FileWatchState::OnFault(uint64_t address, bool writes) {
  if (!InFileArena(address)) return false;
  Mapping found;
  {
    const SpinLock lock(&mapping_lock_);
    if (!lock.held()) return false;
    for (Mapping& mapping : mappings_) {
      if (address < mapping.begin || address >= mapping.end) continue;
      ++mapping.pages_touched;
      found = mapping;
    }
  }
  const int needed = writes ? PROT_WRITE : PROT_READ;
  if (found.begin == 0 || (found.protection & needed) == 0) return false;
  if (found.pages_touched > FileWatch::kMostPages) {
    Open(found.begin, found.end);
  } else {
    Open(address, address + 1);
  }
  return true;
}

void FileWatchState::Open(uint64_t begin, uint64_t end) {
  begin = begin / kPageBytes * kPageBytes;
  end = end < UINT64_MAX - kPageBytes ? (end + kPageBytes - 1) / kPageBytes * kPageBytes : end;
  std::array<Mapping, kMostMappings> overlapping;
  size_t count = 0;
  {
    const SpinLock lock(&mapping_lock_);
    if (!lock.held()) return OnUnwatchable("ends a thread in the middle of a call");
    for (const Mapping& mapping : mappings_) {
      if (mapping.begin < end && begin < mapping.end) overlapping[count++] = mapping;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const Mapping& mapping = overlapping[i];
    const uint64_t from = std::max(begin, mapping.begin), to = std::min(end, mapping.end);
    const uint64_t at = mapping.offset + (from - mapping.begin);
    OnBytes(mapping.file, at, at + (to - from));
    Unprotect(mapping, from, to);
  }
}

void FileWatchState::OpenWholeMappings(uint64_t begin, uint64_t end) {
  std::array<Mapping, kMostMappings> all;
  {
    const SpinLock lock(&mapping_lock_);
    if (!lock.held()) return OnUnwatchable("ends a thread in the middle of a call");
    all = mappings_;
  }
  for (const Mapping& mapping : all) {
    if (mapping.begin < end && begin < mapping.end) Open(mapping.begin, mapping.end);
  }
}

void FileWatchState::Forget(uint64_t begin, uint64_t end) {
  const SpinLock lock(&mapping_lock_);
  if (!lock.held()) return OnUnwatchable("ends a thread in the middle of a call");
  for (Mapping& mapping : mappings_) {
    if (mapping.begin != 0 && mapping.begin >= begin && mapping.end <= end) mapping = {};
  }
}

void FileWatchState::Unprotect(const Mapping& mapping, uint64_t begin, uint64_t end) {
  KernelCall(SYS_mprotect, begin, end - begin, static_cast<uint64_t>(mapping.protection));
}

}  // namespace fencepost
