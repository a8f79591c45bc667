// SPDX-License-Identifier: BSD-3-Clause
// What traced files hold: proved by kContent events, and looked at where stores into a shared
// mapping may have changed them.
//
// A store into a mapping traps nothing. So each file with a writable shared mapping has a shadow,
// which is what the events so far make of it; Sample() logs what the file holds that its shadow
// does not, as kWrite events that are `mapped`, by sectors.
//
// Invariants:
//   1. A shadow is what a replay of the log has: recorded writes go to it as well.
//   2. The hash of a file with a shadow is the shadow's, just after a sample: between two reads of
//      the file there may be a store.
//   3. A hash is of all bytes; those of an append-only file's whole blocks are from when they were
//      last read, and they are all read again when it has doubled, and at its end.
// Threads: REQUIRES: the lock is held.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CONTENTS_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CONTENTS_H_

#include <cstdint>

#include "faultinject/iotrace/recorder/inodes.h"

namespace fencepost::iorecorder {

inline constexpr uint64_t kSectorBytes = 512;

// The file of a descriptor that need not be open for reading.
class FileAt {
 public:
  FileAt(InodeId id, int fd) : id_(id), reader_(ReopenForReading(fd)) {}
  // By its name; `ok` only if it has one.
  explicit FileAt(InodeId id) : id_(id), reader_(OpenInode(id)) {}

  bool ok() const { return reader_.ok(); }
  InodeId id() const { return id_; }
  int fd() const { return reader_.get(); }
  uint64_t Bytes() const;

 private:
  InodeId id_;
  OwnDescriptor reader_;
};

// Notes that [offset, offset + bytes) has changed, for the proofs; a new length is a change from
// there on.
void NoteChange(InodeId id, uint64_t offset);

enum class Reading : unsigned char { kWhatIsNew, kAll };
// Samples it if it has a shadow, and appends a kContent event. Nothing for a volatile file, or one
// without names: what it holds can no longer be found.
void Prove(const FileAt& file, Reading reading);
// All files that have changed since they were proved.
void ProveAllChanged();

// Does nothing where there is no shadow.
void Sample(const FileAt& file);
// All files with mappings; then forgets those of processes that are gone.
void SampleMapped();

// Begins to watch a file for stores. What it holds now has been recorded.
void GiveShadow(const FileAt& file);
void ShadowWrite(InodeId id, uint64_t offset, const char* data, uint64_t bytes);
void ShadowZero(InodeId id, uint64_t offset, uint64_t bytes);
// `bytes` from `from` on go to `to`: what lies there is in the file no more.
void ShadowMove(InodeId id, uint64_t to, uint64_t from, uint64_t bytes);
bool HasShadow(InodeId id);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CONTENTS_H_
