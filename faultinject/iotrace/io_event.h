// SPDX-License-Identifier: BSD-3-Clause
// IoEvent: what a program did to the files below one directory, one effect at a time.
//
// Calls are recorded by what they changed: an append has the offset at which it landed, a write by
// writev, copy_file_range or sendfile is a write, open with O_TRUNC is a truncation. A call that
// failed and changed nothing is no event, but for syncs.
//
// Files and directories go by inode, never by path or descriptor: a number of the trace's own, that
// is never used again. The root, the directory that is traced, is 0.
//
// Invariants:
//   1. Events are in an order in which their effects happened. What may overlap has two events: a
//      sync begins and ends, an operation as well.
//   2. A sync covers what lies before its begin, and has covered it from its end on. A write that
//      was synchronous (O_SYNC, O_DSYNC, RWF_DSYNC) is a write, then a sync of its own bytes.
// Threads: none.
// Not covered: times, owners, permissions, extended attributes: no model here loses them.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_IO_EVENT_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_IO_EVENT_H_

#include <cstdint>
#include <string>

namespace fencepost {

using InodeId = uint32_t;
inline constexpr InodeId kRootInode = 0;
inline constexpr InodeId kNoInode = UINT32_MAX;

enum class InodeType : unsigned char { kFile, kDirectory, kSymlink };

struct IoEvent {
  enum class Kind : unsigned char {
    // Names. `directory` and `name` say where; `inode` is what is named there.
    kCreate,    // a new inode of `type`; of a symbolic link `data` is the target
    kLink,      // one more name of an inode
    kRemove,    // unlink, rmdir
    kRename,    // to `to_directory`, `to_name`; `replaced` was there, or kNoInode
    kExchange,  // renameat2(RENAME_EXCHANGE): `inode` and `replaced` have changed places
    // Contents of the file `inode`.
    kWrite,       // `data` at `offset`; makes the file longer if it ends beyond
    kTruncate,    // to `length` bytes
    kAllocate,    // fallocate(0): at least `offset` + `length` bytes long, new ones are zero
    kZero,        // punched or zeroed: `length` bytes from `offset`; never longer than it was
    kCollapse,    // FALLOC_FL_COLLAPSE_RANGE
    kInsertHole,  // FALLOC_FL_INSERT_RANGE
    // What is promised.
    kSyncBegin,
    kSyncEnd,  // of the begin at event `begin`
    // What the program says of itself; `id`.
    kOperationBegin,
    kOperationEnd,
    // The proof: at this moment the file held `length` bytes, and FileContent::QuickHash() of them
    // was `id`.
    kContent,
  };
  enum class Scope : unsigned char {
    kFile,  // fsync: of a file, its data, size and what is needed to find both; of a directory, its
            // names
    kData,  // fdatasync: the same, but for what is not needed to read the data again
    kRange,  // data of `length` bytes from `offset`, and the size if they need it: msync, O_DSYNC
    kAll,    // sync, syncfs
    kNone,   // sync_file_range: promises nothing
  };

  Kind kind = Kind::kOperationBegin;
  uint32_t thread = 0;  // numbered in the order of their first events
  InodeId inode = kNoInode;
  InodeType type = InodeType::kFile;
  InodeId directory = kNoInode;
  std::string name = {};
  InodeId to_directory = kNoInode;
  std::string to_name = {};
  InodeId replaced = kNoInode;
  uint64_t offset = 0;
  uint64_t length = 0;
  std::string data = {};
  Scope scope = Scope::kFile;
  uint64_t begin = 0;     // kSyncEnd: the number of the event at which it began
  bool failed = false;    // kSyncEnd: the call returned an error, and has promised nothing
  bool appended = false;  // kWrite: it began at the end of the file (O_APPEND or by its offset)
  bool mapped = false;    // kWrite: seen in a shared mapping, some time after it was stored
  bool direct = false;    // kWrite: O_DIRECT
  uint64_t id = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_IO_EVENT_H_
