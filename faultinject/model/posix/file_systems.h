// SPDX-License-Identifier: BSD-3-Clause
// The file systems whose crashes are modelled: what each promises beyond POSIX, as properties of a
// row. What the properties mean for a crash is in posix_model.h; where sources disagree the row has
// the weaker promise, and its source says so.
//
// Threads: any.
#ifndef FENCEPOST_FAULTINJECT_MODEL_POSIX_FILE_SYSTEMS_H_
#define FENCEPOST_FAULTINJECT_MODEL_POSIX_FILE_SYSTEMS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engines/status.h"

namespace fencepost {

enum class MetadataOrder : unsigned char {
  kByEntry,  // the operations on one name survive as a prefix; others in any order
  kGlobal,   // a journal: names, truncations and allocations of the whole file system as a prefix
};

enum class AppendRule : unsigned char {
  kSizeAlone,      // the size may survive without the data: zeros
  kSizeWithStale,  // the same, but what was on the disk before shows: kStaleByte
  kDataFirst,      // the size survives only with the data that it covers
  kAtomic,         // an append survives whole or not at all
};

// Stands for what other files once had in these blocks.
inline constexpr char kStaleByte = '\xA5';

struct FileSystemRow {
  std::string_view name;
  std::string_view description;  // one line
  std::string_view source;
  MetadataOrder metadata_order = MetadataOrder::kByEntry;
  AppendRule append = AppendRule::kSizeAlone;
  // fsync of a file covers its names, with all that they rest on; fdatasync that of its creation.
  bool sync_covers_names = false;
  // A rename over another file waits for the sizes (and what these wait for) of what it puts there.
  bool replace_waits = false;
  // A truncation waits for data before the new end that the durable size does not cover yet.
  bool truncate_waits = false;
  // A truncation frees blocks: what is written there later has new ones, which are found only by
  // metadata after the truncation.
  bool cut_frees = false;
  uint64_t sector_bytes = 512;  // never torn
  uint64_t block_bytes = 4096;  // what is freed
};

std::span<const FileSystemRow> FileSystems();
// "posix, ext4-ordered, ..."
std::string FileSystemNames();
// kInvalidArgument, naming those there are.
Result<const FileSystemRow*> FindFileSystem(const std::string& name);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_MODEL_POSIX_FILE_SYSTEMS_H_
