// SPDX-License-Identifier: BSD-3-Clause
#include "engines/lmdb/lmdb_engine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "engines/lmdb/readers.h"
#include "engines/store_directory.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

struct EnvClose {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using Env = std::unique_ptr<MDB_env, EnvClose>;

struct TxnAbort {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
using Txn = std::unique_ptr<MDB_txn, TxnAbort>;

struct CursorClose {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
using Cursor = std::unique_ptr<MDB_cursor, CursorClose>;

// LMDB's own number for the table of free pages, readable like any other; the unnamed database
// that holds the pairs is MainDbi().
constexpr MDB_dbi kFreeDbi = 0;

// Free space below which a short write is taken for a full medium: LMDB reports it as EIO.
constexpr uint64_t kFullBelowBytes = uint64_t{1} << 20;

MDB_val ToVal(std::string_view bytes) {
  static char nothing;
  return {bytes.size(), bytes.data() == nullptr ? &nothing : const_cast<char*>(bytes.data())};
}

std::string_view ToView(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

Status ToStatus(std::string_view call, int code, const fs::path& file) {
  if (code == MDB_NOTFOUND) return Status::NotFound();
  StatusCode status = StatusCode::kInternal;
  switch (code) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      status = StatusCode::kFull;
      break;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
      status = StatusCode::kCorrupt;
      break;
    case MDB_BAD_VALSIZE:
    case MDB_TXN_FULL:
      status = StatusCode::kInvalidArgument;
      break;
    case EAGAIN:
    case EBUSY:
      status = StatusCode::kBusy;
      break;
    case MDB_PANIC:
      status = StatusCode::kIoError;
      break;
    default:
      if (code > 0) status = StatusCode::kIoError;
  }
  return Status(status, fmt::format("{}: {}: {}", call, mdb_strerror(code), file.string()));
}

struct Settings {
  uint64_t map_bytes = 0;
  uint64_t max_map_bytes = 0;
  bool writemap = false;
  bool sync_directory = true;
  Durability durability = Durability::kPowerFail;

  unsigned EnvFlags() const {
    // No thread-local transactions: a slot serves whatever thread has it.
    unsigned flags = MDB_NOTLS;
    if (writemap) flags |= MDB_WRITEMAP;
    if (durability == Durability::kPrefix) flags |= MDB_NOMETASYNC;
    if (durability == Durability::kProcessCrash) flags |= MDB_NOSYNC;
    return flags;
  }
  uint64_t SyncsPerCommit() const {
    if (durability == Durability::kPowerFail) return 2;
    return durability == Durability::kPrefix ? 1 : 0;
  }
};

uint64_t RoundUpToPage(uint64_t bytes) {
  const uint64_t page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

Result<Settings> ReadSettings(const EngineOptions& options) {
  const SizeHint& hint = options.size_hint;
  // Half-full pages, and copies of the pages that a commit replaces.
  const uint64_t wanted = 2 * hint.pairs * (hint.key_bytes + hint.value_bytes + 64);
  Settings settings;
  settings.durability = options.durability;
  constexpr uint64_t kMinBytes = uint64_t{64} << 10, kMaxBytes = uint64_t{1} << 46;
  ASSIGN_OR_RETURN(settings.max_map_bytes,
                   options.tuning.Uint64("max_map_bytes", uint64_t{1} << 40, kMinBytes, kMaxBytes));
  const uint64_t map_bytes = std::clamp(
      wanted, std::min(uint64_t{64} << 20, settings.max_map_bytes), settings.max_map_bytes);
  ASSIGN_OR_RETURN(settings.map_bytes, options.tuning.Uint64("map_bytes", map_bytes, kMinBytes,
                                                             settings.max_map_bytes));
  settings.map_bytes = RoundUpToPage(settings.map_bytes);
  ASSIGN_OR_RETURN(settings.writemap, options.tuning.Bool("writemap", false));
  ASSIGN_OR_RETURN(settings.sync_directory, options.tuning.Bool("sync_directory", true));
  return settings;
}

class LmdbEngine final : public Engine {
 public:
  LmdbEngine(std::unique_ptr<StoreDirectory> directory, const Settings& settings, Medium medium)
      : directory_(std::move(directory)),
        file_(directory_->path() / "data.mdb"),
        settings_(settings),
        medium_(medium) {}
  ~LmdbEngine() override { (void)Close(); }

  Status Start() {
    MDB_env* env = nullptr;
    if (int code = mdb_env_create(&env); code != 0) return ToStatus("mdb_env_create", code, file_);
    env_.reset(env);
    int code = mdb_env_set_mapsize(env, settings_.map_bytes);
    if (code == 0) code = mdb_env_set_maxreaders(env, ReaderSlots::kCount);
    if (code == 0) {
      code = mdb_env_open(env, directory_->path().c_str(), settings_.EnvFlags(), 0666);
    }
    if (code != 0) return ToStatus("mdb_env_open", code, file_);
    MDB_envinfo info;
    mdb_env_info(env, &info);
    map_bytes_ = info.me_mapsize;
    if (settings_.writemap) RETURN_IF_ERROR(AllocateFile(map_bytes_));
    RETURN_IF_ERROR(OpenPairs());
    if (!directory_->had_store() && settings_.sync_directory) {
      RETURN_IF_ERROR(directory_->Sync());
      syncs_.fetch_add(1, std::memory_order_relaxed);
    }
    directory_->Keep();
    return Status::Ok();
  }

  Status Put(std::string_view key, std::string_view value) override {
    RETURN_IF_ERROR(CheckPair(key, value));
    return Change([&](MDB_txn* txn, const char** call) {
      *call = "mdb_put";
      MDB_val k = ToVal(key), v = ToVal(value);
      return mdb_put(txn, dbi_, &k, &v, 0);
    });
  }

  Status Get(std::string_view key, ValueVisitor visit) override {
    RETURN_IF_ERROR(CheckPair(key, {}));
    const Reading reading(&slots_, env_.get());
    if (reading.code() != 0) return ToStatus("mdb_txn_renew", reading.code(), file_);
    MDB_val k = ToVal(key), v;
    const int code = mdb_get(reading.txn(), dbi_, &k, &v);
    if (code != 0) return ToStatus("mdb_get", code, file_);
    visit(ToView(v));
    return Status::Ok();
  }

  Status Delete(std::string_view key) override {
    RETURN_IF_ERROR(CheckPair(key, {}));
    return Change([&](MDB_txn* txn, const char** call) {
      *call = "mdb_del";
      MDB_val k = ToVal(key);
      return mdb_del(txn, dbi_, &k, nullptr);
    });
  }

  Status Scan(std::string_view start, size_t limit, PairVisitor visit) override {
    return Walk(start, limit, visit);
  }

  Status ForEach(PairVisitor visit) override { return Walk({}, SIZE_MAX, visit); }

  Status Apply(std::span<const Write> batch) override {
    for (const Write& write : batch) RETURN_IF_ERROR(CheckPair(write.key, write.value));
    if (batch.empty()) return Status::Ok();
    return Change([&](MDB_txn* txn, const char** call) {
      for (const Write& write : batch) {
        MDB_val k = ToVal(write.key), v = ToVal(write.value);
        int code = 0;
        if (write.kind == Write::Kind::kPut) {
          *call = "mdb_put";
          code = mdb_put(txn, dbi_, &k, &v, 0);
        } else {
          *call = "mdb_del";
          code = mdb_del(txn, dbi_, &k, nullptr);
          if (code == MDB_NOTFOUND) code = 0;
        }
        if (code != 0) return code;
      }
      return 0;
    });
  }

  Status Sync() override {
    if (settings_.durability == Durability::kPowerFail) return Status::Ok();
    const std::lock_guard lock(write_mutex_);
    return SyncLocked();
  }

  Result<EngineStats> Stats() override {
    const Reading reading(&slots_, env_.get());
    if (reading.code() != 0) return ToStatus("mdb_txn_renew", reading.code(), file_);
    MDB_stat pairs;
    const int code = mdb_stat(reading.txn(), dbi_, &pairs);
    if (code != 0) return ToStatus("mdb_stat", code, file_);
    EngineStats stats;
    stats.count = pairs.ms_entries;
    stats.storage_bytes = OccupiedBytes(directory_->path());
    stats.syncs = syncs_.load(std::memory_order_relaxed);
    return stats;
  }

  Result<AuditReport> Audit() override;

  Medium medium() const override { return medium_; }

  Status Close() override {
    if (!env_) return Status::Ok();
    Status status = SyncLocked();
    slots_.Destroy();
    env_.reset();
    directory_.reset();
    return status;
  }

 private:
  Status CheckPair(std::string_view key, std::string_view value) const {
    if (key.empty() || key.size() > kLmdbMaxKeyBytes) [[unlikely]] {
      return Status::InvalidArgument(
          fmt::format("a key of {} bytes: lmdb takes 1 to {}", key.size(), kLmdbMaxKeyBytes));
    }
    if (value.size() > kLmdbMaxValueBytes) [[unlikely]] {
      return Status::InvalidArgument(
          fmt::format("a value of {} bytes: lmdb takes {}", value.size(), kLmdbMaxValueBytes));
    }
    return Status::Ok();
  }

  Status OpenPairs() {
    const Reading reading(&slots_, env_.get());
    if (reading.code() != 0) return ToStatus("mdb_txn_begin", reading.code(), file_);
    int code = mdb_dbi_open(reading.txn(), nullptr, 0, &dbi_);
    unsigned flags = 0;
    if (code == 0) code = mdb_dbi_flags(reading.txn(), dbi_, &flags);
    if (code != 0) return ToStatus("mdb_dbi_open", code, file_);
    if (flags != 0) {
      return Status::Corrupt(
          fmt::format("mdb_dbi_flags: another layout (flags {:#x}): {}", flags, file_.string()));
    }
    return Status::Ok();
  }

  // Runs `change` in a write transaction and commits it, growing the map as often as it takes.
  template <typename F>
  Status Change(F change) {
    const std::lock_guard lock(write_mutex_);
    for (;;) {
      if (!failed_.ok()) [[unlikely]]
        return failed_;
      const char* call = "mdb_txn_begin";
      MDB_txn* begun = nullptr;
      int code = mdb_txn_begin(env_.get(), nullptr, 0, &begun);
      if (code == 0) {
        Txn txn(begun);
        code = change(begun, &call);
        if (code == 0) {
          call = "mdb_txn_commit";
          code = mdb_txn_commit(txn.release());
          if (code == 0) {
            syncs_.fetch_add(settings_.SyncsPerCommit(), std::memory_order_relaxed);
            return Status::Ok();
          }
          if (code != MDB_MAP_FULL) return CommitFailed(code);
        }
      }
      if (code != MDB_MAP_FULL) return ToStatus(call, code, file_);
      RETURN_IF_ERROR(GrowMap(call));
    }
  }

  Status CommitFailed(int code) {
    Status status = ToStatus("mdb_txn_commit", code, file_);
    if (status.code() != StatusCode::kIoError) return status;
    const Result<FileSystem> file_system = FileSystemOf(directory_->path());
    if (code == EIO && file_system.ok() && file_system->free_bytes < kFullBelowBytes) {
      return ToStatus("mdb_txn_commit", ENOSPC, file_);
    }
    failed_ = status;
    return status;
  }

  // REQUIRES: write_mutex_, or nobody else about.
  Status SyncLocked() {
    if (!failed_.ok()) return failed_;
    if (int code = mdb_env_sync(env_.get(), 1); code != 0) {
      const Status status = ToStatus("mdb_env_sync", code, file_);
      failed_ = Status::IoError(std::string(status.message()));
      return failed_;
    }
    syncs_.fetch_add(1, std::memory_order_relaxed);
    return Status::Ok();
  }

  // REQUIRES: write_mutex_ and no write transaction.
  Status GrowMap(const char* call) {
    if (map_bytes_ >= settings_.max_map_bytes) {
      const Status status = ToStatus(call, MDB_MAP_FULL, file_);
      return Status::Full(
          fmt::format("{} (lmdb.max_map_bytes={})", status.message(), settings_.max_map_bytes));
    }
    const uint64_t bytes = std::min(map_bytes_ * 2, RoundUpToPage(settings_.max_map_bytes));
    // mdb_env_set_mapsize unmaps first, and has no way back if it then fails; so try beforehand.
    void* probe =
        mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) {
      return Status::Full(
          fmt::format("mmap of {} bytes: {}: {}", bytes, std::strerror(errno), file_.string()));
    }
    munmap(probe, bytes);
    if (settings_.writemap) RETURN_IF_ERROR(AllocateFile(bytes));
    slots_.TakeAll();
    const int code = mdb_env_set_mapsize(env_.get(), bytes);
    // There is no map left to read from: better no process than one that touches it.
    CHECK_OK(code == 0 ? Status::Ok() : ToStatus("mdb_env_set_mapsize", code, file_));
    slots_.GiveBackAll();
    map_bytes_ = bytes;
    return Status::Ok();
  }

  // A store through the map into a hole that the medium cannot fill is a SIGBUS; so fill it first.
  Status AllocateFile(uint64_t bytes) {
    mdb_filehandle_t fd = -1;
    mdb_env_get_fd(env_.get(), &fd);
    const off_t old_bytes = lseek(fd, 0, SEEK_END);
    const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
    if (error == 0) return Status::Ok();
    if (old_bytes >= 0 && static_cast<uint64_t>(old_bytes) < bytes) {
      (void)!ftruncate(fd, old_bytes);  // an error here only leaves blocks allocated
    }
    return ErrnoStatus("posix_fallocate", error, file_);
  }

  Status Walk(std::string_view start, size_t limit, PairVisitor visit) {
    if (limit == 0) return Status::Ok();
    Reading reading(&slots_, env_.get());
    if (reading.code() != 0) return ToStatus("mdb_txn_renew", reading.code(), file_);
    MDB_cursor* cursor = nullptr;
    int code = reading.Pairs(dbi_, &cursor);
    if (code != 0) return ToStatus("mdb_cursor_open", code, file_);
    MDB_val k = ToVal(start), v;
    code = mdb_cursor_get(cursor, &k, &v, start.empty() ? MDB_FIRST : MDB_SET_RANGE);
    for (size_t seen = 0; code == 0; code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
      if (!visit(ToView(k), ToView(v)) || ++seen == limit) return Status::Ok();
    }
    return code == MDB_NOTFOUND ? Status::Ok() : ToStatus("mdb_cursor_get", code, file_);
  }

  std::unique_ptr<StoreDirectory> directory_;
  const fs::path file_;
  const Settings settings_;
  const Medium medium_;
  Env env_;
  MDB_dbi dbi_ = 0;
  ReaderSlots slots_;
  std::atomic<uint64_t> syncs_{0};

  std::mutex write_mutex_;
  // Guarded by write_mutex_:
  uint64_t map_bytes_ = 0;
  Status failed_;
};

// Every page up to the last used one must be a meta page, in one of the two trees, or on the list
// of free pages.
Result<AuditReport> LmdbEngine::Audit() {
  const Reading reading(&slots_, env_.get());
  if (reading.code() != 0) return ToStatus("mdb_txn_renew", reading.code(), file_);
  MDB_envinfo info;
  mdb_env_info(env_.get(), &info);
  constexpr uint64_t kMetaPages = 2;
  uint64_t reachable_pages = kMetaPages, page_bytes = 0;
  for (MDB_dbi dbi : {kFreeDbi, dbi_}) {
    MDB_stat tree;
    const int code = mdb_stat(reading.txn(), dbi, &tree);
    if (code != 0) return ToStatus("mdb_stat", code, file_);
    reachable_pages += tree.ms_branch_pages + tree.ms_leaf_pages + tree.ms_overflow_pages;
    page_bytes = tree.ms_psize;
  }
  MDB_cursor* opened = nullptr;
  int code = mdb_cursor_open(reading.txn(), kFreeDbi, &opened);
  if (code != 0) return ToStatus("mdb_cursor_open", code, file_);
  const Cursor free_pages(opened);
  MDB_val transaction, pages;
  while ((code = mdb_cursor_get(opened, &transaction, &pages, MDB_NEXT)) == 0) {
    // A list of page numbers, with their count in front.
    size_t count = 0;
    if (pages.mv_size < sizeof(count)) return Status::Corrupt("free page list: " + file_.string());
    std::memcpy(&count, pages.mv_data, sizeof(count));
    reachable_pages += count;
  }
  if (code != MDB_NOTFOUND) return ToStatus("mdb_cursor_get", code, file_);
  AuditReport report;
  report.allocated_objects = info.me_last_pgno + 1;
  report.reachable_objects = reachable_pages;
  report.allocated_bytes = report.allocated_objects * page_bytes;
  report.reachable_bytes = report.reachable_objects * page_bytes;
  return report;
}

}  // namespace

Result<std::unique_ptr<Engine>> OpenLmdb(const EngineOptions& options) {
  ASSIGN_OR_RETURN(const Settings settings, ReadSettings(options));
  constexpr StoreLayout kLayout = {
      .engine = "LMDB", .marker = "data.mdb", .is_leftover = [](std::string_view name) {
        return name == "lock.mdb";
      }};
  ASSIGN_OR_RETURN(auto directory,
                   StoreDirectory::Open(options.path, options.create_if_missing, kLayout));
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(directory->path()));
  auto engine = std::make_unique<LmdbEngine>(std::move(directory), settings, medium);
  RETURN_IF_ERROR(engine->Start());
  return std::unique_ptr<Engine>(std::move(engine));
}

std::string LmdbVersion() {
  int major = 0, minor = 0, patch = 0;
  mdb_version(&major, &minor, &patch);
  return fmt::format("LMDB {}.{}.{}", major, minor, patch);
}

}  // namespace fencepost
