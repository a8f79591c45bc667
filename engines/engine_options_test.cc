// SPDX-License-Identifier: BSD-3-Clause
#include "engines/engine_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fencepost {
namespace {

using ::testing::HasSubstr;

TEST(ParseBytes, SuffixesArePowersOf1024) {
  EXPECT_EQ(*ParseBytes("0"), 0u);
  EXPECT_EQ(*ParseBytes("17"), 17u);
  EXPECT_EQ(*ParseBytes("3K"), 3072u);
  EXPECT_EQ(*ParseBytes("64M"), uint64_t{64} << 20);
  EXPECT_EQ(*ParseBytes("2T"), uint64_t{2} << 40);
}

TEST(ParseBytes, RefusesWhatIsNoNumber) {
  for (const char* text : {"", "M", "1MB", "-1", " 1", "1 ", "1.5G", "0x10", "1m"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
}

TEST(ParseBytes, RefusesOverflow) {
  EXPECT_TRUE(ParseBytes("18446744073709551615").ok());
  EXPECT_THAT(std::string(ParseBytes("18446744073709551616").message()), HasSubstr("64 bits"));
  EXPECT_THAT(std::string(ParseBytes("16777216T").message()), HasSubstr("64 bits"));
}

TEST(Tuning, UnknownNameIsAnErrorThatListsTheKnown) {
  constexpr OptionSpec kSpecs[] = {{"pool_bytes", "bytes", "auto", "size of the pool"}};
  const Tuning tuning("cmap", {{"pool_byte", "1G"}});
  const Status status = tuning.CheckNames(kSpecs);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "cmap.pool_byte: no such option; cmap has cmap.pool_bytes");
}

TEST(Tuning, MalformedValuesNameTheOption) {
  const Tuning tuning("lmdb", {{"map_bytes", "lots"}, {"x", "maybe"}, {"n", "9"}});
  EXPECT_THAT(std::string(tuning.Uint64("map_bytes", 1).message()), HasSubstr("lmdb.map_bytes"));
  EXPECT_THAT(std::string(tuning.Bool("x", true).message()), HasSubstr("lmdb.x=maybe"));
  EXPECT_THAT(std::string(tuning.Uint64("n", 1, 0, 8).message()), HasSubstr("from 0 to 8"));
  EXPECT_EQ(*tuning.Uint64("absent", 5), 5u);
}

}  // namespace
}  // namespace fencepost
