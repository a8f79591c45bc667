// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpmem.h>
#include <libpmemobj.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "engines/pmem/pmem_facts.h"
#include "engines/pmem/pool_errors.h"
#include "engines/system_error.h"

namespace fencepost::pmem {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLineBytes = 64;

static_assert(kMinPoolBytes == PMEMOBJ_MIN_POOL);
static_assert(kMaxObjectBytes == PMEMOBJ_MAX_ALLOC_SIZE);

// An open folder, locked for as long as a pool is made in it.
class LockedFolder {
 public:
  static Result<LockedFolder> Open(const fs::path& path) {
    LockedFolder folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.fd_ < 0) return SystemError("open", path);
    if (flock(folder.fd_, LOCK_EX) != 0) return SystemError("flock", path);
    return folder;
  }
  ~LockedFolder() {
    if (fd_ >= 0) close(fd_);
  }
  LockedFolder(LockedFolder&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  LockedFolder& operator=(LockedFolder&&) = delete;
  int fd() const { return fd_; }

 private:
  explicit LockedFolder(int fd) : fd_(fd) {}
  int fd_;
};

// Removes the file unless it was given its final name.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(fs::path path) : path_(std::move(path)) {}
  ~UnfinishedFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;
  void Finished() { path_.clear(); }

 private:
  fs::path path_;
};

// The file's blocks and length, which msync and flushes of its pages do not cover.
Status SyncFile(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  errno = error;
  return result == 0 ? Status::Ok() : SystemError("fsync", path);
}

// Gives a finished pool its name, durably. kInvalidArgument if something has the name.
Status Rename(const fs::path& from, const fs::path& to, int folder_fd) {
  RETURN_IF_ERROR(SyncFile(from));
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return Status::InvalidArgument("the file exists: " + to.string());
    return SystemError("rename", to);
  }
  // Sync the folder too: the name is not durable until its parent is.
  return fsync(folder_fd) == 0 ? Status::Ok() : SystemError("fsync", to.parent_path());
}

Status CheckSpace(const fs::path& path, uint64_t pool_bytes) {
  ASSIGN_OR_RETURN(const FileSystem file_system, FileSystemOf(path));
  if (pool_bytes > file_system.free_bytes) {
    return Status::Full(fmt::format("the pool needs {} bytes, {} has {} free: {}", pool_bytes,
                                    file_system.mount_point, file_system.free_bytes,
                                    path.string()));
  }
  return Status::Ok();
}

}  // namespace

Status Pool::Create(const fs::path& path, const std::string& layout, uint64_t pool_bytes,
                    uint64_t root_bytes, FunctionRef<Status(Pool&)> initialise) {
  if (pool_bytes < kMinPoolBytes) {
    return Status::InvalidArgument(fmt::format("a pool of {} bytes: libpmemobj needs {}: {}",
                                               pool_bytes, kMinPoolBytes, path.string()));
  }
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  RETURN_IF_ERROR(CheckSpace(absolute, pool_bytes));
  const fs::path folder_path = absolute.parent_path();
  fs::create_directories(folder_path, error);
  if (error) {
    return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), folder_path.string()));
  }
  ASSIGN_OR_RETURN(const LockedFolder folder, LockedFolder::Open(folder_path));
  if (fs::exists(absolute, error)) {
    return Status::InvalidArgument("the file exists: " + path.string());
  }
  fs::path creating = absolute;
  creating += ".creating";
  unlink(creating.c_str());
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(absolute));
  ASSIGN_OR_RETURN(const PmemMode mode, PreparePmem(medium, path));

  UnfinishedFile unfinished(creating);
  constexpr mode_t kOwnerOnly = 0600;
  PMEMobjpool* handle = pmemobj_create(creating.c_str(), layout.c_str(), pool_bytes, kOwnerOnly);
  if (handle == nullptr) return PmemobjError("pmemobj_create", errno, path);
  {
    Result<PoolFile> file = InspectPoolFile(creating, layout);
    if (!file.ok()) {
      pmemobj_close(handle);
      return file.status();
    }
    Pool pool(handle, creating, *file, medium, mode);
    if (OID_IS_NULL(pmemobj_root(handle, root_bytes))) {
      return PmemobjError("pmemobj_root", errno, path);
    }
    RETURN_IF_ERROR(initialise(pool));
  }
  RETURN_IF_ERROR(Rename(creating, absolute, folder.fd()));
  unfinished.Finished();
  return Status::Ok();
}

Result<std::unique_ptr<Pool>> Pool::Open(const fs::path& path, const std::string& layout) {
  ASSIGN_OR_RETURN(const PoolFile file, InspectPoolFile(path, layout));
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(path));
  ASSIGN_OR_RETURN(const PmemMode mode, PreparePmem(medium, path));
  PMEMobjpool* handle = pmemobj_open(path.c_str(), layout.c_str());
  if (handle == nullptr) return PmemobjError("pmemobj_open", errno, path);
  return std::unique_ptr<Pool>(new Pool(handle, path, file, medium, mode));
}

Result<std::unique_ptr<Pool>> Pool::Borrow(const void* address) {
  PMEMobjpool* const handle = pmemobj_pool_by_ptr(address);
  if (handle == nullptr) {
    return Status::InvalidArgument("the address is in no libpmemobj pool that is open");
  }
  const fs::path path = MappedFile(handle);
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(path));
  ASSIGN_OR_RETURN(const PoolFile file, InspectOpenPool(handle));
  ASSIGN_OR_RETURN(const PmemMode mode, PmemModeOfOpen(medium, path));
  std::unique_ptr<Pool> pool(new Pool(handle, path, file, medium, mode));
  pool->borrowed_ = true;
  return pool;
}

Pool::Pool(pmemobjpool* handle, fs::path path, const PoolFile& file, Medium medium, PmemMode mode)
    : handle_(handle),
      base_(reinterpret_cast<char*>(handle)),
      bytes_(file.file_bytes),
      heap_offset_(file.heap_offset),
      uuid_(pmemobj_oid(base_ + heap_offset_).pool_uuid_lo),
      path_(std::move(path)),
      medium_(medium),
      mode_(mode) {
  // A file system can be mounted with DAX and a file still be cached. What libpmemobj has mapped
  // with MAP_SYNC is persistent memory to it, and unknown to libpmem.
  if (mode_ == PmemMode::kHardware && !IsMapSync(path_) && pmem_is_pmem(base_, bytes_) == 0) {
    mode_ = PmemMode::kMsync;
    medium_ = Medium::kPageCache;
  }
}

Pool::~Pool() { Close(); }

void Pool::Close() {
  if (handle_ != nullptr && !borrowed_) pmemobj_close(handle_);
  handle_ = nullptr;
}

Result<uint64_t> Pool::Root(uint64_t bytes) const {
  const size_t found_bytes = pmemobj_root_size(handle_);
  if (found_bytes != bytes) {
    return Status::Corrupt(fmt::format("the pool's root has {} bytes, not {}: {}", found_bytes,
                                       bytes, path_.string()));
  }
  const PMEMoid root = pmemobj_root(handle_, bytes);
  if (OID_IS_NULL(root)) return PmemobjError("pmemobj_root", errno, path_);
  if (!Contains(root.off, bytes)) {
    return Status::Corrupt(fmt::format("the pool's root is outside of it: {}", path_.string()));
  }
  return root.off;
}

Result<uint64_t> Pool::Linked(const pmemoid& link, uint64_t bytes) const {
  if (link.pool_uuid_lo != uuid_ || !Contains(link.off, bytes)) {
    return Status::Corrupt(fmt::format("the link to {:#x} refers to nothing in the pool: {}",
                                       link.off, path_.string()));
  }
  return link.off;
}

void Pool::Flush(const void* address, uint64_t bytes) const {
  pmemobj_flush(handle_, address, bytes);
}

void Pool::Drain() const { pmemobj_drain(handle_); }

void Pool::Persist(const void* address, uint64_t bytes) const {
  pmemobj_persist(handle_, address, bytes);
}

void Pool::CopyFlush(void* to, const void* from, uint64_t bytes) const {
  pmemobj_memcpy(handle_, to, from, bytes, PMEMOBJ_F_MEM_NODRAIN);
}

void Pool::Populate(uint64_t offset, uint64_t bytes) const {
  constexpr uint64_t kPageBytes = 4096;
  const uint64_t begin = offset / kPageBytes * kPageBytes;
  const uint64_t end =
      std::min(bytes_, (offset + bytes + kPageBytes - 1) / kPageBytes * kPageBytes);
  madvise(base_ + begin, end - begin, MADV_POPULATE_WRITE);
}

Result<UnitClass> Pool::MakeUnitClass(uint64_t unit_bytes, unsigned units_at_a_time) {
  pobj_alloc_class_desc wanted{.unit_size = unit_bytes,
                               .alignment = kLineBytes,
                               .units_per_block = units_at_a_time,
                               .header_type = POBJ_HEADER_NONE,
                               .class_id = 0};
  // libpmemobj refuses to make one that is there.
  if (borrowed_) {
    const std::optional<UnitClass> found = FindUnitClass(wanted);
    if (found) return *found;
  }
  if (pmemobj_ctl_set(handle_, "heap.alloc_class.new.desc", &wanted) != 0) {
    return Status::Internal(fmt::format("pmemobj_ctl_set(heap.alloc_class.new.desc): {}: {}",
                                        pmemobj_errormsg(), path_.string()));
  }
  return UnitClass{wanted.class_id, unit_bytes};
}

std::optional<UnitClass> Pool::FindUnitClass(const pobj_alloc_class_desc& wanted) const {
  constexpr unsigned kMaxClasses = 255;  // MAX_ALLOCATION_CLASSES
  for (unsigned id = 0; id < kMaxClasses; ++id) {
    pobj_alloc_class_desc found{};
    const std::string name = fmt::format("heap.alloc_class.{}.desc", id);
    if (pmemobj_ctl_get(handle_, name.c_str(), &found) != 0) continue;
    if (found.unit_size == wanted.unit_size && found.alignment == wanted.alignment &&
        found.header_type == wanted.header_type) {
      return UnitClass{id, found.unit_size};
    }
  }
  return std::nullopt;
}

uint64_t Pool::UsableBytes(uint64_t offset) const {
  return pmemobj_alloc_usable_size(PMEMoid{uuid_, offset});
}

void Pool::ForEachObject(FunctionRef<void(const PoolObject&)> visit) const {
  for (PMEMoid oid = pmemobj_first(handle_); !OID_IS_NULL(oid); oid = pmemobj_next(oid)) {
    visit({oid.off, pmemobj_alloc_usable_size(oid), pmemobj_type_num(oid)});
  }
}

bool IsNull(const pmemoid& link) { return OID_IS_NULL(link); }

std::string PmemobjVersion() {
  return fmt::format("libpmemobj {}.{}", PMEMOBJ_MAJOR_VERSION, PMEMOBJ_MINOR_VERSION);
}

}  // namespace fencepost::pmem
