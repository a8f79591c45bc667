// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/pmemkv_api/map_backend.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpmemobj.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "engines/cmap/cmap_engine.h"
#include "engines/medium.h"

namespace fencepost::pmemkv_api {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolderPrefix = "fencepost-vcmap-";

Result<std::unique_ptr<Engine>> OpenEngine(const fs::path& path) {
  EngineOptions options;
  options.path = path;
  options.create_if_missing = false;
  return OpenCmap(options);
}

Result<std::unique_ptr<Engine>> CreateEngine(const fs::path& path, uint64_t pool_bytes) {
  std::error_code error;
  if (fs::exists(path, error)) return Status::InvalidArgument("the file exists: " + path.string());
  EngineOptions options;
  options.path = path;
  options.tuning = Tuning("cmap", {{"pool_bytes", std::to_string(pool_bytes)}});
  return OpenCmap(options);
}

// A folder of our own, gone with what is in it.
class ScratchFolder {
 public:
  static Result<ScratchFolder> In(const fs::path& parent) {
    std::string name = (parent / kFolderPrefix).string() + "XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      return Status::IoError(fmt::format("mkdtemp: {}: {}", std::strerror(errno), name));
    }
    return ScratchFolder(name);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, fs::path())) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  const fs::path& path() const { return path_; }

 private:
  explicit ScratchFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

// Removes what processes left that died while they made a pool; a pool that is made has no name.
void RemoveLeftOvers(const fs::path& parent) {
  constexpr auto kNoCreationTakes = std::chrono::minutes(10);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, error)) {
    if (!entry.path().filename().string().starts_with(kFolderPrefix)) continue;
    const auto changed = entry.last_write_time(error);
    if (error || fs::file_time_type::clock::now() - changed < kNoCreationTakes) continue;
    fs::remove_all(entry.path(), error);
  }
}

// The maps of this process that are in pools of the program's own, by their roots. libpmemobj
// refuses a pool that is open; nothing but this refuses a map in it.
class LinkedMaps {
 public:
  static LinkedMaps& Instance() {
    // Never destroyed: a database that is a global is closed after main.
    static LinkedMaps& maps = *new LinkedMaps;
    return maps;
  }

  Result<std::unique_ptr<Engine>> Open(PMEMoid* link) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!OID_IS_NULL(*link) && open_.contains(Name(*link))) {
      return Status::Busy("the map that the oid refers to is open already");
    }
    ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, OpenLinkedCmap(link));
    open_.insert(Name(*link));
    return engine;
  }

  // Once its engine is gone.
  void Close(const RootName& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_.erase(name);
  }

  static RootName Name(const PMEMoid& link) { return {link.pool_uuid_lo, link.off}; }

 private:
  std::mutex mutex_;
  std::set<RootName> open_;
};

bool IsTmpfs(const fs::path& folder) {
  const Result<Medium> medium = MediumOf(folder);
  return medium.ok() && *medium == Medium::kTmpfs;
}

}  // namespace

Result<std::unique_ptr<MapBackend>> MapBackend::OpenPool(const fs::path& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, OpenEngine(path));
  return std::unique_ptr<MapBackend>(new MapBackend(std::move(engine), -1));
}

Result<std::unique_ptr<MapBackend>> MapBackend::CreatePool(const fs::path& path,
                                                           uint64_t pool_bytes) {
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, CreateEngine(path, pool_bytes));
  return std::unique_ptr<MapBackend>(new MapBackend(std::move(engine), -1));
}

Result<std::unique_ptr<MapBackend>> MapBackend::OpenLinked(pmemoid* link) {
  if (pmemobj_pool_by_ptr(link) == nullptr) {
    return Status::InvalidArgument("the oid is in no libpmemobj pool that is open");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, LinkedMaps::Instance().Open(link));
  return std::unique_ptr<MapBackend>(
      new MapBackend(std::move(engine), -1, LinkedMaps::Name(*link)));
}

Result<std::unique_ptr<MapBackend>> MapBackend::CreateInDram(const fs::path& folder,
                                                             uint64_t pool_bytes) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return Status::InvalidArgument("vcmap's path must be a folder that exists: " + folder.string());
  }
  const fs::path shm = "/dev/shm";
  if (IsTmpfs(folder) || !IsTmpfs(shm)) return CreateNameless(folder, pool_bytes);
  Result<std::unique_ptr<MapBackend>> map = CreateNameless(shm, pool_bytes);
  // libpmem of this process is set to a disk, and takes no pool on tmpfs beside it.
  const bool refused = !map.ok() && map.status().code() == StatusCode::kUnsupported;
  return refused ? CreateNameless(folder, pool_bytes) : std::move(map);
}

// The pool is made under a name, then opened by its descriptor: it loses its name before anything
// is put into it, and its space goes back when the process ends, whichever way.
Result<std::unique_ptr<MapBackend>> MapBackend::CreateNameless(const fs::path& folder,
                                                               uint64_t pool_bytes) {
  RemoveLeftOvers(folder);
  ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::In(folder));
  const fs::path path = scratch.path() / "pool";
  {
    ASSIGN_OR_RETURN(std::unique_ptr<Engine> made, CreateEngine(path, pool_bytes));
    RETURN_IF_ERROR(made->Close());
  }
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0 || unlink(path.c_str()) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return Status::IoError(fmt::format("open: {}: {}", std::strerror(error), path.string()));
  }
  Result<std::unique_ptr<Engine>> engine = OpenEngine(fmt::format("/proc/self/fd/{}", fd));
  if (!engine.ok()) {
    close(fd);
    return std::move(engine).status();
  }
  return std::unique_ptr<MapBackend>(new MapBackend(std::move(*engine), fd));
}

MapBackend::~MapBackend() {
  engine_.reset();
  if (linked_) LinkedMaps::Instance().Close(*linked_);
  if (nameless_fd_ >= 0) close(nameless_fd_);
}

Result<uint64_t> MapBackend::Count() {
  ASSIGN_OR_RETURN(const EngineStats stats, engine_->Stats());
  return stats.count;
}

Status MapBackend::Defragment() {
  Defragments* const defragments = engine_->defragments();
  CHECK(defragments != nullptr);
  return defragments->Defragment().status();
}

bool InsidePmemobjTransaction() { return pmemobj_tx_stage() != TX_STAGE_NONE; }

}  // namespace fencepost::pmemkv_api
