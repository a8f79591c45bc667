// SPDX-License-Identifier: BSD-3-Clause
// Where an engine's data goes when the user does not say, and whether it fits there.
#ifndef FENCEPOST_HARNESS_PLACEMENT_H_
#define FENCEPOST_HARNESS_PLACEMENT_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "engines/engine_table.h"
#include "engines/medium.h"

namespace fencepost {

enum class Placement : unsigned char {
  kDefault,  // persistent-memory engines: a DAX mount, else /dev/shm; file engines: the cache
             // folder
  kTmpfs,    // /dev/shm for all, which isolates the software's share: a file's sync is free there
  kDisk,     // the cache folder for all
};

std::optional<Placement> PlacementFromName(std::string_view name);  // default, tmpfs, disk
std::string_view PlacementName(Placement placement);

// The path for an engine's data. `leaf` names a folder of its own below the place ("" for the one
// that `load` and a later `run` share). kUnsupported where there is no such place.
Result<std::filesystem::path> PlaceFor(const EngineRow& row, Placement placement,
                                       std::string_view leaf);

// Removes what an earlier load left at a path that PlaceFor made, so that a load there begins with
// nothing: what another workload left would be in every figure, or fill its pool. True if there was
// something. A store that is open stays, and its lock refuses whoever opens it next.
Result<bool> RemoveEarlierStore(const std::filesystem::path& path);

// What the workload will occupy, roughly: keys and values, twice (compaction, copy on write), and
// a fixed part.
uint64_t EstimateStorageBytes(const SizeHint& hint);

// kFull, with needed and free bytes, if what the path does not hold yet would not fit.
Status CheckFreeSpace(const std::filesystem::path& path, uint64_t needed_bytes);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_PLACEMENT_H_
