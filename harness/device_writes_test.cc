// SPDX-License-Identifier: BSD-3-Clause
#include "harness/device_writes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// A folder on a block device, if this machine gives tests one.
std::optional<fs::path> FolderOnDevice() {
  for (const fs::path& folder : {fs::temp_directory_path(), fs::path("/var/tmp"), fs::path(".")}) {
    struct stat found;
    if (stat(folder.c_str(), &found) == 0 &&
        fs::exists(fmt::format("/sys/dev/block/{}:{}", major(found.st_dev), minor(found.st_dev)))) {
      return folder;
    }
  }
  return std::nullopt;
}

TEST(DeviceWrites, OfMemoryThereAreNone) {
  EXPECT_EQ(DeviceBytesWritten("/dev/shm"), std::nullopt);
  EXPECT_EQ(DeviceBytesWritten("/proc/no/such/folder"), std::nullopt);
}

TEST(DeviceWrites, WhatIsSyncedHasBeenWritten) {
  const std::optional<fs::path> folder = FolderOnDevice();
  if (!folder) GTEST_SKIP() << "no folder here is on a block device of its own";
  const fs::path path = *folder / fmt::format("fencepost-device-writes-{}", getpid());
  // A file that is not there yet is on the device of its folder.
  const std::optional<uint64_t> before = DeviceBytesWritten(path);
  ASSERT_TRUE(before);
  const std::string bytes(size_t{3} << 20, 'x');
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(fsync(fd), 0);
  close(fd);
  EXPECT_GE(DeviceBytesWritten(path).value() - *before, bytes.size());
  fs::remove(path);
}

TEST(DeviceWrites, ANameWithoutAFolderIsOnThisOnes) {
  EXPECT_EQ(DeviceBytesWritten("no-such-file").has_value(), DeviceBytesWritten(".").has_value());
}

}  // namespace
}  // namespace fencepost
