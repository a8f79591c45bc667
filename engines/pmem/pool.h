// SPDX-License-Identifier: BSD-3-Clause
// Pool: one open libpmemobj pool, and how a pool comes to be.
//
// Invariants:
//   1. A file with the pool's name is a whole pool: it is made and initialised under the name
//      `<path>.creating` and renamed when it is durable. Whoever makes pools in a folder holds a
//      lock on that folder, so a `.creating` file found under the lock is a dead process's and is
//      removed.
//   2. Offsets are bytes from the pool's first byte, as in a PMEMoid. 0 is never an object.
//   3. A borrowed pool is left open, and its size, layout and root are its opener's business.
// Threads: any, for all but Close.
// Not covered: pool sets with replicas or of a size that changes, device DAX.
#ifndef FENCEPOST_ENGINES_PMEM_POOL_H_
#define FENCEPOST_ENGINES_PMEM_POOL_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engines/function_ref.h"
#include "engines/medium.h"
#include "engines/pmem/pmem_environment.h"
#include "engines/status.h"

struct pmemobjpool;
struct pmemoid;
struct pobj_alloc_class_desc;

namespace fencepost::pmem {

// The least that libpmemobj makes a pool of (PMEMOBJ_MIN_POOL).
inline constexpr uint64_t kMinPoolBytes = uint64_t{8} << 20;
// The most that it allocates as one object (PMEMOBJ_MAX_ALLOC_SIZE).
inline constexpr uint64_t kMaxObjectBytes = 0x3FFDFFFC0;

// What a pool file's header says of itself.
struct PoolFile {
  uint64_t file_bytes = 0;
  uint64_t heap_offset = 0;
};

// One allocated object, not counting the root.
struct PoolObject {
  uint64_t offset = 0;
  uint64_t usable_bytes = 0;
  uint64_t type = 0;
};

// A kind of object without a header, of one size and aligned to a line: where the 16 bytes of
// libpmemobj's header, or its rounding, would hurt. Such objects are of type 0.
struct UnitClass {
  unsigned id = 0;
  uint64_t unit_bytes = 0;
};

class Pool {
 public:
  // Makes a pool whose root holds `root_bytes` zero bytes, lets `initialise` write to it, and only
  // then gives it its name; the folder is made if need be. On an error nothing is left behind.
  // kFull: not enough free space, in bytes. kInvalidArgument: too small, or the name is taken.
  static Status Create(const std::filesystem::path& path, const std::string& layout,
                       uint64_t pool_bytes, uint64_t root_bytes,
                       FunctionRef<Status(Pool&)> initialise);

  // kNotFound (with a message): no such file. kCorrupt: no pool, another layout, truncated, or
  // damaged. kBusy: open elsewhere, in this process or another.
  static Result<std::unique_ptr<Pool>> Open(const std::filesystem::path& path,
                                            const std::string& layout);

  // The pool that holds `address` and that somebody else opened, who closes it after this object is
  // gone. kInvalidArgument: no pool does. kUnsupported: a pool set with replicas, or one that
  // grows; a pool on a disk that nothing is made durable on, since libpmem was told to flush
  // (PmemModeOfOpen).
  static Result<std::unique_ptr<Pool>> Borrow(const void* address);

  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  void Close();  // a second Close does nothing

  // The root object; its offset. kCorrupt if the root is not of exactly `bytes` bytes.
  Result<uint64_t> Root(uint64_t bytes) const;
  // The offset of the object that `link` refers to. kCorrupt if it has no `bytes` bytes in this
  // pool.
  Result<uint64_t> Linked(const pmemoid& link, uint64_t bytes) const;

  template <typename T>
  T* At(uint64_t offset) const {
    return reinterpret_cast<T*>(base_ + offset);
  }
  uint64_t OffsetOf(const void* address) const {
    return static_cast<uint64_t>(static_cast<const char*>(address) - base_);
  }
  // Whether `bytes` bytes at `offset` lie where objects can be.
  bool Contains(uint64_t offset, uint64_t bytes) const {
    return offset >= heap_offset_ && offset < bytes_ && bytes <= bytes_ - offset;
  }

  // Write-back without a fence; the fence; both. On msync pools Flush is the msync.
  void Flush(const void* address, uint64_t bytes) const;
  void Drain() const;
  void Persist(const void* address, uint64_t bytes) const;
  // Copies and writes back, around the cache where that is faster; needs a Drain.
  void CopyFlush(void* to, const void* from, uint64_t bytes) const;

  // Maps the pages of what will be written soon in one call instead of a fault for each; a hint.
  void Populate(uint64_t offset, uint64_t bytes) const;

  // Classes live in DRAM: each is made again, in the same order, after every open; in a borrowed
  // pool it may be there already. The heap gives `units_at_a_time` units their memory at once, in
  // steps of 256 KiB.
  Result<UnitClass> MakeUnitClass(uint64_t unit_bytes, unsigned units_at_a_time);

  // REQUIRES: `offset` is an allocated object's.
  uint64_t UsableBytes(uint64_t offset) const;
  // Visits every allocated object but the root. At rest only.
  void ForEachObject(FunctionRef<void(const PoolObject&)> visit) const;

  bool borrowed() const { return borrowed_; }
  pmemobjpool* handle() const { return handle_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t uuid() const { return uuid_; }
  const std::filesystem::path& path() const { return path_; }
  Medium medium() const { return medium_; }
  PmemMode mode() const { return mode_; }  // as libpmem has it, after opening

 private:
  Pool(pmemobjpool* handle, std::filesystem::path path, const PoolFile& file, Medium medium,
       PmemMode mode);

  std::optional<UnitClass> FindUnitClass(const pobj_alloc_class_desc& wanted) const;

  pmemobjpool* handle_;
  bool borrowed_ = false;
  char* base_;
  const uint64_t bytes_;
  const uint64_t heap_offset_;
  const uint64_t uuid_;
  const std::filesystem::path path_;
  Medium medium_;
  PmemMode mode_;
};

bool IsNull(const pmemoid& link);

// libpmemobj's version, "libpmemobj 1.12".
std::string PmemobjVersion();

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_POOL_H_
