// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/cmap_engine.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engines/cmap/cmap_map.h"
#include "engines/pmem/access.h"
#include "engines/pmem/flush_counters.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using cmap::Map;
using cmap::Store;

static_assert(kCmapMaxKeyBytes == cmap::kMaxKeyBytes);
static_assert(cmap::RecordBytes(kCmapMaxKeyBytes, kCmapMaxValueBytes) == pmem::kMaxObjectBytes);

constexpr uint64_t kDefaultInitialBuckets = 1024;
constexpr uint64_t kDefaultHashSeed = 0;
constexpr uint64_t kLeastDefaultPoolBytes = uint64_t{64} << 20;

struct Settings {
  uint64_t pool_bytes = 0;
  uint64_t initial_buckets = 0;
  uint64_t hash_seed = 0;
  bool full_check = false;
};

// What the workload needs at most, and half as much again: values of mixed sizes leave slabs partly
// filled, and the table has room for twice its pairs when it has just grown.
uint64_t DefaultPoolBytes(const SizeHint& hint) {
  constexpr uint64_t kIndexBytesAPair = 32;
  constexpr uint64_t kFixedBytes = uint64_t{32} << 20;
  const uint64_t record_bytes =
      (cmap::RecordBytes(hint.key_bytes, hint.value_bytes) + cmap::kObjectHeaderBytes + 63) / 64 *
      64;
  const auto pair_bytes = static_cast<double>(record_bytes + kIndexBytesAPair) * 1.5;
  const double wanted_bytes = static_cast<double>(hint.pairs) * pair_bytes + kFixedBytes;
  constexpr uint64_t kPageBytes = 4096;
  constexpr double kMostBytes = 1e18;  // more than any medium has: refused for lack of space
  const auto bytes = static_cast<uint64_t>(std::min(wanted_bytes, kMostBytes));
  return std::max(kLeastDefaultPoolBytes, bytes / kPageBytes * kPageBytes);
}

Result<Settings> ReadSettings(const EngineOptions& options) {
  Settings settings;
  const Tuning& tuning = options.tuning;
  ASSIGN_OR_RETURN(settings.pool_bytes,
                   tuning.Uint64("pool_bytes", DefaultPoolBytes(options.size_hint),
                                 pmem::kMinPoolBytes, uint64_t{1} << 60));
  ASSIGN_OR_RETURN(settings.initial_buckets,
                   tuning.Uint64("initial_buckets", kDefaultInitialBuckets,
                                 cmap::kMinInitialBuckets, cmap::kMaxInitialBuckets));
  if (!std::has_single_bit(settings.initial_buckets)) {
    return Status::InvalidArgument(
        fmt::format("cmap.initial_buckets={}: must be a power of two", settings.initial_buckets));
  }
  ASSIGN_OR_RETURN(settings.hash_seed, tuning.Uint64("hash_seed", kDefaultHashSeed));
  const std::string check = tuning.String("check", "quick");
  if (check != "quick" && check != "full") {
    return Status::InvalidArgument(fmt::format("cmap.check={}: must be quick or full", check));
  }
  settings.full_check = check == "full";
  return settings;
}

// An option that says other than the pool would be ignored without a word.
Status CheckAgrees(const EngineOptions& options, const Settings& settings, const cmap::Root& root) {
  const auto check = [&](std::string_view name, uint64_t asked, uint64_t found) {
    if (!options.tuning.Has(name) || asked == found) return Status::Ok();
    return Status::InvalidArgument(fmt::format("cmap.{}={}: the pool was made with {}: {}", name,
                                               asked, found, options.path.string()));
  };
  RETURN_IF_ERROR(check("pool_bytes", settings.pool_bytes, root.pool_bytes));
  RETURN_IF_ERROR(check("initial_buckets", settings.initial_buckets, root.initial_buckets));
  return check("hash_seed", settings.hash_seed, root.hash_seed);
}

Status CheckLengths(std::string_view key, std::string_view value) {
  if (key.size() > kCmapMaxKeyBytes) [[unlikely]]
    return Status::InvalidArgument(
        fmt::format("a key of {} bytes: cmap takes at most {}", key.size(), kCmapMaxKeyBytes));
  if (value.size() > kCmapMaxValueBytes) [[unlikely]]
    return Status::InvalidArgument(fmt::format("a value of {} bytes: cmap takes at most {}",
                                               value.size(), kCmapMaxValueBytes));
  return Status::Ok();
}

// kCorrupt if anything that can be reached is not as it should be, or space is lost.
Status CheckAll(Map& map) {
  ASSIGN_OR_RETURN(const AuditReport report, map.Audit());
  if (report.allocated_bytes == report.reachable_bytes) return Status::Ok();
  return map.store().Corrupt(fmt::format("{} bytes are allocated, {} of them can be reached",
                                         report.allocated_bytes, report.reachable_bytes));
}

class CmapEngine final : public Engine, public ComparesAndPuts, public Defragments {
 public:
  explicit CmapEngine(std::unique_ptr<Map> map)
      : map_(std::move(map)),
        medium_(map_->store().pool().medium()),
        counters_at_open_(pmem::ReadFlushCounters()) {
    for (size_t i = 0; i < pmem::kFlushAccounts; ++i) {
      accounts_at_open_[i] = pmem::ReadFlushAccount(i);
    }
  }

  Status Put(std::string_view key, std::string_view value) override {
    RETURN_IF_ERROR(CheckLengths(key, value));
    const pmem::ObservedOperation observed(pmem::OperationKind::kPut);
    return map_->Put(key, value);
  }

  Status Get(std::string_view key, ValueVisitor visit) override {
    RETURN_IF_ERROR(CheckLengths(key, {}));
    const pmem::ObservedOperation observed(pmem::OperationKind::kGet);
    return map_->Get(key, visit);
  }

  Status Delete(std::string_view key) override {
    RETURN_IF_ERROR(CheckLengths(key, {}));
    const pmem::ObservedOperation observed(pmem::OperationKind::kDelete);
    return map_->Delete(key);
  }

  Result<bool> CompareAndPut(std::string_view key, std::string_view expected,
                             std::string_view value) override {
    RETURN_IF_ERROR(CheckLengths(key, value));
    const pmem::ObservedOperation observed(pmem::OperationKind::kCompareAndPut);
    return map_->CompareAndPut(key, expected, value);
  }
  ComparesAndPuts* compares_and_puts() override { return this; }

  Result<uint64_t> Defragment() override { return map_->Defragment(); }
  Defragments* defragments() override { return this; }

  Status Scan(std::string_view, size_t, PairVisitor) override {
    return Status::Unsupported("cmap is a hash map: it has no scan");
  }

  Status ForEach(PairVisitor visit) override { return map_->ForEach(visit); }

  Status Apply(std::span<const Write> batch) override {
    for (const Write& write : batch) {
      RETURN_IF_ERROR(CheckLengths(write.key, write.value));
    }
    const pmem::ObservedOperation observed(pmem::OperationKind::kBatch);
    return map_->Apply(batch);
  }

  // Every write is durable when it is acknowledged.
  Status Sync() override { return Status::Ok(); }

  // The counters are the process's: another pool in it is counted, too. The storage is the pool
  // file, which has its full size from the beginning; Audit tells how much of it is allocated.
  Result<EngineStats> Stats() override {
    struct stat info;
    const fs::path& path = map_->store().pool().path();
    constexpr uint64_t kStatBlockBytes = 512;
    // The name may be gone, or be another file's since the directory was changed.
    const uint64_t storage_bytes = stat(path.c_str(), &info) == 0
                                       ? static_cast<uint64_t>(info.st_blocks) * kStatBlockBytes
                                       : map_->store().pool().bytes();
    const pmem::FlushCounters counters = pmem::ReadFlushCounters() - counters_at_open_;
    return EngineStats{.count = map_->count(),
                       .storage_bytes = storage_bytes,
                       .flushed_lines = counters.flushed_lines,
                       .fences = counters.fences,
                       .syncs = counters.msyncs,
                       .costs = Costs()};
  }

  Result<AuditReport> Audit() override { return map_->Audit(); }
  Medium medium() const override { return medium_; }

  Status Close() override {
    map_.reset();
    return Status::Ok();
  }

 private:
  std::vector<WriteBackCost> Costs() const {
    std::vector<WriteBackCost> costs;
    for (size_t i = AccountNumber(cmap::Account::kOther) + 1; i < pmem::kFlushAccounts; ++i) {
      const pmem::FlushAccount now = pmem::ReadFlushAccount(i);
      const pmem::FlushCounters counters = now.counters - accounts_at_open_[i].counters;
      costs.push_back({.operation = cmap::kAccountNames[i],
                       .count = now.charges - accounts_at_open_[i].charges,
                       .flushed_lines = counters.flushed_lines,
                       .fences = counters.fences,
                       .flushed_bytes = counters.flushed_bytes});
    }
    return costs;
  }

  std::unique_ptr<Map> map_;
  const Medium medium_;
  const pmem::FlushCounters counters_at_open_;
  std::array<pmem::FlushAccount, pmem::kFlushAccounts> accounts_at_open_;
};

}  // namespace

Result<std::unique_ptr<Engine>> OpenCmap(const EngineOptions& options) {
  if (options.path.empty()) return Status::InvalidArgument("cmap: engine.path is not set");
  ASSIGN_OR_RETURN(const Settings settings, ReadSettings(options));
  std::error_code error;
  if (options.create_if_missing && !fs::exists(options.path, error)) {
    const Status created = Store::Create(options.path, settings.pool_bytes,
                                         settings.initial_buckets, settings.hash_seed);
    // Another process may have been faster: then its pool is the one to open.
    if (!created.ok() && !fs::exists(options.path, error)) return created;
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::Open(options.path));
  RETURN_IF_ERROR(CheckAgrees(options, settings, store->root()));
  ASSIGN_OR_RETURN(std::unique_ptr<Map> map, Map::Open(std::move(store)));
  if (settings.full_check) RETURN_IF_ERROR(CheckAll(*map));
  return std::unique_ptr<Engine>(std::make_unique<CmapEngine>(std::move(map)));
}

Result<std::unique_ptr<Engine>> OpenLinkedCmap(pmemoid* link) {
  ASSIGN_OR_RETURN(std::unique_ptr<pmem::Pool> pool, pmem::Pool::Borrow(link));
  if (pmem::IsNull(*link)) RETURN_IF_ERROR(Store::CreateLinked(*pool, link, kDefaultHashSeed));
  ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::OpenLinked(std::move(pool), *link));
  ASSIGN_OR_RETURN(std::unique_ptr<Map> map, Map::Open(std::move(store)));
  return std::unique_ptr<Engine>(std::make_unique<CmapEngine>(std::move(map)));
}

std::string CmapVersion() {
  return fmt::format("cmap layout {}, {}", cmap::kLayoutVersion, pmem::PmemobjVersion());
}

}  // namespace fencepost
