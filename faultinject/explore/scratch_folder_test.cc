// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/scratch_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

class ScratchFolderTest : public testing::Test {
 protected:
  const fs::path& root() const { return root_.path(); }
  // As if nothing had happened in it for an hour.
  static void Age(const fs::path& folder) {
    fs::last_write_time(folder, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  fs::path MakeInAKilledProcess() const {
    const pid_t child = fork();
    if (child == 0) {
      const Result<ScratchFolder> folder = ScratchFolder::Make(root());
      std::ofstream(root() / "name") << (folder.ok() ? folder->path().string() : "");
      kill(getpid(), SIGKILL);
    }
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
    const fs::path made = ReadFile(root() / "name");
    std::ofstream(made / "image") << "left";
    return made;
  }

 private:
  TemporaryFolder root_;
};

TEST_F(ScratchFolderTest, GoesWithItsOwner) {
  fs::path path;
  {
    const Result<ScratchFolder> folder = ScratchFolder::Make(root());
    ASSERT_TRUE(folder.ok());
    path = folder->path();
    std::ofstream(path / "image") << "contents";
    EXPECT_TRUE(fs::exists(path / "image"));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ScratchFolderTest, WhatAKilledProcessHasLeftGoesWithTheNextOne) {
  const fs::path left = MakeInAKilledProcess();
  ASSERT_TRUE(fs::exists(left / "image"));
  Age(left);
  const Result<ScratchFolder> next = ScratchFolder::Make(root());
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(next->path()));
}

TEST_F(ScratchFolderTest, WhatIsNewMayBeAboutToBeLocked) {
  const fs::path left = MakeInAKilledProcess();
  ASSERT_TRUE(ScratchFolder::Make(root()).ok());
  EXPECT_TRUE(fs::exists(left / "image"));
}

TEST_F(ScratchFolderTest, WhatHasAnOwnerStays) {
  const Result<ScratchFolder> owned = ScratchFolder::Make(root());
  ASSERT_TRUE(owned.ok());
  Age(owned->path());
  ASSERT_TRUE(ScratchFolder::Make(root()).ok());
  EXPECT_TRUE(fs::exists(owned->path()));
}

TEST_F(ScratchFolderTest, WhatAForkedChildStillHoldsStays) {
  const pid_t owner = fork();
  if (owner == 0) {
    const Result<ScratchFolder> folder = ScratchFolder::Make(root());
    const pid_t worker = fork();
    if (worker == 0) {
      pause();
      _exit(0);
    }
    std::ofstream(root() / "name") << folder->path().string();
    std::ofstream(root() / "worker") << worker;
    kill(getpid(), SIGKILL);
  }
  ASSERT_EQ(waitpid(owner, nullptr, 0), owner);
  const fs::path held = ReadFile(root() / "name");
  Age(held);
  ASSERT_TRUE(ScratchFolder::Make(root()).ok());
  EXPECT_TRUE(fs::exists(held));
  kill(std::stoi(ReadFile(root() / "worker")), SIGKILL);
}

TEST_F(ScratchFolderTest, OthersFoldersStay) {
  for (const char* name : {"fencepost-", "fencepost-12", "fencepost-12-abc", "fencepost-x-abcdef",
                           "fencepost-12-abcdefg", "other-12-abcdef"}) {
    fs::create_directory(root() / name);
    Age(root() / name);
    ASSERT_TRUE(ScratchFolder::Make(root()).ok());
    EXPECT_TRUE(fs::exists(root() / name)) << name;
  }
}

TEST_F(ScratchFolderTest, AFolderThatCannotBeMadeIsNamed) {
  const Result<ScratchFolder> none = ScratchFolder::Make(root() / "none");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find((root() / "none").string()), std::string::npos);
}

}  // namespace
}  // namespace fencepost
