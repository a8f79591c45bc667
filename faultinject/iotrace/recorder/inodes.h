// SPDX-License-Identifier: BSD-3-Clause
// Which inodes are traced, and where a path leads: all that is below the root on its device, found
// by inode number.
//
// The kernel gives the number of an inode that is gone to a new one. An entry without names whose
// inode has one is such a number, come again outside of the root; a new inode in the root always
// gets a new entry.
// Threads: REQUIRES: the lock is held, but for IsCandidate().
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_INODES_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_INODES_H_

#include <cstdint>

#include "faultinject/iotrace/recorder/raw_calls.h"
#include "faultinject/iotrace/recorder/shared_log.h"

namespace fencepost::iorecorder {

// A file or directory on the root's device. `status` of its inode.
bool IsCandidate(int fd, struct stat* status);

// kNoInode: not traced.
InodeId FindInode(const struct stat& status);
inline InodeEntry& EntryOf(InodeId id) { return Shared().inodes[id]; }
// A new number for what `status` is of; kNoInode when there are no more, which refuses the run.
InodeId AddInode(const struct stat& status, InodeType type);

void AddName(InodeId id, InodeId directory, const char* name);
void RemoveName(InodeId id, InodeId directory, const char* name);
// Both of one inode; the count stays.
void MoveName(InodeId id, InodeId directory, const char* name, InodeId to_directory,
              const char* to_name);

// Opens a traced file by the name that its entry keeps, for reading. Negative where it has none, or
// where that leads elsewhere.
long OpenInode(InodeId id);

// A path, and how a call wants it to be followed.
struct Where {
  int directory;  // AT_FDCWD or a descriptor
  const char* path;
  uint64_t resolve = 0;  // openat2's
};

// The directory in which a path's last name is, and that name.
class Place {
 public:
  // `follows`: where the name is a symbolic link, the place that it leads to. `buffer` (0 or 1) of
  // Control::path holds the name as long as the Place is used; where.path may be in it.
  Place(const Where& where, int buffer, bool follows);

  // Of a traced directory.
  bool is_traced() const { return directory_ != kNoInode; }
  InodeId directory() const { return directory_; }
  const char* name() const { return name_; }
  // What the name leads to now, itself if it is a symbolic link. False if nothing.
  bool Stat(struct stat* status) const;
  // A descriptor of that, by openat(O_PATH).
  long Open() const;
  // What it knows stays known.
  void Close();

  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { Close(); }

 private:
  void Find(const Where& where);

  char* buffer_;
  const char* name_ = "";
  int fd_ = -1;
  InodeId directory_ = kNoInode;
};

// openat(O_PATH): only to find out what is there.
long OpenPath(const Where& where, int flags);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_INODES_H_
