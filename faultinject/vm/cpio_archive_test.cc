// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/cpio_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <map>

#include "faultinject/explore/scratch_folder.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;

struct Entry {
  uint32_t mode = 0;
  std::string contents;
};

// What the kernel would find, in its order. The format, read anew.
std::vector<std::pair<std::string, Entry>> Unpack(const std::string& bytes) {
  std::vector<std::pair<std::string, Entry>> entries;
  const auto field = [&](size_t at, int number) {
    return std::stoul(bytes.substr(at + 6 + static_cast<size_t>(number) * 8, 8), nullptr, 16);
  };
  for (size_t at = 0;;) {
    EXPECT_EQ(bytes.substr(at, 6), "070701") << "at " << at;
    const size_t size = field(at, 6), name_size = field(at, 11);
    const std::string name = bytes.substr(at + 110, name_size - 1);
    const size_t data = (at + 110 + name_size + 3) / 4 * 4;
    if (name == "TRAILER!!!") {
      EXPECT_EQ(data, bytes.size());
      return entries;
    }
    entries.push_back({name, {static_cast<uint32_t>(field(at, 1)), bytes.substr(data, size)}});
    at = (data + size + 3) / 4 * 4;
  }
}

class CpioArchiveTest : public testing::Test {
 protected:
  std::string Bytes() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path path() const { return scratch_->path() / "archive"; }

  Result<ScratchFolder> scratch_ = ScratchFolder::Make("/dev/shm");
};

TEST_F(CpioArchiveTest, FoldersComeBeforeWhatIsInThemAndOnce) {
  Result<CpioArchive> archive = CpioArchive::Create(path());
  ASSERT_TRUE(archive.ok());
  ASSERT_TRUE(archive->AddText("/a/b/one", "1").ok());
  ASSERT_TRUE(archive->AddText("/a/two", "22").ok());
  ASSERT_TRUE(archive->AddFolder("/a/b").ok());
  ASSERT_TRUE(archive->Finish().ok());
  EXPECT_THAT(Unpack(Bytes()), ElementsAre(Key("a"), Key("a/b"), Key("a/b/one"), Key("a/two")));
}

TEST_F(CpioArchiveTest, ContentsOfEveryLengthModesAndLinksAreAsTheyWereGiven) {
  Result<CpioArchive> archive = CpioArchive::Create(path());
  ASSERT_TRUE(archive.ok());
  for (size_t length = 0; length < 6; ++length) {
    ASSERT_TRUE(
        archive->AddText("/" + std::string(length + 1, 'n'), std::string(length, 'c')).ok());
  }
  ASSERT_TRUE(archive->AddLink("/link", "target/of/it").ok());
  ASSERT_TRUE(archive->Finish().ok());
  const auto entries = Unpack(Bytes());
  ASSERT_EQ(entries.size(), 7u);
  for (size_t length = 0; length < 6; ++length) {
    EXPECT_EQ(entries[length].second.contents, std::string(length, 'c'));
    EXPECT_EQ(entries[length].second.mode, static_cast<uint32_t>(S_IFREG | 0755));
  }
  EXPECT_EQ(entries[6].second.contents, "target/of/it");
  EXPECT_EQ(entries[6].second.mode & S_IFMT, static_cast<uint32_t>(S_IFLNK));
}

TEST_F(CpioArchiveTest, AFileIsCopiedAndOneThatIsNotThereIsNamed) {
  std::ofstream(scratch_->path() / "file") << std::string(70000, 'x');
  Result<CpioArchive> archive = CpioArchive::Create(path());
  ASSERT_TRUE(archive.ok());
  ASSERT_TRUE(archive->AddFile("/copy", scratch_->path() / "file").ok());
  const Status missing = archive->AddFile("/other", scratch_->path() / "none");
  EXPECT_EQ(missing.code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("none"));
  ASSERT_TRUE(archive->Finish().ok());
  EXPECT_EQ(Unpack(Bytes()).front().second.contents, std::string(70000, 'x'));
}

TEST_F(CpioArchiveTest, ADiskThatIsFullIsSaidToBe) {
  Result<CpioArchive> archive = CpioArchive::Create("/dev/full");
  ASSERT_TRUE(archive.ok());
  Status status = archive->AddText("/large", std::string(1 << 20, 'x'));
  if (status.ok()) status = archive->Finish();
  EXPECT_EQ(status.code(), StatusCode::kFull) << status.message();
}

}  // namespace
}  // namespace fencepost
