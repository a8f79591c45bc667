// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/model/posix/file_systems.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace fencepost {
namespace {

constexpr FileSystemRow kFileSystems[] = {
    {.name = "posix",
     .description = "only what a sync promises; everything else in any order, torn at sectors",
     .source = "POSIX.1-2017 fsync, fdatasync, XBD 3 (synchronized I/O data integrity completion);"
               " fsync(2): the directory's entry needs a sync of the directory"},
    {.name = "ext4-ordered",
     .description = "a journal of metadata; data reaches the disk before the size that covers it",
     .source = "Linux Documentation/admin-guide/ext4.rst (data=ordered, auto_da_alloc) and"
               " filesystems/ext4/journal.rst; ALICE (Pillai et al., OSDI 2014) table 1;"
               " fs/ext4/inode.c: ext4_setattr sets the size without waiting for delayed data",
     .metadata_order = MetadataOrder::kGlobal,
     .append = AppendRule::kDataFirst,
     .sync_covers_names = true,
     .replace_waits = true,
     .cut_frees = true},
    {.name = "ext4-writeback",
     .description = "a journal of metadata; the size may come first and show stale data",
     .source =
         "Linux Documentation/admin-guide/ext4.rst (data=writeback): incorrect data may appear"
         " in files written shortly before the crash; ALICE table 1",
     .metadata_order = MetadataOrder::kGlobal,
     .append = AppendRule::kSizeWithStale,
     .sync_covers_names = true,
     .replace_waits = true,
     .cut_frees = true},
    {.name = "xfs",
     .description = "a log of metadata; the size grows after the data; no rule for replacing",
     .source = "Linux Documentation/filesystems/xfs/xfs-delayed-logging-design.rst; fs/xfs:"
               " xfs_end_io sets the size after the data, xfs_setattr_size writes data out first"
               " (\"null files problem\"); ALICE table 1",
     .metadata_order = MetadataOrder::kGlobal,
     .append = AppendRule::kDataFirst,
     .sync_covers_names = true,
     .truncate_waits = true,
     .cut_frees = true},
    // The project's FAQ promised data before a replacing rename; its developers withdrew that for
    // kernels since 3.17.
    {.name = "btrfs",
     .description =
         "copy on write in whole blocks; fsync logs one file and the names that it needs",
     .source = "btrfs.readthedocs.io (fsync log tree, copy on write); ALICE table 1: directory"
               " operations are reordered; gitlab.gnome.org GNOME/glib merge request 2425 against"
               " the FAQ on overwrite-by-rename",
     .append = AppendRule::kDataFirst,
     .sync_covers_names = true,
     .cut_frees = true,
     .sector_bytes = 4096},
    {.name = "append-atomic",
     .description = "as posix, but an append survives whole or not at all",
     .source = "ALICE table 1 (atomicity of content appends); names as posix",
     .append = AppendRule::kAtomic},
};

}  // namespace

std::span<const FileSystemRow> FileSystems() { return kFileSystems; }

std::string FileSystemNames() {
  std::vector<std::string_view> names;
  for (const FileSystemRow& row : kFileSystems) names.push_back(row.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<const FileSystemRow*> FindFileSystem(const std::string& name) {
  for (const FileSystemRow& row : kFileSystems) {
    if (row.name == name) return &row;
  }
  return Status::InvalidArgument(
      fmt::format("no file system '{}'; there are {}", name, FileSystemNames()));
}

}  // namespace fencepost
