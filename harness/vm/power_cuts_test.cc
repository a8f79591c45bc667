// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/power_cuts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/vm/hex_text.h"

namespace fencepost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Cuts, AreThoseThatAreNamedInTheirOrder) {
  EXPECT_THAT(ParseCuts("panic,kill").value(), ElementsAre(Cut::kPanic, Cut::kKill));
  const std::vector<Cut> all = ParseCuts("all").value();
  EXPECT_THAT(all, ElementsAre(Cut::kKill, Cut::kFreeze, Cut::kPanic, Cut::kRecovery));
  for (const Cut cut : all) {
    EXPECT_THAT(ParseCuts(CutName(cut)).value(), ElementsAre(cut));
  }
}

TEST(Cuts, OfAnotherNameTwiceOrNoneAreRefused) {
  for (const char* text : {"", "kill,", ",kill", "kill,kill", "thunder", "all,kill", "Kill"}) {
    const Result<std::vector<Cut>> cuts = ParseCuts(text);
    EXPECT_EQ(cuts.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(cuts.message()), HasSubstr("--cut=" + std::string(text)));
  }
}

TEST(HexText, AnyBytesComeBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(BytesOfHex(HexText(bytes)).value(), bytes);
  EXPECT_EQ(HexText("\x0f\xf0"), "0ff0");
  EXPECT_EQ(BytesOfHex("").value(), "");
}

TEST(HexText, WhatIsNoneIsRefused) {
  for (const char* text : {"0", "0g", "0F", "0x"}) {
    EXPECT_EQ(BytesOfHex(text).status().code(), StatusCode::kCorrupt) << text;
  }
}

// What GuestHost::Make says of these settings, before it needs QEMU or a kernel.
std::string Refusal(const GuestSettings& settings) {
  const Result<GuestHost> host = GuestHost::Make(settings);
  return host.ok() ? "" : std::string(host.message());
}

TEST(GuestHost, SizesAndFileSystemsThatAGuestCannotHaveAreRefused) {
  GuestSettings settings;
  settings.file_system = "ntfs";
  EXPECT_THAT(Refusal(settings), HasSubstr("--fs=ntfs"));
  settings = {};
  for (const uint64_t mib : {0, 16, 40, 70000}) {
    settings.pmem_mib = mib;
    EXPECT_THAT(Refusal(settings), HasSubstr("--pmem=")) << mib;
  }
  settings = {};
  for (const uint64_t mib : {0, 319, 70000}) {
    settings.disk_mib = mib;
    EXPECT_THAT(Refusal(settings), HasSubstr("--disk=")) << mib;
  }
}

}  // namespace
}  // namespace fencepost
