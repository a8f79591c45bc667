// SPDX-License-Identifier: BSD-3-Clause
// MapBackend: the one place where the pmemkv API meets cmap.
//
// It is the engine contract, and what pmemkv wants beyond it: a map in DRAM.
// Threads: any number; a visitor may not call the map.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_MAP_BACKEND_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_MAP_BACKEND_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "engines/engine.h"
#include "engines/status.h"

struct pmemoid;

namespace fencepost::pmemkv_api {

// Where the root of a map in the program's pool is, and so which map it is.
using RootName = std::pair<uint64_t, uint64_t>;  // pool's uuid, offset

class MapBackend {
 public:
  // kNotFound with a message if there is no pool; kBusy if it is open already; kCorrupt if the file
  // is none of ours.
  static Result<std::unique_ptr<MapBackend>> OpenPool(const std::filesystem::path& path);
  // kInvalidArgument if a file of that name exists, or pool_bytes is too small for a pool.
  static Result<std::unique_ptr<MapBackend>> CreatePool(const std::filesystem::path& path,
                                                        uint64_t pool_bytes);
  // The map that `link`, in a pool that the program has open, refers to; made first if that is
  // null. kInvalidArgument if the link is in no open pool; kBusy if the map is open; kCorrupt if it
  // is none.
  static Result<std::unique_ptr<MapBackend>> OpenLinked(pmemoid* link);
  // A map that ends with the process and has no name: on a tmpfs, that is in DRAM; `folder`, which
  // must exist, is where it goes if this process can have no pool there.
  static Result<std::unique_ptr<MapBackend>> CreateInDram(const std::filesystem::path& folder,
                                                          uint64_t pool_bytes);
  ~MapBackend();
  MapBackend(const MapBackend&) = delete;
  MapBackend& operator=(const MapBackend&) = delete;

  Status Put(std::string_view key, std::string_view value) { return engine_->Put(key, value); }
  Status Get(std::string_view key, ValueVisitor visit) { return engine_->Get(key, visit); }
  Status Exists(std::string_view key) { return engine_->Exists(key); }
  Status Delete(std::string_view key) { return engine_->Delete(key); }
  Status ForEach(PairVisitor visit) { return engine_->ForEach(visit); }
  Status Apply(std::span<const Write> batch) { return engine_->Apply(batch); }
  Result<uint64_t> Count();
  Status Defragment();

 private:
  MapBackend(std::unique_ptr<Engine> engine, int nameless_fd,
             std::optional<RootName> linked = std::nullopt)
      : engine_(std::move(engine)), nameless_fd_(nameless_fd), linked_(linked) {}
  static Result<std::unique_ptr<MapBackend>> CreateNameless(const std::filesystem::path& folder,
                                                            uint64_t pool_bytes);

  std::unique_ptr<Engine> engine_;
  const int nameless_fd_;                 // of the file in DRAM, which nothing else keeps; or -1
  const std::optional<RootName> linked_;  // of a map in the program's pool
};

// Whether this thread is inside a transaction of libpmemobj's own, in which cmap must not publish.
bool InsidePmemobjTransaction();

}  // namespace fencepost::pmemkv_api

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_MAP_BACKEND_H_
