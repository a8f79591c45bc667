// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmemkv/pmemkv_engine.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <libpmemkv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <mutex>
#include <shared_mutex>

#include "engines/pmem/pmem_environment.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

struct DbClose {
  void operator()(pmemkv_db* db) const { pmemkv_close(db); }
};
using Db = std::unique_ptr<pmemkv_db, DbClose>;

struct ConfigDelete {
  void operator()(pmemkv_config* config) const { pmemkv_config_delete(config); }
};
using Config = std::unique_ptr<pmemkv_config, ConfigDelete>;

Status ToStatus(std::string_view call, int code, const fs::path& path) {
  if (code == PMEMKV_STATUS_OK) return Status::Ok();
  if (code == PMEMKV_STATUS_NOT_FOUND) return Status::NotFound();
  std::string text = pmemkv_errormsg();
  std::replace(text.begin(), text.end(), '\n', ' ');
  const auto says = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  StatusCode status = StatusCode::kInternal;
  if (code == PMEMKV_STATUS_OUT_OF_MEMORY || says("No space left") || says("Out of memory")) {
    status = StatusCode::kFull;
  } else if (says("Resource temporarily unavailable")) {
    status = StatusCode::kBusy;
  } else if (code == PMEMKV_STATUS_NOT_SUPPORTED) {
    status = StatusCode::kUnsupported;
  } else if (code == PMEMKV_STATUS_WRONG_ENGINE_NAME) {
    status = StatusCode::kInvalidArgument;
  } else if (code == PMEMKV_STATUS_UNKNOWN_ERROR) {
    status = StatusCode::kIoError;  // how it reports what the operating system refused
  } else if (code == PMEMKV_STATUS_INVALID_ARGUMENT) {
    status = StatusCode::kCorrupt;  // of pmemkv_open, the only call that gives it here
  }
  return Status(status, fmt::format("{}: {} (status {}): {}", call, text, code, path.string()));
}

class PmemkvEngine final : public Engine {
 public:
  PmemkvEngine(Db db, fs::path path, Medium medium)
      : db_(std::move(db)), path_(std::move(path)), medium_(medium) {}
  ~PmemkvEngine() override { (void)Close(); }

  Status Put(std::string_view key, std::string_view value) override {
    const std::shared_lock lock(walk_mutex_);
    return ToStatus("pmemkv_put",
                    pmemkv_put(db_.get(), Data(key), key.size(), Data(value), value.size()), path_);
  }

  Status Get(std::string_view key, ValueVisitor visit) override {
    const auto call = [](const char* value, size_t bytes, void* visitor) {
      (*static_cast<ValueVisitor*>(visitor))(std::string_view(value, bytes));
    };
    return ToStatus("pmemkv_get", pmemkv_get(db_.get(), Data(key), key.size(), call, &visit),
                    path_);
  }

  Status Delete(std::string_view key) override {
    const std::shared_lock lock(walk_mutex_);
    return ToStatus("pmemkv_remove", pmemkv_remove(db_.get(), Data(key), key.size()), path_);
  }

  Status Scan(std::string_view, size_t, PairVisitor) override {
    return Status::Unsupported("pmemkv: not ordered");
  }

  Status ForEach(PairVisitor visit) override {
    const auto call = [](const char* key, size_t key_bytes, const char* value, size_t value_bytes,
                         void* visitor) {
      const bool go_on = (*static_cast<PairVisitor*>(visitor))(
          std::string_view(key, key_bytes), std::string_view(value, value_bytes));
      return go_on ? 0 : 1;
    };
    const std::lock_guard lock(walk_mutex_);
    const int code = pmemkv_get_all(db_.get(), call, &visit);
    if (code == PMEMKV_STATUS_STOPPED_BY_CB || code == PMEMKV_STATUS_NOT_FOUND) return Status::Ok();
    return ToStatus("pmemkv_get_all", code, path_);
  }

  Status Apply(std::span<const Write>) override {
    return Status::Unsupported("pmemkv: no batches");
  }

  Status Sync() override { return Status::Ok(); }

  Result<EngineStats> Stats() override {
    size_t count = 0;
    RETURN_IF_ERROR(ToStatus("pmemkv_count_all", pmemkv_count_all(db_.get(), &count), path_));
    struct stat info;
    if (stat(path_.c_str(), &info) != 0) {
      return Status::IoError(fmt::format("stat: {}: {}", std::strerror(errno), path_.string()));
    }
    EngineStats stats;
    stats.count = count;
    stats.storage_bytes = static_cast<uint64_t>(info.st_blocks) * 512;
    return stats;
  }

  Result<AuditReport> Audit() override {
    return Status::Unsupported("pmemkv gives no view of its pool");
  }

  Medium medium() const override { return medium_; }

  Status Close() override {
    db_.reset();
    return Status::Ok();
  }

 private:
  static const char* Data(std::string_view bytes) {
    return bytes.data() == nullptr ? "" : bytes.data();
  }

  Db db_;
  const fs::path path_;
  const Medium medium_;
  std::shared_mutex walk_mutex_;  // exclusive: a walk
};

// The loader may find the library of engines/cmap/pmemkv_api, which goes by the same name and lies
// in lib/fencepost: cmap would be compared with itself.
Status CheckIsNotOurs() {
  Dl_info library;
  void* const call = dlsym(RTLD_DEFAULT, "pmemkv_open");
  if (call == nullptr || dladdr(call, &library) == 0) return Status::Ok();
  std::error_code error;
  const fs::path folder = fs::canonical(library.dli_fname, error).parent_path();
  if (folder.filename() != "fencepost") return Status::Ok();
  return Status::Unsupported(fmt::format(
      "pmemkv: the loader found Fencepost's own library of that name: {}", library.dli_fname));
}

Result<uint64_t> PoolBytes(const EngineOptions& options) {
  constexpr uint64_t kLeastBytes = uint64_t{64} << 20;
  const SizeHint& hint = options.size_hint;
  const uint64_t wanted = 4 * hint.pairs * (hint.key_bytes + hint.value_bytes + 128);
  return options.tuning.Uint64("pool_bytes", std::max(kLeastBytes, wanted), uint64_t{8} << 20,
                               uint64_t{1} << 46);
}

Result<Db> OpenDb(const std::string& engine, const fs::path& path, bool create,
                  uint64_t pool_bytes) {
  Config config(pmemkv_config_new());
  int code =
      config ? pmemkv_config_put_path(config.get(), path.c_str()) : PMEMKV_STATUS_OUT_OF_MEMORY;
  if (code == PMEMKV_STATUS_OK && create) {
    code = pmemkv_config_put_size(config.get(), pool_bytes);
    if (code == PMEMKV_STATUS_OK) {
      code = pmemkv_config_put_create_or_error_if_exists(config.get(), true);
    }
  }
  RETURN_IF_ERROR(ToStatus("pmemkv_config", code, path));
  pmemkv_db* db = nullptr;
  // pmemkv_open takes the configuration over.
  code = pmemkv_open(engine.c_str(), config.release(), &db);
  RETURN_IF_ERROR(ToStatus("pmemkv_open", code, path));
  return Db(db);
}

}  // namespace

Result<std::unique_ptr<Engine>> OpenPmemkv(const EngineOptions& options) {
  RETURN_IF_ERROR(CheckIsNotOurs());
  const std::string engine = options.tuning.String("engine", "cmap");
  ASSIGN_OR_RETURN(const uint64_t pool_bytes, PoolBytes(options));
  if (options.path.empty()) return Status::InvalidArgument("engine.path is empty");
  std::error_code error;
  const fs::file_status found = fs::status(options.path, error);
  const bool exists = fs::exists(found);
  if (exists && !fs::is_regular_file(found)) {
    return Status::InvalidArgument(fmt::format(
        "pmemkv keeps its pool in a file, and this is none: {}", options.path.string()));
  }
  if (!exists && !options.create_if_missing) {
    return Status(StatusCode::kNotFound, fmt::format("no pmemkv pool: {}", options.path.string()));
  }
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(options.path));
  RETURN_IF_ERROR(pmem::PreparePmem(medium, options.path).status());
  fs::create_directories(options.path.parent_path(), error);
  Result<Db> db = OpenDb(engine, options.path, !exists, pool_bytes);
  if (!db.ok()) {
    if (!exists) fs::remove(options.path, error);
    return std::move(db).status();
  }
  return std::unique_ptr<Engine>(
      std::make_unique<PmemkvEngine>(std::move(*db), options.path, medium));
}

std::string PmemkvVersion() { return "pmemkv " FENCEPOST_PMEMKV_VERSION; }

}  // namespace fencepost
