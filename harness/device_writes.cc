// SPDX-License-Identifier: BSD-3-Clause
#include "harness/device_writes.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>

namespace fencepost {

namespace fs = std::filesystem;

std::optional<uint64_t> DeviceBytesWritten(const fs::path& path) {
  struct stat found;
  const fs::path absolute = fs::absolute(path);
  if (stat(absolute.c_str(), &found) != 0 && stat(absolute.parent_path().c_str(), &found) != 0) {
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

}  // namespace fencepost
