// SPDX-License-Identifier: BSD-3-Clause
// The system calls that a FileWatch traps, as data.
//
// Threads: any.
#ifndef FENCEPOST_FAULTINJECT_WATCH_FILES_CALL_TABLE_H_
#define FENCEPOST_FAULTINJECT_WATCH_FILES_CALL_TABLE_H_

#include <cstddef>
#include <cstdint>

namespace fencepost {

// The calls that take paths: where, from 0; the directory stands before each path, or -1.
struct PathCall {
  uint32_t number;
  int path;
  int directory;
  bool tells;  // of a size, or the number of names
};

// Of a call that takes a path; null: it takes none.
const PathCall* FindPathCall(int64_t number);
// Where a directory must be empty.
const PathCall* FindRemoveCall(int64_t number);
// Of the second path of a call: what is replaced there.
const PathCall* FindSecondPath(int64_t number);

// How many arguments a call has; what its other registers hold means nothing. All six, unless it is
// one that recoveries make often.
size_t ArgumentsOf(int64_t number);

// From here on the kernel may have calls that read in ways of their own; and those of other
// instruction sets have their numbers there.
inline constexpr uint32_t kFirstUnknownCall = 463;

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_FILES_CALL_TABLE_H_
