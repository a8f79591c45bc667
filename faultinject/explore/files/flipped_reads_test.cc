// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/flipped_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kText = "some bytes, and then their sum:";

char SumOf(const std::string& text) {
  unsigned sum = 0;
  for (const char c : text) sum = 31 * sum + static_cast<unsigned char>(c);
  return static_cast<char>(sum);
}

// `data-7`, with a sum of its bytes behind them, and `other`, which nobody reads.
FileTree TreeOfTwo() {
  FileTree tree;
  Inode data, other;
  data.content.Write(0, kText + std::string(1, SumOf(kText)));
  other.content.Write(0, "not read");
  tree.Add(1, data);
  tree.Add(2, other);
  tree.mutable_inode(kRootInode).entries = {{"data-7", 1}, {"other", 2}};
  return tree;
}

class FlippedReadsTest : public testing::Test {
 protected:
  // Reads `data-7`, and answers what it holds, or, if it checks, "refused" where the sum is wrong.
  Result<FlipResult> Explore(bool checks, FlipOptions options, const FileTree& tree = TreeOfTwo()) {
    FunctionRecoverer recoverer(
        [checks](const std::vector<std::string>& paths, const std::string&) -> std::string {
          std::string text = ReadFile(paths.front() + "/data-7");
          const char sum = text.back();
          text.pop_back();
          return checks && sum != SumOf(text) ? "refused" : text;
        });
    FunctionJudge judge([](const CrashPoint&, const Outcome& outcome) -> std::vector<Finding> {
      if (outcome.answer == kText || outcome.answer == "refused") return {};
      return {{.kind = "wrong", .subject = {}, .message = "wrong", .allowed = {}, .found = {}}};
    });
    options.is_refusal = [](const Outcome& outcome) { return outcome.answer == "refused"; };
    return ExploreFlippedReads(tree, options, {.workers = 2, .timeout_s = 60}, &recoverer, &judge,
                               {});
  }
};

TEST_F(FlippedReadsTest, WhatAChecksumCoversIsRefused) {
  const auto result = Explore(/*checks=*/true, {.count = 64});
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result->flipped, 64u);
  EXPECT_EQ(result->refused, 64u);
  EXPECT_EQ(result->failed, 0u);
  EXPECT_THAT(result->groups, IsEmpty());
}

TEST_F(FlippedReadsTest, WithoutALookAtItTheWrongBytesAreFound) {
  const auto result = Explore(/*checks=*/false, {.count = 64});
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result->refused, 0u);
  // All but those of the sum itself.
  EXPECT_GT(result->failed, 55u);
  EXPECT_LE(result->failed, 64u);
  ASSERT_EQ(result->groups.size(), 1u);
  const FlipGroup& group = result->groups.front();
  EXPECT_EQ(group.occurrences, result->failed);
  EXPECT_EQ(group.flipped.file, "data-7");
  FileTree tree = TreeOfTwo();
  ASSERT_TRUE(FlipIn(&tree, group.flipped).ok());
  const std::string now = tree.inode(1).content.Read(0, 100),
                    then = TreeOfTwo().inode(1).content.Read(0, 100);
  int bits = 0;
  for (size_t i = 0; i < then.size(); ++i) {
    bits += __builtin_popcount(static_cast<unsigned char>(now[i] ^ then[i]));
  }
  EXPECT_EQ(bits, 1);
}

TEST_F(FlippedReadsTest, OnlyWhatIsReadIsFlippedAndEachBitOnce) {
  const auto result = Explore(/*checks=*/true, {.count = 1'000'000});
  ASSERT_TRUE(result.ok()) << result.message();
  const uint64_t bytes = std::string(kText).size() + 1;
  if (result->unwatched.empty()) {  // a sanitized program cannot watch
    EXPECT_EQ(result->files, 1u);
    EXPECT_EQ(result->bytes_read, bytes);
    EXPECT_EQ(result->flipped, 8 * bytes);
  } else {
    EXPECT_EQ(result->files, 2u);
  }
  EXPECT_EQ(result->refused, 8 * bytes);
}

TEST_F(FlippedReadsTest, ASeedGivesTheSameBits) {
  const auto first_of = [&](uint64_t seed) {
    const auto result = Explore(/*checks=*/false, {.count = 5, .seed = seed});
    CHECK(result.ok() && !result->groups.empty());
    return result->groups.front().flipped;
  };
  EXPECT_EQ(first_of(3), first_of(3));
  std::set<std::string> others;
  for (uint64_t seed = 1; seed < 9; ++seed) others.insert(first_of(seed).Text());
  EXPECT_GT(others.size(), 3u);
}

TEST_F(FlippedReadsTest, FilesThatDoNotCountAreLeftAlone) {
  const auto result = Explore(/*checks=*/false, {.count = 10, .passed_over = {"data-*", "other"}});
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result->files, 0u);
  EXPECT_EQ(result->flipped, 0u);
}

TEST_F(FlippedReadsTest, AStoreThatIsBadAnywayShowsNothing) {
  FileTree tree = TreeOfTwo();
  CHECK(FlipIn(&tree, {.file = "data-7", .byte = 3, .bit = 1}).ok());
  for (const bool checks : {false, true}) {
    const auto result = Explore(checks, {.count = 10}, tree);
    EXPECT_EQ(result.status().code(), StatusCode::kCorrupt);
    EXPECT_THAT(std::string(result.message()), HasSubstr("not whole"));
  }
}

TEST_F(FlippedReadsTest, ItStopsWhereEnoughWasFound) {
  const auto result = Explore(/*checks=*/false, {.count = 200, .stop_after = 1});
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_LT(result->flipped, 200u);
  EXPECT_FALSE(result->stopped.empty());
}

TEST(FlippedBit, IsNoneWhereTheFileHasNoSuchByte) {
  FileTree tree = TreeOfTwo();
  for (const FlippedBit& bit : {FlippedBit{.file = "data-7", .byte = 4711, .bit = 0},
                                FlippedBit{.file = "nobody", .byte = 0, .bit = 0},
                                FlippedBit{.file = "other", .byte = 0, .bit = 8}}) {
    EXPECT_EQ(FlipIn(&tree, bit).code(), StatusCode::kCorrupt) << bit.Text();
  }
  EXPECT_EQ(tree.Hash(), TreeOfTwo().Hash());
  EXPECT_EQ((FlippedBit{.file = "a.log", .byte = 12, .bit = 3}.Text()),
            "bit 3 of byte 12 of a.log");
}

}  // namespace
}  // namespace fencepost
