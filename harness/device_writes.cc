// SPDX-License-Identifier: BSD-3-Clause
#include "harness/device_writes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "harness/process_usage.h"

namespace fencepost {

namespace fs = std::filesystem;

std::optional<uint64_t> DeviceBytesWritten(const fs::path& path) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0 &&
      stat((path.has_parent_path() ? path.parent_path() : fs::path(".")).c_str(), &found) != 0) {
    return std::nullopt;
  }
  std::ifstream file(
      fmt::format("/sys/dev/block/{}:{}/stat", major(found.st_dev), minor(found.st_dev)));
  constexpr int kSectorsWritten = 6;  // of the numbers, from 0
  constexpr uint64_t kSectorBytes = 512;
  uint64_t number = 0;
  for (int i = 0; i <= kSectorsWritten; ++i) {
    if (!(file >> number)) return std::nullopt;
  }
  return number * kSectorBytes;
}

bool KernelCountsWholeFolios(const fs::path& folder) {
  constexpr size_t kFileBytes = size_t{1} << 20;
  constexpr size_t kChangedBytes = 64, kPageBytes = 4096;
  const int fd = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const std::vector<char> bytes(kFileBytes, 'x');
  bool whole = false;
  if (pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) &&
      fdatasync(fd) == 0) {
    const auto before = ReadProcessUsage();
    const bool written = pwrite(fd, bytes.data(), kChangedBytes, 0) == kChangedBytes;
    const auto after = ReadProcessUsage();
    if (written && before.ok() && after.ok() && before->io && after->io) {
      whole = after->io->storage_write_bytes - before->io->storage_write_bytes > kPageBytes;
    }
  }
  close(fd);
  return whole;
}

}  // namespace fencepost
