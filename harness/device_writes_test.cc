// SPDX-License-Identifier: BSD-3-Clause
#include "harness/device_writes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "harness/process_usage.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// A folder on a block device, if this machine gives tests one.
std::optional<fs::path> FolderOnDevice() {
  for (const fs::path& folder : {fs::temp_directory_path(), fs::path("/var/tmp"), fs::path(".")}) {
    if (DeviceBytesWritten(folder)) return folder;
  }
  return std::nullopt;
}

TEST(DeviceWrites, OfMemoryThereAreNone) {
  EXPECT_EQ(DeviceBytesWritten("/dev/shm"), std::nullopt);
  EXPECT_EQ(DeviceBytesWritten("/proc/no/such/folder"), std::nullopt);
  EXPECT_FALSE(KernelCountsWholeFolios("/dev/shm"));
  EXPECT_FALSE(KernelCountsWholeFolios("/no/such/folder"));
}

TEST(DeviceWrites, WhatIsSyncedHasBeenWritten) {
  const std::optional<fs::path> folder = FolderOnDevice();
  if (!folder) GTEST_SKIP() << "no folder here is on a block device of its own";
  const fs::path path = *folder / ("fencepost-device-writes-" + std::to_string(getpid()));
  // A file that is not there yet is on the device of its folder.
  const uint64_t before = DeviceBytesWritten(path).value();
  const std::string bytes(size_t{3} << 20, 'x');
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(fsync(fd), 0);
  close(fd);
  EXPECT_GE(DeviceBytesWritten(path).value() - before, bytes.size());
  fs::remove(path);
}

// What the probe says of a change of one byte holds of a change elsewhere, in a file with a name.
TEST(DeviceWrites, WholeFoliosAreCountedWhereItIsSaid) {
  const std::optional<fs::path> folder = FolderOnDevice();
  if (!folder) GTEST_SKIP() << "no folder here is on a block device of its own";
  const fs::path path = *folder / ("fencepost-folios-" + std::to_string(getpid()));
  const std::string bytes(size_t{2} << 20, 'x');
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(fsync(fd), 0);
  const auto before = ReadProcessUsage();
  EXPECT_EQ(pwrite(fd, "y", 1, 1 << 20), 1);
  const auto after = ReadProcessUsage();
  close(fd);
  fs::remove(path);
  ASSERT_TRUE(before.ok() && after.ok() && before->io && after->io);
  EXPECT_EQ(after->io->storage_write_bytes - before->io->storage_write_bytes > 4096,
            KernelCountsWholeFolios(*folder));
}

}  // namespace
}  // namespace fencepost
