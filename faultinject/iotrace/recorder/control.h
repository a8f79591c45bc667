// SPDX-License-Identifier: BSD-3-Clause
// What all processes of a recorded run share: four sparse files in the folder that the environment
// variable kFolderVariable names, each mapped at an address of its own.
//
//   control  this header's Control: the lock, the table of inodes, mappings
//   trace    the log (log_format.h)
//   shadow   what files with a shared writable mapping held when they were last looked at
//   hashes   of the blocks of files that were proved
//
// IoRecorder makes them before the program starts and reads them when it has ended; in between they
// belong to the library in the program's processes, under Control::lock.
//
// The addresses are fixed, since the seccomp filter knows them and outlives exec. They lie where
// neither a PIE, nor a stack, nor what mmap chooses by itself comes to be (x86-64 Linux), nor the
// shadow memory of AddressSanitizer.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CONTROL_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CONTROL_H_

#include <cstdint>

#include "faultinject/iotrace/content_hash.h"
#include "faultinject/iotrace/io_event.h"
#include "faultinject/iotrace/io_fault.h"

namespace fencepost::iorecorder {

inline constexpr char kFolderVariable[] = "FENCEPOST_IO_FOLDER";
inline constexpr uint64_t kControlMagic = 0x31304c54434e4546;

inline constexpr uint64_t kGateAddress = 0x2000'0000'0000;  // the page of the system call gate
inline constexpr uint64_t kControlAddress = 0x2001'0000'0000;
inline constexpr uint64_t kLogAddress = 0x2010'0000'0000;
inline constexpr uint64_t kLogBytesMax = 1ULL << 40;
inline constexpr uint64_t kShadowAddress = 0x2200'0000'0000;
inline constexpr uint32_t kShadows = 64;
inline constexpr uint64_t kShadowBytes = 1ULL << 34;  // of one file
inline constexpr uint64_t kHashesAddress = 0x2300'0000'0000;
inline constexpr uint32_t kHashedFiles = 1024;
// Shared mappings of traced files go here, so that the filter can tell the calls on them.
inline constexpr uint64_t kWindowBegin = 0x2400'0000'0000;
inline constexpr uint64_t kWindowEnd = 0x5000'0000'0000;

inline constexpr uint32_t kPathBytes = 4096;
inline constexpr uint32_t kNameBytes = 256;  // with the 0 at the end
inline constexpr uint32_t kInodesMax = 1 << 20;
inline constexpr uint32_t kBuckets = 1 << 16;
inline constexpr uint32_t kMappingsMax = 4096;
inline constexpr uint32_t kMoreNamesMax = 1 << 16;
inline constexpr uint32_t kExecutionsMax = 256;
inline constexpr uint32_t kScratchBytes = 1 << 18;
inline constexpr uint32_t kNoShadow = UINT32_MAX;
inline constexpr uint32_t kNoHashes = UINT32_MAX;
inline constexpr uint32_t kChangesMax = 16;
inline constexpr uint32_t kAllocationsMax = 1024;

// Blocks of a file, by number: [first, end).
struct BlockRange {
  uint64_t first;
  uint64_t end;
};

// Of one file that is no longer than kShadowBytes; content_hash.h.
struct FileHashes {
  static constexpr uint64_t kBlocks = kShadowBytes / kHashBlockBytes;
  uint64_t block_parts[kBlocks];
  uint64_t extent_parts[kBlocks / kHashExtentBlocks];
};

struct NameEntry {
  InodeId inode;
  InodeId directory;
  char name[kNameBytes];
};

struct InodeEntry {
  uint64_t ino;
  uint32_t next_in_bucket;  // kNoInode: the last one
  uint32_t links;           // names below the root
  InodeId parent;           // where one of them is, called `name`; kNoInode: there is none
  InodeType type;
  bool is_volatile;
  bool is_changed;           // since the last kContent event
  bool is_changed_all_over;  // in more than `changes`
  uint32_t shadow;           // kNoShadow: never had a shared writable mapping, or is gone
  uint32_t hashes;           // kNoHashes: was not proved yet
  uint32_t changes_used;
  BlockRange changes[kChangesMax];  // since the last kContent event
  uint64_t extents_sum;             // of FileHashes::extent_parts
  uint64_t fully_read_at;           // how long it was when all of it was last read
  char name[kNameBytes];
};

struct Mapping {
  uint64_t begin;  // an address; 0: free
  uint64_t end;
  uint64_t file_offset;
  InodeId inode;
  uint32_t process;
  bool is_writable;
};

// Blocks that a file was given by fallocate: [begin, end), in bytes. Kept where holes are watched.
struct Allocation {
  InodeId inode;
  uint64_t begin;
  uint64_t end;
};

struct Shadow {
  InodeId inode;      // kNoInode: free
  uint32_t mappings;  // writable ones that are there
};

// A process between its execve and the constructor of the library in its new program.
struct Execution {
  uint32_t process;  // 0: free
  char path[252];
};

struct Control {
  uint64_t magic;
  // 0, or the thread that holds it, with kHasWaiters.
  uint32_t lock;
  uint32_t is_in_effect;     // its holder is between a system call and its event
  uint32_t exiting_process;  // the last one to call exit_group
  uint32_t is_closed;        // the run is over: nothing is recorded any more
  uint32_t programs;         // that have loaded the library
  uint32_t is_log_full;
  uint64_t root_device;
  uint64_t log_capacity;
  uint64_t next_window_address;
  IoFault fault;         // to be played
  uint64_t fault_calls;  // that it concerns, so far
  InodeId next_inode;
  uint32_t mappings_used;  // beyond it all are free
  uint32_t more_names_used;
  uint32_t has_dirty_marks;      // the kernel tells which pages of a file are dirty
  uint32_t next_hashes;          // whose turn it is to be given to another file
  InodeId hashed[kHashedFiles];  // kNoInode: free
  uint32_t allocations_used;
  Allocation allocations[kAllocationsMax];
  char root[kPathBytes];
  Execution executions[kExecutionsMax];
  Shadow shadows[kShadows];
  Mapping mappings[kMappingsMax];
  uint32_t buckets[kBuckets];
  NameEntry more_names[kMoreNamesMax];  // of inodes that have several
  // For the holder of the lock: a signal handler's stack may be small.
  alignas(64) char scratch[kScratchBytes];
  char path[2][2 * kPathBytes];
  char own_path[2 * kPathBytes + kNameBytes];
  InodeEntry inodes[kInodesMax];  // by InodeId
};
inline constexpr uint64_t kControlBytes = (sizeof(Control) + 4095) / 4096 * 4096;

inline uint32_t BucketOf(uint64_t ino) {
  return static_cast<uint32_t>((ino * 0x9e3779b97f4a7c15U) >> 48) % kBuckets;
}

// Makes `id` what is found by the number `ino`. REQUIRES: nothing is.
inline void AddToBucket(Control* control, InodeId id, uint64_t ino) {
  uint32_t& bucket = control->buckets[BucketOf(ino)];
  control->inodes[id].ino = ino;
  control->inodes[id].next_in_bucket = bucket;
  bucket = id;
}

// '*' stands for any characters, '?' for one.
inline bool MatchesPattern(const char* pattern, const char* name) {
  const char* star = nullptr;
  const char* resume = nullptr;
  while (*name != 0) {
    if (*pattern == '*') {
      star = pattern++;
      resume = name;
    } else if (*pattern == '?' || *pattern == *name) {
      ++pattern;
      ++name;
    } else if (star != nullptr) {
      pattern = star + 1;
      name = ++resume;
    } else {
      return false;
    }
  }
  while (*pattern == '*') ++pattern;
  return *pattern == 0;
}

// `patterns` as LogHeader::volatile_names has them.
inline bool IsVolatileName(const char* patterns, const char* name) {
  for (const char* pattern = patterns; *pattern != 0;) {
    if (MatchesPattern(pattern, name)) return true;
    while (*pattern != 0) ++pattern;
    ++pattern;
  }
  return false;
}

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CONTROL_H_
