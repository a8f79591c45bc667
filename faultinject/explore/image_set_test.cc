// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/image_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

constexpr uint32_t kFile = 1;

// 150 bytes: two lines and a part of a third.
class ImageSetTest : public ::testing::Test {
 protected:
  static constexpr size_t kBytes = 150;

  ImageSet Open(uint32_t file = kFile) {
    std::string initial(kBytes, '\0');
    for (size_t i = 0; i < kBytes; ++i) initial[i] = static_cast<char>('a' + i % 26);
    WriteFile(folder_.path() / "initial", initial);
    ImageSet images;
    EXPECT_TRUE(images.AddFile(file, "/pool", folder_.path() / "initial").ok());
    return images;
  }
  // What the hash should be: that of an image set which was made with these contents.
  ImageHash FreshHash(const ImageSet& images) {
    ImageSet fresh;
    for (const auto& [number, file] : images.files()) {
      WriteFile(folder_.path() / "fresh", {file.bytes.begin(), file.bytes.end()});
      EXPECT_TRUE(fresh.AddFile(number, file.path, folder_.path() / "fresh").ok());
    }
    return fresh.hash();
  }

  TemporaryFolder folder_;
};

LineBytes Filled(char with) {
  LineBytes bytes;
  bytes.fill(static_cast<uint8_t>(with));
  return bytes;
}

TEST_F(ImageSetTest, HashIsThatOfTheContentsHoweverTheyCameAbout) {
  std::mt19937_64 random(20240501);
  for (int round = 0; round < 25; ++round) {
    ImageSet images = Open();
    for (int change = 0; change < 12; ++change) {
      const uint64_t offset = random() % 400;
      switch (random() % 4) {
        case 0:
          images.WriteLine({kFile, random() % 4}, Filled(static_cast<char>(random() % 3)));
          break;
        case 1: {
          std::vector<uint8_t> bytes(random() % 100, static_cast<uint8_t>(random() % 2));
          images.WriteBytes(kFile, offset, bytes);
          break;
        }
        case 2:
          images.WriteZeros(kFile, offset, random() % 200);
          break;
        default:
          images.Resize(kFile, offset);
      }
      ASSERT_EQ(images.hash(), FreshHash(images)) << "round " << round << ", change " << change;
    }
  }
}

TEST_F(ImageSetTest, OrderOfWritesDoesNotMatterToTheHash) {
  ImageSet one = Open(), other = Open();
  one.WriteLine({kFile, 0}, Filled('x'));
  one.WriteLine({kFile, 1}, Filled('y'));
  other.WriteLine({kFile, 1}, Filled('z'));
  other.WriteLine({kFile, 1}, Filled('y'));
  other.WriteLine({kFile, 0}, Filled('x'));
  EXPECT_EQ(one.hash(), other.hash());
  EXPECT_NE(one.hash(), Open().hash());
}

TEST_F(ImageSetTest, SameLineElsewhereIsAnotherHash) {
  const LineBytes bytes = Filled('x');
  EXPECT_NE(HashOfLine({1, 0}, bytes), HashOfLine({1, 1}, bytes));
  EXPECT_NE(HashOfLine({1, 0}, bytes), HashOfLine({2, 0}, bytes));
  EXPECT_NE(HashOfLine({0, 0}, bytes), HashOfLine({256, 0}, bytes));
  EXPECT_EQ(HashOfLine({1, 0}, LineBytes{}), ImageHash{});
}

TEST_F(ImageSetTest, LongerByZerosIsAnotherHash) {
  ImageSet images = Open();
  const ImageHash before = images.hash();
  images.Resize(kFile, 4096);
  EXPECT_NE(images.hash(), before);
  images.Resize(kFile, kBytes);
  EXPECT_EQ(images.hash(), before);
}

TEST_F(ImageSetTest, CutBytesComeBackAsZeros) {
  ImageSet images = Open();
  images.Resize(kFile, 70);
  images.Resize(kFile, kBytes);
  const std::vector<uint8_t>& bytes = images.files().at(kFile).bytes;
  ASSERT_EQ(bytes.size(), kBytes);
  EXPECT_EQ(bytes[69], 'a' + 69 % 26);
  EXPECT_TRUE(std::all_of(bytes.begin() + 70, bytes.end(), [](uint8_t byte) { return byte == 0; }));
}

TEST_F(ImageSetTest, BytesBeyondTheEndAreDropped) {
  ImageSet images = Open();
  images.WriteLine({kFile, 2}, Filled('x'));
  images.WriteLine({kFile, 3}, Filled('x'));
  EXPECT_EQ(images.files().at(kFile).bytes.size(), kBytes);
  LineBytes line;
  images.ReadLine({kFile, 2}, &line);
  EXPECT_EQ(line[kBytes - 128 - 1], 'x');
  EXPECT_EQ(line[kBytes - 128], 0);
  EXPECT_EQ(line, images.InFile({kFile, 2}, Filled('x')));
  EXPECT_EQ(images.InFile({kFile, 3}, Filled('x')), LineBytes{});
  EXPECT_EQ(images.changes(), 1u);
}

TEST_F(ImageSetTest, AnUnknownFileIsNotMade) {
  ImageSet images = Open();
  const ImageHash before = images.hash();
  images.WriteLine({7, 0}, Filled('x'));
  images.Resize(7, 100);
  EXPECT_EQ(images.files().size(), 1u);
  EXPECT_EQ(images.hash(), before);
}

TEST_F(ImageSetTest, AFileNamedTwiceIsThereOnce) {
  ImageSet images = Open();
  const ImageHash before = images.hash();
  images.WriteLine({kFile, 0}, Filled('x'));
  ASSERT_TRUE(images.AddFile(kFile, "/pool", folder_.path() / "initial").ok());
  EXPECT_EQ(images.files().at(kFile).bytes[0], 'x');
  EXPECT_NE(images.hash(), before);
}

TEST_F(ImageSetTest, JournalHasEachChangeAndForgets) {
  ImageSet images = Open();
  images.WriteLine({kFile, 1}, Filled('x'));
  images.WriteLine({kFile, 1}, Filled('x'));  // no change
  images.WriteLine({kFile, 0}, Filled('y'));
  ASSERT_EQ(images.changes(), 2u);
  EXPECT_EQ(images.ChangesSince(0)[0], (LineId{kFile, 1}));
  EXPECT_EQ(images.ChangesSince(1)[0], (LineId{kFile, 0}));
  images.ForgetBefore(1);
  EXPECT_EQ(images.changes(), 2u);
  ASSERT_EQ(images.ChangesSince(1).size(), 1u);
  EXPECT_EQ(images.ChangesSince(1)[0], (LineId{kFile, 0}));
  EXPECT_TRUE(images.ChangesSince(2).empty());
}

TEST_F(ImageSetTest, AMissingFileIsAnIoError) {
  ImageSet images;
  EXPECT_EQ(images.AddFile(kFile, "/pool", folder_.path() / "none").code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace fencepost
