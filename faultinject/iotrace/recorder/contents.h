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
//   3. A hash is of all bytes. Those of blocks that no event has changed are from when they were
//      last read; all are read again when a file has doubled, before it is cut or goes, and at the
//      end.
//   4. Of a file of more than 1 MiB only pages are looked at that are dirty, where the kernel tells
//      which: a store makes its page dirty. It may have been written back since, which is noticed
//      when all of the file is looked at again, at the latest at the end, and refuses the run: the
//      store would be taken for a later one than it was.
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

// Notes that [offset, offset + bytes) has changed, for the proofs.
void NoteChange(InodeId id, uint64_t offset, uint64_t bytes);
// More than can be told.
void NoteChangeAllOver(InodeId id);

enum class Reading : unsigned char { kWhatIsNew, kAll };
// Samples it if it has a shadow, and appends a kContent event. Nothing for a volatile file, or one
// without names: what it holds can no longer be found.
void Prove(const FileAt& file, Reading reading);
// All files that have changed since they were proved.
void ProveAllChanged();

// Does nothing where there is no shadow.
void Sample(const FileAt& file, Reading reading);
// All files with mappings; then forgets those of processes that are gone.
void SampleMapped(Reading reading);

// Begins to watch a file for stores. What it holds now has been recorded.
void GiveShadow(const FileAt& file);
void ShadowWrite(InodeId id, uint64_t offset, const char* data, uint64_t bytes);
void ShadowZero(InodeId id, uint64_t offset, uint64_t bytes);
// `bytes` from `from` on go to `to`: what lies there is in the file no more.
void ShadowMove(InodeId id, uint64_t to, uint64_t from, uint64_t bytes);
bool HasShadow(InodeId id);
// REQUIRES: it has one.
char* ShadowOf(InodeId id);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CONTENTS_H_
