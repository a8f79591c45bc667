/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that are, or were, mapped: by number from 1; 0 is memory that is no file.

   A file is its device and inode, so that one with two names is one, and two that had the same name
   in turn are two. While it is mapped nothing else can have its inode; afterwards its name must be
   the same as well, since inodes are used again. */
#include <pub_tool_libcfile.h>
#include <pub_tool_vki.h>

#include "faultinject/pmemcheck/tool.h"

/* O_PATH, which VKI does not name: no permission to read is needed. */
enum { kPathOnly = 010000000 };

struct file {
  HChar* path; /* when it was first mapped */
  ULong device, inode;
};
static struct file* files;
static UInt file_count;

Bool path_of(Int descriptor, HChar* path, SizeT room) {
  HChar link[64];
  SSizeT length;
  VG_(sprintf)(link, "/proc/self/fd/%d", descriptor);
  length = VG_(readlink)(link, path, room - 1);
  if (length < 0) return False;
  path[length] = '\0';
  return True;
}

static Bool is_mapped(UInt file) {
  const struct pmc_range* range = pmc_ranges_from(&mappings, 0);
  while (range != NULL && file_of(range) != file) range = pmc_ranges_from(&mappings, range->end);
  return range != NULL;
}

UInt file_behind(Int descriptor) {
  struct vg_stat stat;
  HChar path[VKI_PATH_MAX];
  if (file_count == 0 || VG_(fstat)(descriptor, &stat) != 0) return 0;
  for (UInt i = file_count; i-- > 0;) {
    if (files[i].device != stat.dev || files[i].inode != stat.ino) continue;
    if (is_mapped(i + 1)) return i + 1;
    if (path_of(descriptor, path, sizeof(path)) && VG_(strcmp)(path, files[i].path) == 0)
      return i + 1;
  }
  return 0;
}

UInt file_named(const HChar* path) {
  UInt file;
  SysRes opened;
  if (file_count == 0) return 0;
  opened = VG_(open)(path, kPathOnly, 0);
  if (sr_isError(opened)) return 0;
  file = file_behind((Int)sr_Res(opened));
  VG_(close)((Int)sr_Res(opened));
  return file;
}

UInt file_to_map(Int descriptor, const HChar* path) {
  struct vg_stat stat;
  const UInt known = file_behind(descriptor);
  if (known != 0) return known;
  VG_(memset)(&stat, 0, sizeof(stat));
  (void)VG_(fstat)(descriptor, &stat);
  files = VG_(realloc)("pmc.files", files, (file_count + 1) * sizeof(*files));
  files[file_count] =
      (struct file){.path = VG_(strdup)("pmc.file", path), .device = stat.dev, .inode = stat.ino};
  return ++file_count;
}

const HChar* file_path(UInt file) { return file == 0 ? "" : files[file - 1].path; }
