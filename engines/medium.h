// SPDX-License-Identifier: BSD-3-Clause
// Which medium a path is on. Every result names it.
#ifndef FENCEPOST_ENGINES_MEDIUM_H_
#define FENCEPOST_ENGINES_MEDIUM_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

enum class Medium : unsigned char {
  kNone,       // nothing is stored
  kDax,        // persistent memory, mapped without a page cache
  kTmpfs,      // DRAM: emulated persistent memory, or files whose sync is free
  kPageCache,  // files on a block device, through the kernel's page cache
  kBlock,      // files on a block device, O_DIRECT
};

// "none", "dax", "tmpfs", "page-cache", "block".
std::string_view MediumName(Medium medium);

// The file system that holds a path.
struct FileSystem {
  std::string type;         // "ext4", "tmpfs", ...
  std::string mount_point;  // where it is mounted
  std::string device;       // what is mounted
  bool dax = false;         // mounted with dax or dax=always
  bool read_only = false;
  uint64_t free_bytes = 0;  // to an unprivileged user
  uint64_t total_bytes = 0;
};

// The file system of `path`, or of its nearest ancestor that exists. kIoError if /proc or statvfs
// does not answer.
Result<FileSystem> FileSystemOf(const std::filesystem::path& path);

// Every file system that is mounted and not hidden by a later mount on the same point. Sizes are 0
// where statvfs does not answer. kIoError if /proc does not.
Result<std::vector<FileSystem>> MountedFileSystems();

// The medium of files under `path` that are mapped or go through the page cache.
Result<Medium> MediumOf(const std::filesystem::path& path);

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_MEDIUM_H_
