// SPDX-License-Identifier: BSD-3-Clause
#include "harness/placement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "engines/store_directory.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSharedMemory = "/dev/shm";

Result<fs::path> CacheFolder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return fs::path(cache) / "fencepost";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return fs::path(home) / ".cache" / "fencepost";
  }
  return Status::Unsupported(
      "no place for data: neither XDG_CACHE_HOME nor HOME is set; "
      "give -p engine.path=...");
}

Result<fs::path> SharedMemoryFolder() {
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(kSharedMemory));
  if (medium != Medium::kTmpfs || access(std::string(kSharedMemory).c_str(), W_OK) != 0) {
    return Status::Unsupported(
        fmt::format("{} is no tmpfs that can be written; give -p engine.path=...", kSharedMemory));
  }
  // One folder a user, since /dev/shm is everybody's.
  return fs::path(kSharedMemory) / fmt::format("fencepost-{}", getuid());
}

Result<fs::path> Folder(const EngineRow& row, Placement placement) {
  switch (placement) {
    case Placement::kTmpfs:
      return SharedMemoryFolder();
    case Placement::kDisk:
      return CacheFolder();
    case Placement::kDefault:
      break;
  }
  if (!row.capabilities.persistent_memory) return CacheFolder();
  ASSIGN_OR_RETURN(const std::vector<FileSystem> mounts, MountedFileSystems());
  for (const FileSystem& mount : mounts) {
    if (mount.dax && !mount.read_only && access(mount.mount_point.c_str(), W_OK) == 0) {
      return fs::path(mount.mount_point) / "fencepost";
    }
  }
  return SharedMemoryFolder();
}

}  // namespace

std::optional<Placement> PlacementFromName(std::string_view name) {
  for (Placement placement : {Placement::kDefault, Placement::kTmpfs, Placement::kDisk}) {
    if (PlacementName(placement) == name) return placement;
  }
  return std::nullopt;
}

std::string_view PlacementName(Placement placement) {
  switch (placement) {
    case Placement::kDefault:
      return "default";
    case Placement::kTmpfs:
      return "tmpfs";
    case Placement::kDisk:
      return "disk";
  }
  return "unknown";
}

Result<fs::path> PlaceFor(const EngineRow& row, Placement placement, std::string_view leaf) {
  if (!row.capabilities.stores_data) return fs::path();
  ASSIGN_OR_RETURN(fs::path path, Folder(row, placement));
  if (!leaf.empty()) path /= leaf;
  path /= row.name;
  return row.capabilities.path_is_file ? path / "pool" : path;
}

Result<bool> RemoveEarlierStore(const fs::path& path) {
  // Every engine that has one opener at a time holds this lock: on its folder, or on its pool.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return errno == ENOENT ? Result<bool>(false) : ErrnoStatus("open", errno, path);
  }
  std::error_code error;
  const bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (is_free) fs::remove_all(path, error);
  close(fd);
  if (error) return Status::IoError(fmt::format("remove: {}: {}", error.message(), path.string()));
  return is_free;
}

uint64_t EstimateStorageBytes(const SizeHint& hint) {
  constexpr uint64_t kFixedBytes = uint64_t{32} << 20;
  constexpr uint64_t kPairOverheadBytes = 64;
  __extension__ using Wide = unsigned __int128;
  const Wide total =
      Wide{hint.pairs} * (Wide{hint.key_bytes} + hint.value_bytes + kPairOverheadBytes) * 2 +
      kFixedBytes;
  return total > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(total);
}

Status CheckFreeSpace(const fs::path& path, uint64_t needed_bytes) {
  ASSIGN_OR_RETURN(const FileSystem file_system, FileSystemOf(path));
  const uint64_t held = OccupiedBytes(path);
  const uint64_t missing = needed_bytes > held ? needed_bytes - held : 0;
  if (missing <= file_system.free_bytes) return Status::Ok();
  return Status::Full(fmt::format("{}: the workload needs about {} MiB, {} MiB are free on {} ({})",
                                  path.string(), missing >> 20, file_system.free_bytes >> 20,
                                  file_system.mount_point, file_system.type));
}

}  // namespace fencepost
