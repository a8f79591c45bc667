// SPDX-License-Identifier: BSD-3-Clause
#include "engines/medium.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

namespace fencepost {
namespace {

TEST(Medium, ProcIsFoundByItsMountPoint) {
  const Result<FileSystem> file_system = FileSystemOf("/proc/self");
  ASSERT_TRUE(file_system.ok()) << file_system.message();
  EXPECT_EQ(file_system->type, "proc");
  EXPECT_EQ(file_system->mount_point, "/proc");
}

TEST(Medium, AbsentPathTakesItsNearestAncestor) {
  const Result<FileSystem> file_system = FileSystemOf("/proc/no/such/thing");
  ASSERT_TRUE(file_system.ok()) << file_system.message();
  EXPECT_EQ(file_system->type, "proc");
}

TEST(Medium, SharedMemoryIsTmpfs) {
  if (FileSystemOf("/dev/shm").value().type != "tmpfs") GTEST_SKIP() << "/dev/shm is no tmpfs";
  EXPECT_EQ(*MediumOf("/dev/shm/fencepost-absent"), Medium::kTmpfs);
}

TEST(Medium, ADescriptorOfADeletedFileIsWhereTheFileWas) {
  std::string name = std::filesystem::temp_directory_path() / "fencepost-medium-XXXXXX";
  const int fd = mkstemp(name.data());
  ASSERT_GE(fd, 0);
  const std::string there = FileSystemOf(name)->mount_point;
  ASSERT_EQ(unlink(name.c_str()), 0);
  const Result<FileSystem> deleted = FileSystemOf("/proc/self/fd/" + std::to_string(fd));
  close(fd);
  ASSERT_TRUE(deleted.ok()) << deleted.message();
  EXPECT_EQ(deleted->mount_point, there);
}

TEST(Medium, EveryMountIsListedOnceWithItsSize) {
  const Result<std::vector<FileSystem>> mounts = MountedFileSystems();
  ASSERT_TRUE(mounts.ok()) << mounts.message();
  std::set<std::string> points;
  for (const FileSystem& mount : *mounts) {
    EXPECT_TRUE(points.insert(mount.mount_point).second) << mount.mount_point;
  }
  EXPECT_TRUE(points.contains("/proc"));
  const FileSystem here = *FileSystemOf("/");
  EXPECT_GE(here.total_bytes, here.free_bytes);
}

TEST(Medium, FreeSpaceIsReported) { EXPECT_GT(FileSystemOf("/")->free_bytes, 0u); }

}  // namespace
}  // namespace fencepost
