// SPDX-License-Identifier: BSD-3-Clause
#include "engines/rocksdb/rocksdb_engine.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "engines/rocksdb/background_threads.h"
#include "engines/rocksdb/delayed_file_system.h"
#include "engines/rocksdb/watched_file_system.h"
#include "engines/store_directory.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr std::pair<std::string_view, rocksdb::CompressionType> kCompressions[] = {
    {"none", rocksdb::kNoCompression},   {"snappy", rocksdb::kSnappyCompression},
    {"lz4", rocksdb::kLZ4Compression},   {"zstd", rocksdb::kZSTD},
    {"zlib", rocksdb::kZlibCompression},
};

// Free space from which it is worth waking RocksDB up again: a log and a table must fit.
constexpr uint64_t kResumeFromBytes = uint64_t{4} << 20;

// Of rocksdb.wal_bytes_per_sync: more than any log grows to.
constexpr uint64_t kMaxWalBytesPerSync = uint64_t{1} << 40;

constexpr std::string_view kOpenAgain = " (writes go on when the store is opened again)";

// After a full medium RocksDB looks for space every five seconds, and until then DB::Resume does
// nothing. Change looks when it is called, so this turns the other off.
class ResumeByHand final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status error,
                            bool* by_itself) override {
    if (error.IsNoSpace()) *by_itself = false;
  }
};

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

StatusCode ToCode(const rocksdb::Status& status) {
  if (status.IsCorruption()) return StatusCode::kCorrupt;
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit)
    return StatusCode::kFull;
  if (status.IsIOError()) {
    // RocksDB gives its lock file no code of its own.
    const bool locked = status.ToString().find("lock hold by") != std::string::npos ||
                        status.ToString().find("While lock file") != std::string::npos;
    return locked ? StatusCode::kBusy : StatusCode::kIoError;
  }
  if (status.IsInvalidArgument()) return StatusCode::kInvalidArgument;
  if (status.IsNotSupported()) return StatusCode::kUnsupported;
  if (status.IsBusy() || status.IsTryAgain()) return StatusCode::kBusy;
  return StatusCode::kInternal;
}

Status ToStatus(std::string_view call, const rocksdb::Status& status, const fs::path& path) {
  if (status.ok()) return Status::Ok();
  if (status.IsNotFound()) return Status::NotFound();
  std::string text = status.ToString();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return Status(ToCode(status), fmt::format("{}: {}: {}", call, text, path.string()));
}

// The rocksdb.options string laid over `base`. It may not touch what the contract rests on.
Status ApplyUserOptions(const std::string& text, rocksdb::Options* base) {
  if (text.empty()) return Status::Ok();
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = false;
  rocksdb::Options parsed;
  const rocksdb::Status status = rocksdb::GetOptionsFromString(config, *base, text, &parsed);
  if (!status.ok()) {
    return Status::InvalidArgument(fmt::format("rocksdb.options={}: {}", text, status.ToString()));
  }
  const char* reserved = nullptr;
  if (parsed.manual_wal_flush != base->manual_wal_flush) reserved = "manual_wal_flush";
  if (parsed.wal_recovery_mode != base->wal_recovery_mode) reserved = "wal_recovery_mode";
  if (parsed.unordered_write) reserved = "unordered_write";
  if (parsed.create_if_missing != base->create_if_missing) reserved = "create_if_missing";
  if (parsed.error_if_exists) reserved = "error_if_exists";
  if (parsed.comparator != base->comparator) reserved = "comparator";
  if (reserved != nullptr) {
    return Status::InvalidArgument(fmt::format(
        "rocksdb.options={}: {} belongs to engine.durability and the contract", text, reserved));
  }
  *base = parsed;
  return Status::Ok();
}

Status SetTable(const EngineOptions& options, rocksdb::Options* out) {
  const std::string name = options.tuning.String("compression", "none");
  const auto* known = std::find_if(std::begin(kCompressions), std::end(kCompressions),
                                   [&](const auto& entry) { return entry.first == name; });
  if (known == std::end(kCompressions)) {
    return Status::InvalidArgument(
        fmt::format("rocksdb.compression={}: must be {}", name, kRocksdbOptions[0].type));
  }
  const auto supported = rocksdb::GetSupportedCompressions();
  if (std::find(supported.begin(), supported.end(), known->second) == supported.end()) {
    return Status::Unsupported(
        fmt::format("rocksdb.compression={}: this RocksDB is built without it", name));
  }
  out->compression = known->second;

  ASSIGN_OR_RETURN(const uint64_t bloom_bits, options.tuning.Uint64("bloom_bits", 0, 0, 100));
  rocksdb::BlockBasedTableOptions table;
  if (bloom_bits > 0) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(static_cast<double>(bloom_bits)));
  }
  if (options.cache_bytes == 0) {
    table.no_block_cache = true;
  } else {
    table.block_cache = rocksdb::NewLRUCache(static_cast<size_t>(options.cache_bytes));
  }
  out->table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return Status::Ok();
}

Result<rocksdb::Options> MakeOptions(const EngineOptions& options, rocksdb::Env* env) {
  rocksdb::Options out;
  out.env = env;
  out.create_if_missing = true;  // whether it may is StoreDirectory's to judge
  out.manual_wal_flush = options.durability == Durability::kBuffered;
  ASSIGN_OR_RETURN(out.wal_bytes_per_sync,
                   options.tuning.Uint64("wal_bytes_per_sync", 0, 0, kMaxWalBytesPerSync));
  out.info_log_level = rocksdb::WARN_LEVEL;
  out.keep_log_file_num = 2;
  out.listeners.push_back(std::make_shared<ResumeByHand>());
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  RETURN_IF_ERROR(SetTable(options, &out));
  const auto cache_of = [](const rocksdb::Options& o) {
    const auto* table = o.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
    return table == nullptr ? nullptr : table->block_cache;
  };
  const auto cache = cache_of(out);
  RETURN_IF_ERROR(ApplyUserOptions(options.tuning.String("options", ""), &out));
  if (cache_of(out) != cache) {
    return Status::InvalidArgument("rocksdb.options: the block cache is set by engine.cache_bytes");
  }
  return out;
}

// What RocksDB leaves when it is killed before CURRENT names its first manifest.
bool IsLeftover(std::string_view name) {
  return name == "LOCK" || name == "IDENTITY" || name == "MANIFEST-000001" ||
         name.starts_with("LOG") || name.ends_with(".dbtmp");
}

class RocksdbEngine final : public Engine {
 public:
  RocksdbEngine(std::unique_ptr<StoreDirectory> directory, Durability durability)
      : directory_(std::move(directory)), path_(directory_->path()), durability_(durability) {
    write_options_.sync = durability == Durability::kPowerFail;
    walk_options_.fill_cache = false;
  }
  ~RocksdbEngine() override { (void)Close(); }

  Status Start(const EngineOptions& options) {
    activity_ = std::make_shared<FileActivity>();
    std::shared_ptr<rocksdb::FileSystem> files = NewWatchedFileSystem(activity_);
    if (options.file_delays) files = NewDelayedFileSystem(std::move(files), options.file_delays);
    env_ = rocksdb::NewCompositeEnv(std::move(files));
    ASSIGN_OR_RETURN(const rocksdb::Options rocksdb_options, MakeOptions(options, env_.get()));
    ASSIGN_OR_RETURN(medium_, MediumOf(path_));
    if (rocksdb_options.use_direct_reads && medium_ == Medium::kPageCache) medium_ = Medium::kBlock;
    threads_.emplace();
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(rocksdb_options, path_.string(), &db);
    RETURN_IF_ERROR(ToStatus("DB::Open", status, path_));
    db_.reset(db);
    // RocksDB syncs its own directory, but not the one that it is in.
    if (!directory_->had_store()) RETURN_IF_ERROR(directory_->Sync());
    directory_->Keep();
    return Status::Ok();
  }

  Status Put(std::string_view key, std::string_view value) override {
    RETURN_IF_ERROR(CheckPair(key, value));
    return Change("DB::Put",
                  [&] { return db_->Put(write_options_, ToSlice(key), ToSlice(value)); });
  }

  Status Get(std::string_view key, ValueVisitor visit) override {
    RETURN_IF_ERROR(CheckPair(key, {}));
    // Reused, since a fresh one allocates.
    thread_local rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        db_->Get(read_options_, db_->DefaultColumnFamily(), ToSlice(key), &value);
    if (status.ok()) visit(ToView(value));
    value.Reset();  // a block that stays pinned would outlive the database
    return ToStatus("DB::Get", status, path_);
  }

  Status Delete(std::string_view key) override {
    RETURN_IF_ERROR(CheckPair(key, {}));
    const std::lock_guard lock(
        delete_mutexes_[std::hash<std::string_view>()(key) % delete_mutexes_.size()]);
    RETURN_IF_ERROR(Get(key, [](std::string_view) {}));
    return Change("DB::Delete", [&] { return db_->Delete(write_options_, ToSlice(key)); });
  }

  Status Scan(std::string_view start, size_t limit, PairVisitor visit) override {
    return Walk(read_options_, start, limit, visit);
  }

  Status ForEach(PairVisitor visit) override { return Walk(walk_options_, {}, SIZE_MAX, visit); }

  Status Apply(std::span<const Write> batch) override {
    rocksdb::WriteBatch changes;
    for (const Write& write : batch) {
      RETURN_IF_ERROR(CheckPair(write.key, write.value));
      const rocksdb::Status status = write.kind == Write::Kind::kPut
                                         ? changes.Put(ToSlice(write.key), ToSlice(write.value))
                                         : changes.Delete(ToSlice(write.key));
      RETURN_IF_ERROR(ToStatus("WriteBatch", status, path_));
    }
    return Change("DB::Write", [&] { return db_->Write(write_options_, &changes); });
  }

  Status Sync() override {
    if (durability_ == Durability::kPowerFail) return Status::Ok();
    return FlushLog();
  }

  Status Settle() override;
  Result<EngineStats> Stats() override;

  Result<AuditReport> Audit() override {
    return Status::Unsupported("rocksdb gives no view of what its files hold unreachable");
  }

  Medium medium() const override { return medium_; }

  Status Close() override {
    if (!directory_) return Status::Ok();
    Status status;
    if (db_) {
      status = FlushLog();
      const Status closed = ToStatus("DB::Close", db_->Close(), path_);
      if (status.ok()) status = closed;
      db_.reset();
    }
    env_.reset();
    threads_.reset();
    directory_.reset();
    return status;
  }

 private:
  static Status CheckPair(std::string_view key, std::string_view value) {
    if (key.size() > kRocksdbMaxKeyBytes || value.size() > kRocksdbMaxValueBytes) [[unlikely]] {
      return Status::InvalidArgument(
          fmt::format("a key of {} and a value of {} bytes: rocksdb takes {} and {}", key.size(),
                      value.size(), kRocksdbMaxKeyBytes, kRocksdbMaxValueBytes));
    }
    return Status::Ok();
  }

  template <typename F>
  Status Change(const char* call, F change) {
    rocksdb::Status status = change();
    if (status.ok()) [[likely]]
      return Status::Ok();
    Stop(status);
    if (ToCode(status) == StatusCode::kFull && Resume()) {
      status = change();
      if (!status.ok()) Stop(status);
    }
    const Status result = ToStatus(call, status, path_);
    if (result.code() != StatusCode::kFull || !IsStuck()) return result;
    return Status(StatusCode::kFull, fmt::format("{}{}", result.message(), kOpenAgain));
  }

  // Whether RocksDB takes writes again after one that failed. What the memory tables hold goes into
  // tables, so that nothing depends any longer on the log that could not be written.
  bool Resume() {
    const Result<FileSystem> file_system = FileSystemOf(path_);
    if (!file_system.ok() || file_system->free_bytes < kResumeFromBytes) return false;
    if (IsStuck()) return false;
    if (!db_->Resume().ok() || !db_->Flush(rocksdb::FlushOptions()).ok()) return false;
    stopped_.store(StatusCode::kOk);
    return true;
  }

  // Whether DB::Resume would lead into an abort. It leaves a log that failed by moving the memtable
  // to a new one, so with an empty memtable it goes on with the log that failed, and RocksDB, as
  // Debian builds it, asserts that nobody writes there. Nothing is lost: what was acknowledged is
  // in tables and in older logs.
  bool IsStuck() const {
    return activity_->failed_log.load() == activity_->newest_log.load() &&
           Property(rocksdb::DB::Properties::kNumEntriesActiveMemTable) == 0;
  }

  Status FlushLog() {
    if (const StatusCode why = stopped_.load(); why != StatusCode::kOk && !Resume()) {
      return Status(why,
                    fmt::format("DB::Resume: writes stopped after one that failed ({}){}: {}",
                                StatusCodeName(why), IsStuck() ? kOpenAgain : "", path_.string()));
    }
    // RocksDB asserts that nobody syncs a log after an append to it has failed, and it may still
    // list such a log after Resume. Tables, which are synced, do as well.
    const bool log_failed = log_failed_.load();
    const rocksdb::Status status =
        log_failed ? db_->Flush(rocksdb::FlushOptions()) : db_->FlushWAL(/*sync=*/true);
    if (!status.ok()) Stop(status);
    return ToStatus(log_failed ? "DB::Flush" : "DB::FlushWAL", status, path_);
  }

  void Stop(const rocksdb::Status& why) {
    log_failed_.store(true);
    stopped_.store(ToCode(why));
  }

  Status Walk(const rocksdb::ReadOptions& options, std::string_view start, size_t limit,
              PairVisitor visit) {
    if (limit == 0) return Status::Ok();
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    size_t seen = 0;
    for (it->Seek(ToSlice(start)); it->Valid(); it->Next()) {
      if (!visit(ToView(it->key()), ToView(it->value())) || ++seen == limit) break;
    }
    return ToStatus("Iterator", it->status(), path_);
  }

  uint64_t Property(const std::string& name) const {
    uint64_t value = 0;
    return db_->GetIntProperty(name, &value) ? value : 0;
  }

  std::unique_ptr<StoreDirectory> directory_;
  const fs::path path_;
  const Durability durability_;
  Medium medium_ = Medium::kNone;
  std::shared_ptr<FileActivity> activity_;
  std::optional<BackgroundThreads> threads_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  // Not kOk: a write failed so, and RocksDB takes none until it is resumed.
  std::atomic<StatusCode> stopped_{StatusCode::kOk};
  std::atomic<bool> log_failed_{false};  // since it was opened
  rocksdb::WriteOptions write_options_;
  rocksdb::ReadOptions read_options_;
  rocksdb::ReadOptions walk_options_;
  std::array<std::mutex, 256> delete_mutexes_;
};

Status RocksdbEngine::Settle() {
  RETURN_IF_ERROR(ToStatus("DB::Flush", db_->Flush(rocksdb::FlushOptions()), path_));
  // With compactions turned off by rocksdb.options, those that are due stay due.
  const bool compacts = !db_->GetOptions().disable_auto_compactions;
  // A compaction that ends may make another one due, so quiet must be seen twice.
  for (int quiet = 0; quiet < 2;) {
    const bool busy = Property(rocksdb::DB::Properties::kNumRunningCompactions) != 0 ||
                      (compacts && Property(rocksdb::DB::Properties::kCompactionPending) != 0) ||
                      Property(rocksdb::DB::Properties::kNumRunningFlushes) != 0 ||
                      Property(rocksdb::DB::Properties::kMemTableFlushPending) != 0;
    if (busy && Property(rocksdb::DB::Properties::kBackgroundErrors) != 0) {
      return Status::IoError(fmt::format("compaction: stopped by an error: {}", path_.string()));
    }
    quiet = busy ? 0 : quiet + 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Status::Ok();
}

Result<EngineStats> RocksdbEngine::Stats() {
  EngineStats stats;
  stats.count = Property(rocksdb::DB::Properties::kEstimateNumKeys);
  stats.storage_bytes = OccupiedBytes(path_);
  const uint64_t memtable_bytes = Property(rocksdb::DB::Properties::kCurSizeAllMemTables);
  stats.cache_bytes = memtable_bytes + Property(rocksdb::DB::Properties::kBlockCacheUsage) +
                      Property(rocksdb::DB::Properties::kEstimateTableReadersMem);
  stats.syncs = activity_->syncs.load(std::memory_order_relaxed);
  stats.debt_bytes =
      memtable_bytes + Property(rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
  return stats;
}

}  // namespace

Result<std::unique_ptr<Engine>> OpenRocksdb(const EngineOptions& options) {
  constexpr StoreLayout kLayout = {
      .engine = "RocksDB", .marker = "CURRENT", .is_leftover = IsLeftover};
  ASSIGN_OR_RETURN(auto directory,
                   StoreDirectory::Open(options.path, options.create_if_missing, kLayout));
  auto engine = std::make_unique<RocksdbEngine>(std::move(directory), options.durability);
  RETURN_IF_ERROR(engine->Start(options));
  return std::unique_ptr<Engine>(std::move(engine));
}

std::string RocksdbVersion() {
  return fmt::format("RocksDB {}.{}.{}", ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH);
}

}  // namespace fencepost
