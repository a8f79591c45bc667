// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/write_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace fencepost {
namespace {

static_assert(std::endian::native == std::endian::little);  // as the log

constexpr uint64_t kMagic = 0x6a736677736872;
constexpr uint64_t kVersion = 1;
constexpr uint64_t kKnownFlags = kLogFlush | kLogFua | kLogDiscard | kLogMark | kLogMetadata;
constexpr uint64_t kLeastSector = 512, kMostSector = 65536;

struct Superblock {
  uint64_t magic, version, entries;
  uint32_t sector_bytes;
};
constexpr size_t kSuperblockBytes = 28;

struct Header {
  uint64_t sector, sectors, flags, data_bytes;
};

}  // namespace

class WriteLog::Mapping {
 public:
  static Result<std::shared_ptr<const Mapping>> Of(const std::filesystem::path& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0) {
      const int error = errno;
      if (fd >= 0) close(fd);
      return Status::IoError(fmt::format("open: {}, {}", std::strerror(error), path.string()));
    }
    const size_t bytes = static_cast<size_t>(facts.st_size);
    void* const address =
        bytes == 0 ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (address == MAP_FAILED) {
      return Status::Corrupt(fmt::format("{}: is no log of writes", path.string()));
    }
    return std::shared_ptr<const Mapping>(new Mapping(address, bytes));
  }
  ~Mapping() { munmap(address_, bytes_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::string_view all() const { return {static_cast<const char*>(address_), bytes_}; }

 private:
  Mapping(void* address, size_t bytes) : address_(address), bytes_(bytes) {}

  void* const address_;
  const size_t bytes_;
};

Result<WriteLog> WriteLog::Open(const std::filesystem::path& path) {
  WriteLog log;
  ASSIGN_OR_RETURN(log.mapping_, Mapping::Of(path));
  const std::string_view all = log.mapping_->all();
  const auto corrupt = [&path](const std::string& what) {
    return Status::Corrupt(fmt::format("{}: {}", path.string(), what));
  };
  Superblock super;
  if (all.size() < kSuperblockBytes) return corrupt("is no log of writes");
  std::memcpy(&super, all.data(), kSuperblockBytes);
  if (super.magic != kMagic) return corrupt("is no log of writes");
  if (super.version != kVersion) {
    return corrupt(fmt::format("has version {}, and {} is known", super.version, kVersion));
  }
  if (!std::has_single_bit(super.sector_bytes) || super.sector_bytes < kLeastSector ||
      super.sector_bytes > kMostSector) {
    return corrupt(fmt::format("has sectors of {} bytes", super.sector_bytes));
  }
  log.sector_bytes_ = super.sector_bytes;
  uint64_t at = super.sector_bytes;
  for (uint64_t i = 0; i < super.entries; ++i) {
    const auto cut = [&] {
      return corrupt(fmt::format("entry {} of {} is cut off", i + 1, super.entries));
    };
    if (at > all.size() || all.size() - at < sizeof(Header)) return cut();
    Header header;
    std::memcpy(&header, all.data() + at, sizeof header);
    if ((header.flags & ~kKnownFlags) != 0) {
      return corrupt(
          fmt::format("entry {} of {} has flags {:#x}", i + 1, super.entries, header.flags));
    }
    WriteLogEntry entry{header.sector, header.sectors, header.flags, {}};
    const uint64_t most = UINT64_MAX / super.sector_bytes;
    if (entry.sectors > most || entry.sector > most - entry.sectors) {
      return corrupt(fmt::format("entry {} of {} lies behind every disk", i + 1, super.entries));
    }
    // A mark's text begins behind its header, within its sector.
    uint64_t begin = at + super.sector_bytes, bytes = 0;
    if (entry.Is(kLogMark)) {
      begin = at + sizeof(Header);
      bytes = header.data_bytes;
    } else if (entry.writes()) {
      if (entry.sectors > all.size() / super.sector_bytes) return cut();
      bytes = entry.sectors * super.sector_bytes;
    }
    if (bytes > 0 && (begin > all.size() || bytes > all.size() - begin)) return cut();
    if (bytes > 0) entry.data = all.substr(begin, bytes);
    log.entries_.push_back(entry);
    const uint64_t end = std::max(begin + bytes, at + super.sector_bytes);
    at = (end + super.sector_bytes - 1) / super.sector_bytes * super.sector_bytes;
  }
  log.log_bytes_ = std::min<uint64_t>(at, all.size());
  return log;
}

}  // namespace fencepost
