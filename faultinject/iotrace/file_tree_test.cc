// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/file_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <fstream>
#include <random>
#include <thread>

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using Kind = IoEvent::Kind;

class FileTreeTest : public testing::Test {
 protected:
  FileTreeTest() {
    std::string path = (fs::temp_directory_path() / "file_tree_test-XXXXXX").string();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    root_ = path;
  }
  ~FileTreeTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  fs::path root_;
};

IoEvent Create(InodeId inode, InodeId directory, std::string name,
               InodeType type = InodeType::kFile) {
  IoEvent event;
  event.kind = Kind::kCreate;
  event.inode = inode;
  event.directory = directory;
  event.name = std::move(name);
  event.type = type;
  return event;
}

IoEvent Named(Kind kind, InodeId inode, InodeId directory, std::string name) {
  IoEvent event = Create(inode, directory, std::move(name));
  event.kind = kind;
  return event;
}

IoEvent Moved(Kind kind, InodeId inode, std::string from, std::string to,
              InodeId replaced = kNoInode) {
  IoEvent event = Named(kind, inode, kRootInode, std::move(from));
  event.to_directory = kRootInode;
  event.to_name = std::move(to);
  event.replaced = replaced;
  return event;
}

IoEvent Write(InodeId inode, uint64_t offset, std::string data) {
  IoEvent event;
  event.kind = Kind::kWrite;
  event.inode = inode;
  event.offset = offset;
  event.data = std::move(data);
  return event;
}

IoEvent Ranged(Kind kind, InodeId inode, uint64_t offset, uint64_t length) {
  IoEvent event;
  event.kind = kind;
  event.inode = inode;
  event.offset = offset;
  event.length = length;
  return event;
}

FileTree Made(const std::vector<IoEvent>& events) {
  FileTree tree;
  for (const IoEvent& event : events) EXPECT_TRUE(tree.Apply(event).ok());
  return tree;
}

TEST(FileContent, IsWhatAStringIsUnderAnySequenceOfChanges) {
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    std::mt19937_64 random(seed);
    const auto draw = [&](uint64_t most) { return random() % (most + 1); };
    FileContent content;
    std::string expected;
    std::vector<std::pair<FileContent, std::string>> copies;
    for (int step = 0; step < 30; ++step) {
      // Around the edges of blocks, and now and then in another extent.
      const uint64_t offset = draw(3) * FileContent::kBlockBytes + draw(2) + draw(1) * 4095 +
                              (draw(20) == 0 ? 600'000 : 0);
      const uint64_t length = draw(1) == 0 ? draw(20) : draw(3 * FileContent::kBlockBytes);
      switch (draw(5)) {
        case 0:
        case 1: {
          const std::string data(length, static_cast<char>(draw(3)));
          content.Write(offset, data);
          if (data.empty()) break;
          expected.resize(std::max<size_t>(expected.size(), offset + length));
          expected.replace(offset, length, data);
          break;
        }
        case 2:
          content.Resize(offset);
          expected.resize(offset);
          break;
        case 3:
          content.Zero(offset, length);
          for (uint64_t i = offset; i < offset + length && i < expected.size(); ++i) {
            expected[i] = '\0';
          }
          break;
        case 4:
          if (offset + length > expected.size()) break;
          content.Collapse(offset, length);
          expected.erase(offset, length);
          break;
        default:
          if (offset > expected.size()) break;
          content.InsertHole(offset, length);
          expected.insert(offset, length, '\0');
      }
      if (draw(3) == 0) copies.emplace_back(content, expected);
    }
    copies.emplace_back(content, expected);
    for (const auto& [copy, bytes] : copies) {
      ASSERT_EQ(copy.bytes(), bytes.size()) << "seed " << seed;
      ASSERT_EQ(copy.Read(0, bytes.size()), bytes) << "seed " << seed;
      ASSERT_EQ(copy.Hash(), XXH3_64bits(bytes.data(), bytes.size())) << "seed " << seed;
      FileContent anew;
      anew.Write(0, bytes);
      ASSERT_EQ(copy, anew) << "seed " << seed;
      ASSERT_EQ(copy.QuickHash(), anew.QuickHash()) << "seed " << seed;
      for (const auto& [other, other_bytes] : copies) {
        std::string patched = other_bytes;
        patched.resize(bytes.size());
        copy.ForEachChange(other, [&](uint64_t offset, std::string_view change) {
          patched.replace(offset, change.size(), change);
        });
        ASSERT_EQ(patched, bytes) << "seed " << seed;
        ASSERT_EQ(copy == other, bytes == other_bytes);
        ASSERT_EQ(copy.QuickHash() == other.QuickHash(), bytes == other_bytes);
      }
    }
  }
}

TEST(FileContent, ZerosHashAsAHoleDoes) {
  FileContent zeros, hole, longer;
  zeros.Write(0, std::string(3 * FileContent::kBlockBytes, '\0'));
  hole.Resize(3 * FileContent::kBlockBytes);
  longer.Resize(3 * FileContent::kBlockBytes + 1);
  EXPECT_EQ(zeros, hole);
  EXPECT_EQ(zeros.QuickHash(), hole.QuickHash());
  EXPECT_NE(longer.QuickHash(), hole.QuickHash());
}

TEST(FileContent, WhatACutTookDoesNotComeBack) {
  FileContent content;
  content.Write(0, "secret");
  content.Resize(3);
  content.Resize(6);
  EXPECT_EQ(content.Read(0, 10), std::string("sec\0\0\0\0\0\0\0", 10));
}

TEST(FileTreeEvents, NamesMoveAsTheEventsSay) {
  const FileTree tree =
      Made({Create(1, 0, "a"), Create(2, 0, "b"), Named(Kind::kLink, 1, 0, "c"),
            Create(3, 0, "d", InodeType::kDirectory), Create(4, 3, "e"),
            Moved(Kind::kRename, 1, "a", "b", 2), Moved(Kind::kExchange, 1, "b", "d", 3),
            Named(Kind::kRemove, 4, 3, "e")});
  EXPECT_EQ(tree.inode(0).entries, (std::map<std::string, InodeId>{{"b", 3}, {"c", 1}, {"d", 1}}));
  EXPECT_TRUE(tree.inode(3).entries.empty());
  EXPECT_EQ(tree.Paths(), (std::map<InodeId, std::string>{{0, ""}, {1, "c"}, {3, "b"}}));
}

TEST(FileTreeEvents, AFileWithoutANameCanBeGivenOne) {
  FileTree tree = Made({Create(1, kNoInode, ""), Write(1, 0, "x")});
  const uint64_t without = tree.Hash();
  EXPECT_EQ(without, FileTree().Hash());
  ASSERT_TRUE(tree.Apply(Named(Kind::kLink, 1, 0, "a")).ok());
  EXPECT_EQ(tree.Hash(), Made({Create(7, 0, "a"), Write(7, 0, "x")}).Hash());
}

TEST(FileTreeEvents, WhatCannotHaveHappenedIsCorrupt) {
  const FileTree base = Made({Create(1, 0, "a"), Create(2, 0, "d", InodeType::kDirectory),
                              Create(3, 2, "in"), Write(1, 0, "x")});
  const std::vector<IoEvent> impossible = {
      Create(1, 0, "new"),
      Create(9, 0, "a"),
      Create(9, 1, "below a file"),
      Create(9, 8, "b"),
      Create(9, 0, ".."),
      Create(9, 0, "a/b"),
      Create(9, 0, ""),
      Named(Kind::kLink, 9, 0, "b"),
      Named(Kind::kRemove, 1, 0, "b"),
      Named(Kind::kRemove, 3, 0, "a"),
      Named(Kind::kRemove, 2, 0, "d"),
      Moved(Kind::kRename, 1, "a", "d"),
      Moved(Kind::kRename, 1, "a", "d", 3),
      Moved(Kind::kRename, 1, "b", "c"),
      Moved(Kind::kExchange, 1, "a", "b", 2),
      Write(9, 0, "x"),
      Write(2, 0, "x"),
      Write(1, UINT64_MAX, "x"),
      Ranged(Kind::kTruncate, 1, 0, UINT64_MAX),
      Ranged(Kind::kCollapse, 1, 1, 1),
      Ranged(Kind::kInsertHole, 1, 2, 1),
  };
  for (size_t i = 0; i < impossible.size(); ++i) {
    FileTree tree = base;
    EXPECT_EQ(tree.Apply(impossible[i]).code(), StatusCode::kCorrupt) << i;
  }
}

TEST(FileTreeHash, IsEqualForEqualTreesOfOtherInodes) {
  const FileTree one = Made({Create(1, 0, "a"), Write(1, 0, "x"), Named(Kind::kLink, 1, 0, "b")});
  const FileTree same = Made({Create(5, 0, "b"), Write(5, 0, "x"), Named(Kind::kLink, 5, 0, "a"),
                              Create(6, 0, "t"), Named(Kind::kRemove, 6, 0, "t")});
  EXPECT_EQ(one.Hash(), same.Hash());
}

TEST(FileTreeHash, TellsNamesTypesContentsTargetsAndLinksApart) {
  IoEvent link = Create(1, 0, "a", InodeType::kSymlink);
  link.data = "x";
  IoEvent other_link = link;
  other_link.data = "y";
  const std::vector<FileTree> trees = {
      FileTree(),
      Made({Create(1, 0, "a")}),
      Made({Create(1, 0, "b")}),
      Made({Create(1, 0, "a"), Write(1, 0, "x")}),
      Made({Create(1, 0, "a", InodeType::kDirectory)}),
      Made({link}),
      Made({other_link}),
      Made({Create(1, 0, "a"), Create(2, 0, "b")}),
      Made({Create(1, 0, "a"), Named(Kind::kLink, 1, 0, "b")}),
      Made({Create(1, 0, "a"), Create(2, 0, "b"), Named(Kind::kLink, 1, 0, "c")}),
      Made({Create(1, 0, "a"), Create(2, 0, "b"), Named(Kind::kLink, 2, 0, "c")}),
      Made({Create(1, 0, "a", InodeType::kDirectory), Create(2, 1, "b")}),
      Made({Create(1, 0, "a", InodeType::kDirectory), Create(2, 0, "b")}),
  };
  for (size_t i = 0; i < trees.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(trees[i].Hash(), trees[j].Hash()) << i << ' ' << j;
  }
}

TEST(FileTreeCopies, DoNotSeeEachOthersChanges) {
  FileTree tree = Made({Create(1, 0, "a"), Write(1, 0, std::string(10'000, 'x'))});
  const uint64_t before = tree.Hash();
  FileTree copy = tree;
  ASSERT_TRUE(copy.Apply(Write(1, 5000, "y")).ok());
  ASSERT_TRUE(copy.Apply(Create(2, 0, "b")).ok());
  EXPECT_EQ(tree.Hash(), before);
  EXPECT_NE(copy.Hash(), before);
  EXPECT_EQ(tree.inode(1).content.Read(5000, 1), "x");
}

TEST(FileTreeCopies, SayWhatTheyDoNotShare) {
  const FileTree tree = Made({Create(1, 0, "a"), Write(1, 0, std::string(1 << 20, 'x')),
                              Create(2, 0, "b"), Create(3, 0, "c")});
  FileTree copy = tree;
  EXPECT_TRUE(copy.Changed(tree).empty());
  ASSERT_TRUE(copy.Apply(Write(1, 9000, "y")).ok());
  ASSERT_TRUE(copy.Apply(Create(9, 2, "z")).code() == StatusCode::kCorrupt);
  copy.Add(9, {});
  EXPECT_EQ(copy.Changed(tree), (std::vector<InodeId>{1, 9}));
  EXPECT_EQ(tree.Changed(copy), (std::vector<InodeId>{1, 9}));
  std::vector<uint64_t> offsets;
  copy.inode(1).content.ForEachChange(
      tree.inode(1).content, [&](uint64_t offset, std::string_view) { offsets.push_back(offset); });
  EXPECT_EQ(offsets, std::vector<uint64_t>{8192});
}

TEST(FileTreeCopies, MayBeChangedInSeveralThreads) {
  const FileTree tree = Made({Create(1, 0, "a"), Write(1, 0, std::string(100'000, 'x'))});
  std::vector<uint64_t> hashes(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < hashes.size(); ++t) {
    threads.emplace_back([&hashes, t, copy = tree]() mutable {
      for (uint64_t i = 0; i < 100; ++i) {  // none is 'x'
        FileTree again = copy;
        EXPECT_TRUE(copy.Apply(Write(1, i * 499, std::string(1, static_cast<char>(i)))).ok());
        EXPECT_NE(again.Hash(), copy.Hash());
      }
      hashes[t] = copy.Hash();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const uint64_t hash : hashes) EXPECT_EQ(hash, hashes[0]);
}

TEST_F(FileTreeTest, WhatIsWrittenIsReadAgain) {
  IoEvent link = Create(4, 0, "link", InodeType::kSymlink);
  link.data = "nowhere";
  const FileTree tree =
      Made({Create(1, 0, "dir", InodeType::kDirectory), Create(2, 1, "file"),
            Write(2, 10, std::string(9000, 'x')), Named(Kind::kLink, 2, 0, "again"), link,
            Create(5, 0, "empty"), Create(6, 0, "hole"), Ranged(Kind::kTruncate, 6, 0, 1 << 20),
            Write(6, 500'000, "y")});
  ASSERT_TRUE(tree.WriteTo(root_).ok());
  Result<FileTree> read = FileTree::Read(root_);
  ASSERT_TRUE(read.ok()) << read.message();
  EXPECT_EQ(read->Hash(), tree.Hash());
  EXPECT_EQ(read->Paths(),
            (std::map<InodeId, std::string>{
                {0, ""}, {1, "again"}, {2, "dir"}, {3, "empty"}, {4, "hole"}, {5, "link"}}));
  struct stat status;
  ASSERT_EQ(stat((root_ / "hole").c_str(), &status), 0);
  EXPECT_LE(status.st_blocks * 512, 64 << 10) << "the hole was filled";
  // A name that is there already is not overwritten.
  EXPECT_EQ(tree.WriteTo(root_).code(), StatusCode::kIoError);
}

TEST_F(FileTreeTest, AFileSystemOfOtherThingsIsRefusedByName) {
  ASSERT_EQ(mkfifo((root_ / "pipe").c_str(), 0600), 0);
  const Result<FileTree> read = FileTree::Read(root_);
  EXPECT_EQ(read.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(read.message().find("pipe"), std::string::npos);
  EXPECT_EQ(FileTree::Read(root_ / "absent").status().code(), StatusCode::kIoError);
  std::ofstream(root_ / "file") << "x";
  EXPECT_EQ(FileTree::Read(root_ / "file").status().code(), StatusCode::kInvalidArgument);
}

TEST_F(FileTreeTest, ADirectoryWithTwoNamesIsNotWritten) {
  FileTree tree = Made({Create(1, 0, "a", InodeType::kDirectory)});
  tree.mutable_inode(0).entries["b"] = 1;
  EXPECT_EQ(tree.WriteTo(root_).code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace fencepost
