// SPDX-License-Identifier: BSD-3-Clause
// The names that each inode of a recorded run has: one in its entry, those that it has besides in a
// table of their own. So it can be opened by any process, whichever of them went.
//
// Threads: REQUIRES: the lock is held, or no program has started yet.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_NAMES_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_NAMES_H_

#include "faultinject/iotrace/recorder/control.h"

namespace fencepost::iorecorder {

inline void CopyName(char (&to)[kNameBytes], const char* from) {
  uint32_t i = 0;
  for (; from[i] != 0 && i + 1 < kNameBytes; ++i) to[i] = from[i];
  to[i] = 0;
}

inline bool SameName(const char* a, const char* b) {
  for (; *a == *b; ++a, ++b) {
    if (*a == 0) return true;
  }
  return false;
}

// False if there is no room for it.
inline bool KeepName(Control* control, InodeId id, InodeId directory, const char* name) {
  InodeEntry& entry = control->inodes[id];
  ++entry.links;
  if (entry.parent != kNoInode) {
    if (control->more_names_used == kMoreNamesMax) return false;
    NameEntry& more = control->more_names[control->more_names_used++];
    more.inode = id;
    more.directory = entry.parent;
    CopyName(more.name, entry.name);
  }
  entry.parent = directory;
  CopyName(entry.name, name);
  return true;
}

inline void DropName(Control* control, InodeId id, InodeId directory, const char* name) {
  InodeEntry& entry = control->inodes[id];
  if (entry.links > 0) --entry.links;
  const bool is_kept = entry.parent == directory && SameName(entry.name, name);
  if (is_kept) entry.parent = kNoInode;
  if (entry.links == 0) return;
  for (uint32_t i = 0; i < control->more_names_used; ++i) {
    NameEntry& more = control->more_names[i];
    if (more.inode != id) continue;
    if (!is_kept && (more.directory != directory || !SameName(more.name, name))) continue;
    if (is_kept) {
      entry.parent = more.directory;
      CopyName(entry.name, more.name);
    }
    more = control->more_names[--control->more_names_used];
    return;
  }
}

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_NAMES_H_
