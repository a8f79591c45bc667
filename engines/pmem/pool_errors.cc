// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pool_errors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpmemobj.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace fencepost::pmem {
namespace {

constexpr std::string_view kSignature("PMEMOBJ\0", 8);

// The first bytes of a pool file.
struct FileHead {
  char signature[8];
  uint32_t major;
  uint32_t compatible_features;
  uint32_t incompatible_features;
  uint32_t read_only_features;
  char set_uuid[16];
  char part_uuid[16];
  char neighbour_parts[2][16];
  char neighbour_replicas[2][16];  // its own, where there is no other
  char rest_of_header[3976];
  char layout[PMEMOBJ_MAX_LAYOUT];
  uint64_t lanes_offset;
  uint64_t lane_count;
  uint64_t heap_offset;
  char unused[992];
  uint64_t checksum;
  uint64_t root_offset;
  uint64_t run_id;
  uint64_t root_bytes;
  uint64_t conversion_flags;
  uint64_t heap_bytes;
};
static_assert(offsetof(FileHead, neighbour_replicas) == 88);
static_assert(offsetof(FileHead, layout) == 4096);
static_assert(offsetof(FileHead, lanes_offset) == 5120);
constexpr uint32_t kSingleHeader = 1;  // POOL_FEAT_SINGLEHDR
static_assert(offsetof(FileHead, checksum) == 4096 + 2048 - 8, "the descriptor has 2 KiB");

struct FileDescriptor {
  explicit FileDescriptor(int fd) : value(fd) {}
  ~FileDescriptor() {
    if (value >= 0) close(value);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  const int value;
};

}  // namespace

Result<PoolFile> InspectPoolFile(const std::filesystem::path& path, const std::string& layout) {
  const FileDescriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file.value < 0) {
    const std::string message = fmt::format("open: {}: {}", std::strerror(errno), path.string());
    return errno == ENOENT ? Status(StatusCode::kNotFound, message) : Status::IoError(message);
  }
  struct stat info;
  if (fstat(file.value, &info) != 0) {
    return Status::IoError(fmt::format("fstat: {}: {}", std::strerror(errno), path.string()));
  }
  FileHead head;
  if (!S_ISREG(info.st_mode) || pread(file.value, &head, sizeof(head), 0) != sizeof(head) ||
      std::string_view(head.signature, sizeof(head.signature)) != kSignature) {
    return Status::Corrupt(fmt::format("the file is no libpmemobj pool: {}", path.string()));
  }
  const std::string_view found(head.layout, strnlen(head.layout, sizeof(head.layout)));
  if (found != layout) {
    return Status::Corrupt(
        fmt::format("the pool is of layout '{}', not '{}': {}", found, layout, path.string()));
  }
  const auto file_bytes = static_cast<uint64_t>(info.st_size);
  if (head.heap_offset > file_bytes || head.heap_bytes > file_bytes - head.heap_offset) {
    return Status::Corrupt(fmt::format("the pool was made with {} bytes, the file has {}: {}",
                                       head.heap_offset + head.heap_bytes, file_bytes,
                                       path.string()));
  }
  return PoolFile{file_bytes, head.heap_offset};
}

Result<PoolFile> InspectOpenPool(const pmemobjpool* pool) {
  const auto* const head = reinterpret_cast<const FileHead*>(pool);
  if ((head->incompatible_features & kSingleHeader) != 0) {
    return Status::Unsupported("a pool set that grows (OPTION SINGLEHDR) cannot hold a cmap");
  }
  for (const auto& neighbour : head->neighbour_replicas) {
    if (std::memcmp(neighbour, head->part_uuid, sizeof(neighbour)) != 0) {
      return Status::Unsupported("a pool set with replicas cannot hold a cmap");
    }
  }
  return PoolFile{head->heap_offset + head->heap_bytes, head->heap_offset};
}

Status PmemobjError(const char* call, int error, const std::filesystem::path& path) {
  std::string message = fmt::format("{}: {}: {}", call, pmemobj_errormsg(), path.string());
  switch (error) {
    case EWOULDBLOCK:
      return Status::Busy(fmt::format(
          "{}: the pool is open already, here or in another process: {}", call, path.string()));
    case ENOENT:
      return {StatusCode::kNotFound, std::move(message)};
    case ENOSPC:
    case ENOMEM:
      return Status::Full(std::move(message));
    case EINVAL:
      return Status::Corrupt(std::move(message));
    default:
      return Status::IoError(std::move(message));
  }
}

}  // namespace fencepost::pmem
