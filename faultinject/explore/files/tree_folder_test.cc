// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/tree_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBlock = FileContent::kBlockBytes;

Inode File(const std::string& bytes) {
  Inode inode;
  inode.content.Write(0, bytes);
  return inode;
}

Inode Directory(std::map<std::string, InodeId> entries) {
  Inode inode;
  inode.type = InodeType::kDirectory;
  inode.entries = std::move(entries);
  return inode;
}

Inode Symlink(const std::string& target) {
  Inode inode;
  inode.type = InodeType::kSymlink;
  inode.target = target;
  return inode;
}

FileTree Tree(std::map<std::string, InodeId> root, const std::vector<Inode>& others) {
  FileTree tree;
  for (size_t i = 0; i < others.size(); ++i) tree.Add(static_cast<InodeId>(i + 1), others[i]);
  tree.mutable_inode(kRootInode) = Directory(std::move(root));
  return tree;
}

// Few names, so that trees meet in them; several names for one file; holes; few contents, so that
// files differ in some blocks only.
class RandomTrees {
 public:
  explicit RandomTrees(uint64_t seed) : random_(seed) {}
  uint64_t Below(uint64_t end) { return random_() % end; }

  FileTree Draw() {
    tree_ = FileTree();
    shared_.clear();
    Fill(kRootInode, 0);
    return tree_;
  }

 private:
  void Fill(InodeId directory, int depth) {
    for (const char* name : {"a", "b", "c", "d", "e"}) {
      const uint64_t what = Below(8);
      if (what < 2) continue;
      InodeId id = tree_.next_inode();
      if (what == 2 && !shared_.empty()) {
        id = shared_[Below(shared_.size())];
      } else if (what == 3 && depth < 3) {
        tree_.Add(id, Directory({}));
        Fill(id, depth + 1);
      } else {
        tree_.Add(id, what == 4 ? Symlink(Below(2) == 0 ? "a" : "nowhere/at all") : Content());
        shared_.push_back(id);
      }
      tree_.mutable_inode(directory).entries.emplace(name, id);
    }
  }

  Inode Content() {
    Inode inode;
    inode.content.Resize(Below(4) * kBlock + Below(2) * Below(kBlock));
    for (uint64_t block = 0; block < 4; ++block) {
      if (Below(2) == 0) continue;  // a hole
      const std::string bytes(Below(2) == 0 ? kBlock : Below(kBlock),
                              static_cast<char>('x' + Below(3)));
      inode.content.Write(block * kBlock + Below(2) * Below(100), bytes);
    }
    if (Below(30) == 0) inode.content.Write(10'000'000, "far behind a hole");
    return inode;
  }

  std::mt19937_64 random_;
  FileTree tree_;
  std::vector<InodeId> shared_;  // may be given another name
};

class TreeFolderTest : public testing::Test {
 protected:
  fs::path path() const { return folder_.path() / "some" / "store"; }

  ::testing::AssertionResult Holds(const FileTree& tree) const {
    const Result<FileTree> found = FileTree::Read(path());
    if (!found.ok()) return ::testing::AssertionFailure() << found.status().message();
    if (found->Hash() == tree.Hash()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "another tree";
  }
  ::testing::AssertionResult IsMadeToHold(const FileTree& tree) const {
    const Status status = MakeFolderHold(tree, path());
    if (!status.ok()) return ::testing::AssertionFailure() << status.message();
    return Holds(tree);
  }

  TemporaryFolder folder_;
};

TEST_F(TreeFolderTest, AnyTreeTakesThePlaceOfAnyOther) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    RandomTrees trees(seed);
    FileTree last;
    for (int round = 0; round < 60; ++round) {
      const FileTree tree = trees.Draw();
      ASSERT_TRUE(IsMadeToHold(tree)) << "seed " << seed << " round " << round;
      last = tree;
    }
    ASSERT_TRUE(IsMadeToHold(last)) << "once more";
    ASSERT_TRUE(IsMadeToHold(FileTree()));
  }
  EXPECT_EQ(EntriesOf(path().parent_path()), 1u);
}

TEST_F(TreeFolderTest, WhatIsRightIsLeftAlone) {
  const FileTree tree =
      Tree({{"d", 1}, {"f", 2}},
           {Directory({{"g", 3}}), File(std::string(kBlock, 'f')), File(std::string(kBlock, 'g'))});
  ASSERT_TRUE(IsMadeToHold(tree));
  const auto numbers = [&] {
    std::vector<ino_t> found;
    for (const char* name : {"d", "f", "d/g"}) {
      struct stat info;
      EXPECT_EQ(stat((path() / name).c_str(), &info), 0);
      found.push_back(info.st_ino);
      found.push_back(static_cast<ino_t>(info.st_mtim.tv_nsec));
    }
    return found;
  };
  const auto before = numbers();
  ASSERT_TRUE(IsMadeToHold(tree));
  EXPECT_EQ(numbers(), before);
}

TEST_F(TreeFolderTest, HolesStayHoles) {
  Inode sparse = File("head");
  sparse.content.Write(64 << 20, "tail");
  ASSERT_TRUE(IsMadeToHold(Tree({{"sparse", 1}}, {sparse})));
  struct stat info;
  ASSERT_EQ(stat((path() / "sparse").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, (64 << 20) + 4);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
  // One that a recovery has filled is one again.
  WriteFile(path() / "sparse", std::string(1 << 20, 'x'));
  ASSERT_TRUE(IsMadeToHold(Tree({{"sparse", 1}}, {sparse})));
  ASSERT_EQ(stat((path() / "sparse").c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 1 << 19);
}

TEST_F(TreeFolderTest, TypesTakeEachOthersPlaces) {
  const std::vector<FileTree> trees = {
      Tree({{"x", 1}}, {File("contents")}),
      Tree({{"x", 1}}, {Directory({{"in", 2}}), File("in")}),
      Tree({{"x", 1}}, {Symlink("y")}),
      Tree({{"x", 1}, {"y", 2}}, {Symlink("y"), File("not through the link")}),
      Tree({{"x", 2}, {"y", 1}}, {Directory({}), File("the other way round")}),
      Tree({{"x", 1}, {"y", 1}}, {File("two names")}),
      Tree({{"x", 1}, {"y", 2}}, {File("two names"), File("two names")}),
      Tree({{"x", 1}, {"y", 1}}, {Symlink("two names")}),
      Tree({{"x", 1}, {"y", 2}}, {Directory({{"z", 2}}), File("names in two directories")}),
      Tree({}, {}),
  };
  for (size_t from = 0; from < trees.size(); ++from) {
    for (size_t to = 0; to < trees.size(); ++to) {
      ASSERT_TRUE(IsMadeToHold(trees[from])) << from;
      EXPECT_TRUE(IsMadeToHold(trees[to])) << from << " to " << to;
    }
  }
}

// What a recovery may do to a folder that holds a, d/b and l, a symbolic link.
struct Misdeed {
  const char* name;
  std::function<void(const fs::path& folder)> deed;
};

const std::vector<Misdeed>& Misdeeds() {
  static const std::vector<Misdeed> misdeeds = {
      {"nothing", [](const fs::path&) {}},
      {"read-only file", [](const fs::path& at) { CHECK(chmod((at / "a").c_str(), 0400) == 0); }},
      {"no rights to a file", [](const fs::path& at) { CHECK(chmod((at / "a").c_str(), 0) == 0); }},
      {"a program", [](const fs::path& at) { CHECK(chmod((at / "a").c_str(), 0777) == 0); }},
      {"read-only directory",
       [](const fs::path& at) { CHECK(chmod((at / "d").c_str(), 0500) == 0); }},
      {"no rights to a directory",
       [](const fs::path& at) { CHECK(chmod((at / "d").c_str(), 0) == 0); }},
      {"no rights to the folder", [](const fs::path& at) { CHECK(chmod(at.c_str(), 0) == 0); }},
      {"a locked directory of its own",
       [](const fs::path& at) {
         fs::create_directories(at / "own" / "deep" / "down");
         WriteFile(at / "own" / "deep" / "down" / "f", "f");
         CHECK(chmod((at / "own" / "deep" / "down").c_str(), 0) == 0);
         CHECK(chmod((at / "own" / "deep").c_str(), 0) == 0);
       }},
      {"longer", [](const fs::path& at) { CHECK(truncate((at / "a").c_str(), 50'000) == 0); }},
      {"shorter", [](const fs::path& at) { CHECK(truncate((at / "d/b").c_str(), 5) == 0); }},
      {"empty", [](const fs::path& at) { CHECK(truncate((at / "a").c_str(), 0) == 0); }},
      {"overwritten", [](const fs::path& at) { WriteFile(at / "a", std::string(9000, 'o')); }},
      {"replaced",
       [](const fs::path& at) {
         WriteFile(at / "new", std::string(3 * kBlock, 'n'));
         fs::rename(at / "new", at / "a");
       }},
      {"removed", [](const fs::path& at) { fs::remove(at / "d" / "b"); }},
      {"a directory removed", [](const fs::path& at) { fs::remove_all(at / "d"); }},
      {"all removed", [](const fs::path& at) { fs::remove_all(at); }},
      {"the parent removed", [](const fs::path& at) { fs::remove_all(at.parent_path()); }},
      {"more files", [](const fs::path& at) { WriteFile(at / "d" / "LOCK", "x"); }},
      {"another name of a file",
       [](const fs::path& at) { fs::create_hard_link(at / "a", at / "d" / "c"); }},
      {"one file of two",
       [](const fs::path& at) {
         fs::remove(at / "d" / "b");
         fs::create_hard_link(at / "a", at / "d" / "b");
       }},
      {"a link to elsewhere in a file's place",
       [](const fs::path& at) {
         fs::remove(at / "a");
         fs::create_symlink("../../outside/f", at / "a");
       }},
      {"a link to elsewhere in a directory's place",
       [](const fs::path& at) {
         fs::remove_all(at / "d");
         fs::create_symlink("../../outside", at / "d");
       }},
      {"a link to elsewhere in the folder's place",
       [](const fs::path& at) {
         fs::remove_all(at);
         fs::create_symlink("../outside", at);
       }},
      {"a dangling link in the folder's place",
       [](const fs::path& at) {
         fs::remove_all(at);
         fs::create_symlink("nowhere", at);
       }},
      {"a file in the folder's place",
       [](const fs::path& at) {
         fs::remove_all(at);
         WriteFile(at, "no folder");
       }},
      {"another target",
       [](const fs::path& at) {
         fs::remove(at / "l");
         fs::create_symlink("d", at / "l");
       }},
      {"a pipe in a file's place",
       [](const fs::path& at) {
         fs::remove(at / "a");
         CHECK(mkfifo((at / "a").c_str(), 0600) == 0);
       }},
      {"a hole",
       [](const fs::path& at) {
         const int fd = open((at / "a").c_str(), O_RDWR);
         CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBlock) == 0);
         close(fd);
       }},
      {"a hole filled",
       [](const fs::path& at) {
         const int fd = open((at / "a").c_str(), O_RDWR);
         CHECK(pwrite(fd, "x", 1, kBlock + 17) == 1);
         close(fd);
       }},
  };
  return misdeeds;
}

FileTree TreeToSpoil() {
  Inode a = File(std::string(kBlock, 'a'));
  a.content.Write(2 * kBlock, std::string(100, 'a'));
  return Tree({{"a", 1}, {"d", 2}, {"l", 4}},
              {a, Directory({{"b", 3}}), File(std::string(6000, 'b')), Symlink("a")});
}

void ExpectModes(const fs::path& folder) {
  for (const char* name : {"", "a", "d", "d/b"}) {
    struct stat info;
    ASSERT_EQ(lstat((folder / name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 07777, S_ISDIR(info.st_mode) ? 0755u : 0644u) << name;
  }
}

TEST_F(TreeFolderTest, WhateverARecoveryHasDoneIsUndone) {
  const fs::path outside = folder_.path() / "outside";
  fs::create_directories(outside);
  WriteFile(outside / "f", "outside");
  for (const Misdeed& misdeed : Misdeeds()) {
    SCOPED_TRACE(misdeed.name);
    ASSERT_TRUE(IsMadeToHold(TreeToSpoil()));
    misdeed.deed(path());
    EXPECT_TRUE(IsMadeToHold(TreeToSpoil()));
    ExpectModes(path());
    misdeed.deed(path());
    EXPECT_TRUE(IsMadeToHold(FileTree()));
    EXPECT_EQ(ReadFile(outside / "f"), "outside");
    EXPECT_EQ(EntriesOf(outside), 1u);
  }
}

// Root may open whatever it likes: this is for all others.
TEST_F(TreeFolderTest, WhateverARecoveryHasDoneIsUndoneByOthersThanRootToo) {
  const uid_t self = geteuid();
  constexpr uid_t kNobody = 65534;
  if (self == 0) {
    ASSERT_EQ(chmod(folder_.path().c_str(), 0777), 0);
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  fs::create_directories(folder_.path() / "outside");
  for (const Misdeed& misdeed : Misdeeds()) {
    SCOPED_TRACE(misdeed.name);
    EXPECT_TRUE(IsMadeToHold(TreeToSpoil()));
    misdeed.deed(path());
    EXPECT_TRUE(IsMadeToHold(TreeToSpoil()));
  }
  ASSERT_EQ(seteuid(self), 0);
}

TEST(TreeFolder, WhatWasStoredBehindTheEndDoesNotShow) {
  for (const char* root : {"/dev/shm", "/tmp"}) {
    const Result<ScratchFolder> scratch = ScratchFolder::Make(root);
    ASSERT_TRUE(scratch.ok());
    const fs::path path = scratch->path() / "store";
    const auto store_behind_the_end = [&] {
      const int fd = open((path / "a").c_str(), O_RDWR);
      void* const base = mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      ASSERT_NE(base, MAP_FAILED);
      std::memset(static_cast<char*>(base) + 5, 'G', kBlock - 5);
      munmap(base, kBlock);
      close(fd);
    };
    Inode longer = File("short");
    longer.content.Resize(3000);
    for (const Inode& next : {longer, File("short")}) {
      ASSERT_TRUE(MakeFolderHold(Tree({{"a", 1}}, {File("short")}), path).ok());
      store_behind_the_end();
      ASSERT_TRUE(MakeFolderHold(Tree({{"a", 1}}, {next}), path).ok());
      ASSERT_EQ(truncate((path / "a").c_str(), 3000), 0);
      EXPECT_EQ(ReadFile(path / "a"), "short" + std::string(2995, '\0')) << root;
    }
  }
}

TEST_F(TreeFolderTest, ADirectoryWithTwoNamesIsRefused) {
  const FileTree tree = Tree({{"a", 1}, {"b", 1}}, {Directory({})});
  EXPECT_EQ(MakeFolderHold(tree, path()).code(), StatusCode::kCorrupt);
}

// Where a file may have 8 KiB the disk is full for others: the same call, another error number.
TEST_F(TreeFolderTest, WhatCannotBeWrittenIsNotPassedOver) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit most{.rlim_cur = 8192, .rlim_max = 8192};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &most) != 0) _exit(2);
    const Status status =
        MakeFolderHold(Tree({{"big", 1}}, {File(std::string(10'000, 'b'))}), path());
    _exit(status.code() == StatusCode::kIoError &&
                  status.message().find("File too large") != std::string::npos
              ? 0
              : 1);
  }
  int ended = 0;
  ASSERT_EQ(waitpid(child, &ended, 0), child);
  EXPECT_EQ(ended, 0);
}

}  // namespace
}  // namespace fencepost
