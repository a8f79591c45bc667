// SPDX-License-Identifier: BSD-3-Clause
#include "engines/medium.h"

#include <gtest/gtest.h>

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

TEST(Medium, FreeSpaceIsReported) { EXPECT_GT(FileSystemOf("/")->free_bytes, 0u); }

}  // namespace
}  // namespace fencepost
