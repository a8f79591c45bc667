// SPDX-License-Identifier: BSD-3-Clause
// FileWatch: what does this process, with all its threads, read of given files and directories?
//
// A seccomp filter traps each system call that reads a file, tells of one, or looks a name up; the
// handler notes what it asks, and makes the call. A file that is mapped is read where its pages are
// touched first: they are protected until then, in a range of addresses of their own, and calls
// that are given a pointer into it open them.
//
// What is noted are questions, not answers: a name looked up in a directory, the size (or number of
// names) of a file, bytes of a file, all names of a directory. Files go by what they were when the
// watch began, whatever they are called by then.
//
// Invariants:
//   1. No question is missed: where it cannot be said what a call or an access reads, all that it
//      could read is noted; where that cannot be said either, FileReadLog::why tells of it.
//   2. What the process sees is what it would see without the watch, but for time, and that there
//      is no io_uring and no io_setup (ENOSYS, as in many containers).
// What the process has written itself counts as read when it reads it again.
// Threads: any, and children that it forks. Begin and End: while there is no other.
// Not covered: times, owners, permissions, holes as such (SEEK_DATA reads all of the file), sizes
//   and numbers of links of directories; descriptors of another process; rings of io_uring from
//   before Install that poll by themselves; a position that one thread writes at and another reads
//   at; sanitized programs.
// Source: seccomp(2), SECCOMP_RET_TRAP.
#ifndef FENCEPOST_FAULTINJECT_WATCH_FILES_FILE_WATCH_H_
#define FENCEPOST_FAULTINJECT_WATCH_FILES_FILE_WATCH_H_

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// A file or directory, as stat tells of it.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  auto operator<=>(const FileIdentity&) const = default;
};

struct FileRead {
  enum class Kind : unsigned char {
    kName,     // `name`, in the directory
    kStat,     // size and number of names
    kBytes,    // [begin, end), as far as the file goes
    kListing,  // all names in the directory
  };
  Kind kind = Kind::kName;
  uint32_t file = 0;  // index in what is watched
  uint64_t begin = 0, end = 0;
  std::string name;
  bool operator==(const FileRead&) const = default;
};

struct FileReadLog {
  std::vector<FileRead> reads;  // in the order of the calls; those next to each other are one
  // Why the watch could not follow, e.g. "starts another program"; empty if it could. Then `reads`
  // says nothing.
  std::string why;
};

// In memory shared with the process that is watched: outlives it.
struct FileWatchBuffer {
  static constexpr size_t kMostFiles = 1 << 14;
  static constexpr size_t kMostReads = 1 << 16;
  static constexpr size_t kNameBytes = 1 << 20;
  static constexpr size_t kMostPathBytes = 4096;

  struct Read {
    FileRead::Kind kind;
    uint32_t file;
    uint64_t begin, end;  // kName: of the name, in `names`
  };

  char root[kMostPathBytes];  // canonical: paths below it need no walk above it
  FileIdentity files[kMostFiles];
  uint64_t file_count;
  std::atomic<uint32_t> lock;
  uint64_t read_count;
  uint64_t name_bytes;
  char why[128];
  Read reads[kMostReads];
  char names[kNameBytes];

  // kUnsupported if there are too many. REQUIRES: sorted and distinct; `root` is canonical.
  Status Watch(const std::string& root_path, const std::vector<FileIdentity>& watched);
  FileReadLog Log() const;
};

class FileWatch {
 public:
  // Whether this program can watch at all.
  static bool Supported();
  // Once in a process: signal handlers, and the filter of calls. From then on the process cannot
  // run other programs. kUnsupported, kIoError.
  static Status Install();
  // Watches until End. REQUIRES: installed; no watch is on.
  static void Begin(FileWatchBuffer* buffer);
  static void End();

  // After so many pages one by one, the rest of a mapping counts as read.
  static constexpr uint64_t kMostPages = 8192;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_FILES_FILE_WATCH_H_
