// SPDX-License-Identifier: BSD-3-Clause
// FileWatchState: a FileWatch as its handlers see it.
//
// Threads: any. What a handler calls neither allocates nor calls the C library for system calls; a
//   lock is held over no access to the program's own memory, which may fault.
#ifndef FENCEPOST_FAULTINJECT_WATCH_FILES_FILE_WATCH_STATE_H_
#define FENCEPOST_FAULTINJECT_WATCH_FILES_FILE_WATCH_STATE_H_

#include <signal.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "faultinject/watch/files/file_watch.h"

namespace fencepost {

inline constexpr uint64_t kPageBytes = 4096;

// Where watched files are mapped, and nothing else is.
inline constexpr uint64_t kFileArenaBegin = 0x300000000000;
inline constexpr uint64_t kFileArenaEnd = 0x380000000000;
inline bool InFileArena(uint64_t address) {
  return address >= kFileArenaBegin && address < kFileArenaEnd;
}

// By spinning: a handler may not wait for a thread that it has interrupted, and has not: signals
// are blocked in it.
class SpinLock {
 public:
  // False: somebody who held it is no more.
  explicit SpinLock(std::atomic<uint32_t>* word);
  ~SpinLock() { Release(); }
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;
  bool held() const { return word_ != nullptr; }
  void Release() {
    if (word_ != nullptr) word_->store(0, std::memory_order_release);
    word_ = nullptr;
  }

 private:
  std::atomic<uint32_t>* word_;
};

class FileWatchState {
 public:
  void Begin(FileWatchBuffer* buffer);
  void End();
  bool on() const { return buffer() != nullptr; }
  const char* root() const { return buffer()->root; }

  // Which watched file, if any.
  std::optional<uint32_t> Find(const FileIdentity& identity) const;
  std::optional<uint32_t> FindDescriptor(int fd) const;

  void OnName(uint32_t directory, std::string_view name);
  void OnStat(uint32_t file) { Note(FileRead::Kind::kStat, file, 0, 0); }
  void OnListing(uint32_t file) { Note(FileRead::Kind::kListing, file, 0, 0); }
  void OnBytes(uint32_t file, uint64_t begin, uint64_t end);
  void OnUnwatchable(const char* what);

  // -- mappings of watched files, all in the arena.
  // mmap with these arguments, of a watched file.
  int64_t Map(uint32_t file, const std::array<uint64_t, 6>& arguments);
  // Whether it was the first touch of a page that may be touched so.
  bool OnFault(uint64_t address, bool writes);
  // Opens what is mapped in [begin, end): it is read.
  void Open(uint64_t begin, uint64_t end);
  void OpenWholeMappings(uint64_t begin, uint64_t end);  // those that overlap it
  void OpenAllMappings() { OpenWholeMappings(kFileArenaBegin, kFileArenaEnd); }
  void Forget(uint64_t begin, uint64_t end);  // is unmapped

  // Of calls that read where a descriptor is.
  std::atomic<uint32_t> position_lock{0};

 private:
  struct Mapping {
    uint64_t begin = 0, end = 0;  // none: 0
    uint64_t offset = 0;          // in the file
    uint32_t file = 0;
    int protection = 0;  // as the program sees it
    uint64_t pages_touched = 0;
  };
  static constexpr size_t kMostMappings = 256;

  FileWatchBuffer* buffer() const { return buffer_.load(std::memory_order_acquire); }
  void Note(FileRead::Kind kind, uint32_t file, uint64_t begin, uint64_t end);
  bool Reserve(uint64_t length, Mapping mapping, uint64_t* begin);
  static void Unprotect(const Mapping& mapping, uint64_t begin, uint64_t end);

  std::atomic<FileWatchBuffer*> buffer_{nullptr};
  std::atomic<uint32_t> mapping_lock_{0};
  std::array<Mapping, kMostMappings> mappings_{};
  uint64_t arena_next_ = kFileArenaBegin;
};

// The one of this process; null until FileWatch::Install.
extern FileWatchState* file_watch;

// -- path_walk.cc

struct WalkedPath {
  bool found = false;
  bool is_directory = false;
  std::optional<uint32_t> file = {};  // if it is watched
};
// Notes each name that is looked up on the way, in the directories that are watched. A symbolic
// link at the end is followed too.
WalkedPath WalkPath(int directory, const char* path);

// -- file_calls.cc

// Of SIGSYS.
void HandleFileCall(int number, siginfo_t* info, void* context);
Status InstallFileCallFilter();

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_FILES_FILE_WATCH_STATE_H_
