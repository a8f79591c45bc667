// SPDX-License-Identifier: BSD-3-Clause
// For tests: a fresh folder for pools, on tmpfs where there is one, removed at the end.
#ifndef FENCEPOST_ENGINES_PMEM_TEST_POOL_H_
#define FENCEPOST_ENGINES_PMEM_TEST_POOL_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "engines/medium.h"
#include "engines/status.h"

namespace fencepost::pmem {

class TestFolder {
 public:
  explicit TestFolder(std::string parent = DefaultParent()) {
    std::string name = parent + "/fencepost-test-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  size_t FileCount() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  // /dev/shm if it is a tmpfs with room for a few small pools.
  static std::string DefaultParent() {
    constexpr uint64_t kEnoughBytes = uint64_t{48} << 20;
    const Result<FileSystem> shm = FileSystemOf("/dev/shm");
    if (shm.ok() && shm->type == "tmpfs" && shm->free_bytes > kEnoughBytes) return "/dev/shm";
    return std::filesystem::temp_directory_path().string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_TEST_POOL_H_
