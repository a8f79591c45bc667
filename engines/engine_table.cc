// SPDX-License-Identifier: BSD-3-Clause
#include "engines/engine_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engines/blackhole/blackhole_engine.h"
#include "engines/cmap/cmap_engine.h"
#include "engines/filestore/filestore_engine.h"
#include "engines/lmdb/lmdb_engine.h"
#include "engines/rocksdb/rocksdb_engine.h"
#ifdef FENCEPOST_HAS_PMEMKV
#include "engines/pmemkv/pmemkv_engine.h"
#endif

namespace fencepost {
namespace {

constexpr Durability kNoDurability[] = {Durability::kNone};
constexpr Durability kOnlyPowerFail[] = {Durability::kPowerFail};
// Of readers and writers that are alive.
constexpr std::string_view kLmdbVolatileFiles[] = {"lock.mdb"};
constexpr Durability kLmdbDurabilities[] = {Durability::kPowerFail, Durability::kPrefix,
                                            Durability::kProcessCrash};
constexpr Durability kRocksdbDurabilities[] = {Durability::kPowerFail, Durability::kPrefix,
                                               Durability::kBuffered};

const EngineRow kEngines[] = {
    {.name = "cmap",
     .description = "concurrent hash map in persistent memory, on libpmemobj",
     .open = OpenCmap,
     .version = CmapVersion,
     .capabilities = {.atomic_batch = true,
                      .audit = true,
                      .compare_and_put = true,
                      .defragment = true,
                      .tells_reads = true,
                      .persistent_memory = true,
                      .path_is_file = true,
                      .max_key_bytes = kCmapMaxKeyBytes,
                      .max_value_bytes = kCmapMaxValueBytes},
     .durabilities = kOnlyPowerFail,
     .options = kCmapOptions},
    {.name = "filestore",
     .description = "traditional storage: a B+-tree of 4 KiB blocks behind a buffer pool, redo log",
     .open = OpenFilestore,
     .version = FilestoreVersion,
     .capabilities = {.ordered = true,
                      .atomic_batch = true,
                      .audit = true,
                      .checksums = true,
                      .delays_files = true,
                      .max_key_bytes = kFilestoreMaxKeyBytes,
                      .max_value_bytes = kFilestoreMaxValueBytes},
     .durabilities = kFilestoreDurabilities,
     .options = kFilestoreOptions},
    {.name = "rocksdb",
     .description = "log-structured merge tree: RocksDB",
     .open = OpenRocksdb,
     .version = RocksdbVersion,
     .capabilities = {.ordered = true,
                      .atomic_batch = true,
                      .exact_count = false,
                      .resumes_when_full = false,
                      .checksums = true,
                      .delays_files = true,
                      .max_key_bytes = kRocksdbMaxKeyBytes,
                      .max_value_bytes = kRocksdbMaxValueBytes},
     .durabilities = kRocksdbDurabilities,
     .options = kRocksdbOptions},
    {.name = "lmdb",
     .description = "memory-mapped copy-on-write B+-tree: LMDB",
     .open = OpenLmdb,
     .version = LmdbVersion,
     .capabilities = {.ordered = true,
                      .atomic_batch = true,
                      .audit = true,
                      .min_key_bytes = 1,
                      .max_key_bytes = kLmdbMaxKeyBytes,
                      .max_value_bytes = kLmdbMaxValueBytes},
     .durabilities = kLmdbDurabilities,
     .options = kLmdbOptions,
     .volatile_files = kLmdbVolatileFiles},
#ifdef FENCEPOST_HAS_PMEMKV
    {.name = "pmemkv",
     .description = "persistent-memory hash map of an installed libpmemkv",
     .open = OpenPmemkv,
     .version = PmemkvVersion,
     .capabilities = {.counts_persists = false, .persistent_memory = true, .path_is_file = true},
     .durabilities = kOnlyPowerFail,
     .options = kPmemkvOptions},
#endif
    {.name = "blackhole",
     .description = "stores nothing: measures the harness itself",
     .open = OpenBlackhole,
     .version = BlackholeVersion,
     .capabilities = {.ordered = true,
                      .atomic_batch = true,
                      .audit = true,
                      .compare_and_put = true,
                      .defragment = true,
                      .stores_data = false},
     .durabilities = kNoDurability,
     .options = {}},
};

}  // namespace

std::span<const EngineRow> Engines() { return kEngines; }

Result<const EngineRow*> FindEngine(std::string_view name) {
  std::string names;
  for (const EngineRow& row : kEngines) {
    if (row.name == name) return &row;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  }
  return Status::InvalidArgument(fmt::format("no engine '{}'; there are {}", name, names));
}

Status CheckDurability(const EngineRow& row, Durability durability) {
  std::string names;
  for (Durability promised : row.durabilities) {
    if (promised == durability) return Status::Ok();
    names += fmt::format("{}{}", names.empty() ? "" : ", ", DurabilityName(promised));
  }
  return Status::InvalidArgument(
      fmt::format("engine.durability={}: {} has {}", DurabilityName(durability), row.name, names));
}

Result<std::unique_ptr<Engine>> OpenEngine(const EngineRow& row, const EngineOptions& options) {
  RETURN_IF_ERROR(CheckDurability(row, options.durability));
  RETURN_IF_ERROR(options.tuning.CheckNames(row.options));
  return row.open(options);
}

}  // namespace fencepost
