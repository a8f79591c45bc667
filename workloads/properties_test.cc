// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/properties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace fencepost {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class PropertiesTest : public ::testing::Test {
 protected:
  PropertiesTest() {
    char name[] = "/tmp/fencepost_properties_XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~PropertiesTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // The properties of one file with this text.
  Properties Load(const std::string& text) {
    Properties properties;
    CHECK_OK(properties.LoadFile(Write("p", text)));
    return properties;
  }

  std::filesystem::path directory_;
};

TEST_F(PropertiesTest, NameEndsAtEqualsColonOrBlank) {
  const Properties p = Load("a=1\nb:2\nc 3\n  d \t =  4\ne\n\\=f\\:\\ g=5\nh==6\ni = : 7\n");
  EXPECT_EQ(p.Get("a"), "1");
  EXPECT_EQ(p.Get("b"), "2");
  EXPECT_EQ(p.Get("c"), "3");
  EXPECT_EQ(p.Get("d"), "4");
  EXPECT_EQ(p.Get("e"), "");
  EXPECT_EQ(p.Get("=f: g"), "5");
  EXPECT_EQ(p.Get("h"), "=6");
  EXPECT_EQ(p.Get("i"), ": 7");
}

TEST_F(PropertiesTest, CommentsAndBlankLinesAreNothing) {
  const Properties p =
      Load("# a=1\n  ! b=2\n\n \t\f\nc=3 # not a comment\n# ends in backslash \\\nd=4");
  EXPECT_EQ(p.entries().size(), 2u);
  EXPECT_EQ(p.Get("c"), "3 # not a comment");
  EXPECT_EQ(p.Get("d"), "4");
}

TEST_F(PropertiesTest, AnOddBackslashContinuesTheLine) {
  const Properties p = Load("a=1,\\\n   2,\\\n\t3\nb=4\\\\\nc=5\\\n# 6\nd=7\\");
  EXPECT_EQ(p.Get("a"), "1,2,3");
  EXPECT_EQ(p.Get("b"), "4\\");
  EXPECT_EQ(p.Get("c"), "5# 6");
  EXPECT_EQ(p.Get("d"), "7");
}

TEST_F(PropertiesTest, AllLineEndsWork) {
  const Properties p = Load("a=1\r\nb=2\rc=3\\\r\n4\n\r\nd=5");
  EXPECT_EQ(p.Get("a"), "1");
  EXPECT_EQ(p.Get("b"), "2");
  EXPECT_EQ(p.Get("c"), "34");
  EXPECT_EQ(p.entries().at("d").origin, (directory_ / "p").string() + ":6");
}

TEST_F(PropertiesTest, EscapesAreResolved) {
  const Properties p = Load("a=\\t\\n\\q\\\\\nb=\\u0041\\u00e9\\u20AC\\ud83d\\ude00\n");
  EXPECT_EQ(p.Get("a"), "\t\nq\\");
  EXPECT_EQ(p.Get("b"), "A\u00e9\u20ac\U0001F600");
}

TEST_F(PropertiesTest, AMalformedLineIsNamedAndNothingIsLoaded) {
  Properties p;
  const auto path = Write("bad", "a=1\nb=\\u12G4\n");
  EXPECT_EQ(p.LoadFile(path).message(), path.string() + ":2: malformed \\uXXXX escape");
  EXPECT_TRUE(p.entries().empty());
  const auto nameless = Write("nameless", "\n\n= 3\n");
  EXPECT_EQ(p.LoadFile(nameless).message(), nameless.string() + ":3: '= 3' has no name");
}

TEST_F(PropertiesTest, UnreadableFilesAreNamed) {
  Properties p;
  EXPECT_THAT(std::string(p.LoadFile(directory_ / "absent").message()), EndsWith("/absent"));
  EXPECT_THAT(std::string(p.LoadFile(directory_).message()), HasSubstr("is a directory"));
  const auto binary = Write("binary", std::string("a=1\0b", 5));
  EXPECT_THAT(std::string(p.LoadFile(binary).message()), HasSubstr("not a text file"));
}

TEST_F(PropertiesTest, OptionsBeatFilesAndFilesBeatDefaultsInAnyOrder) {
  Properties p;
  ASSERT_TRUE(p.Set("a=option").ok());
  ASSERT_TRUE(p.LoadFile(Write("first", "a=first\nb=first\nc=first\n")).ok());
  ASSERT_TRUE(p.LoadFile(Write("second", "b=second\n")).ok());
  p.SetDefault("c", "default");
  p.SetDefault("d", "default");
  p.SetDefault("d", "late");
  EXPECT_EQ(p.Get("a"), "option");
  EXPECT_EQ(p.Get("b"), "second");
  EXPECT_EQ(p.Get("c"), "first");
  EXPECT_EQ(p.Get("d"), "default");
  ASSERT_TRUE(p.Set("a=again").ok());
  EXPECT_EQ(p.Get("a"), "again");
  EXPECT_EQ(p.entries().at("a").origin, "-p");
  EXPECT_EQ(p.last_file().filename(), "second");
  ASSERT_EQ(p.files().size(), 2u);
  EXPECT_EQ(p.files()[1].text, "b=second\n");
}

TEST(Properties, AnOptionNeedsANameAndEquals) {
  Properties p;
  EXPECT_EQ(p.Set("recordcount").message(), "-p recordcount: must be name=value");
  EXPECT_FALSE(p.Set("=5").ok());
  ASSERT_TRUE(p.Set("a=b=c").ok());
  EXPECT_EQ(p.Get("a"), "b=c");
}

TEST_F(PropertiesTest, ErrorsNameTheOrigin) {
  const Properties p = Load("\nrecordcount=abc\n");
  EXPECT_EQ(p.Uint64("recordcount", 0).message(),
            (directory_ / "p").string() + ":2: recordcount=abc: is not a whole number");
}

TEST(Properties, NumbersAreChecked) {
  Properties p;
  for (const char* setting :
       {"max=18446744073709551615", "over=18446744073709551616", "negative=-1",
        "empty=", "exponent=1e6", "blanks= 7 \t", "half=.5", "huge=1e999", "nan=nan", "word=x",
        "k=64K", "kb=64KB", "big=16777216T", "yes=TRUE", "maybe=maybe"}) {
    ASSERT_TRUE(p.Set(setting).ok());
  }
  EXPECT_EQ(*p.Uint64("max", 0), UINT64_MAX);
  EXPECT_THAT(std::string(p.Uint64("over", 0).message()), HasSubstr("does not fit"));
  EXPECT_THAT(std::string(p.Uint64("negative", 0).message()), HasSubstr("negative"));
  for (const char* name : {"empty", "exponent", "word"}) {
    EXPECT_FALSE(p.Uint64(name, 0).ok()) << name;
  }
  EXPECT_EQ(*p.Uint64("blanks", 0), 7u);
  EXPECT_EQ(*p.Uint64("absent", 9), 9u);
  EXPECT_EQ(*p.Double("half", 0), 0.5);
  EXPECT_EQ(*p.Double("exponent", 0), 1e6);
  for (const char* name : {"huge", "nan", "word", "empty"}) {
    EXPECT_FALSE(p.Double(name, 0).ok()) << name;
  }
  EXPECT_EQ(*p.Bytes("k", 0), 65536u);
  EXPECT_FALSE(p.Bytes("kb", 0).ok());
  EXPECT_THAT(std::string(p.Bytes("big", 0).message()), HasSubstr("does not fit"));
  EXPECT_TRUE(*p.Bool("yes", false));
  EXPECT_FALSE(p.Bool("maybe", false).ok());
  EXPECT_EQ(*p.String("blanks", ""), "7");
  EXPECT_EQ(p.Get("blanks"), " 7 \t");
}

TEST(Properties, UnreadAreThoseThatNobodyAskedFor) {
  Properties p;
  ASSERT_TRUE(p.Set("a=1").ok());
  ASSERT_TRUE(p.Set("b=2").ok());
  ASSERT_TRUE(p.Set("c=3").ok());
  p.SetDefault("d", "4");
  ASSERT_TRUE(p.Uint64("a", 0).ok());
  ASSERT_TRUE(p.Get("c"));
  const auto unread = p.Unread();
  ASSERT_EQ(unread.size(), 1u);
  EXPECT_EQ(unread[0].first, "b");
  EXPECT_EQ(unread[0].second.origin, "-p");
}

}  // namespace
}  // namespace fencepost
