// SPDX-License-Identifier: BSD-3-Clause
#include "harness/progress.h"

#include <gtest/gtest.h>

#include <memory>

namespace fencepost {
namespace {

class ProgressTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(out_, nullptr); }
  void TearDown() override { std::fclose(out_); }

  std::unique_ptr<Progress> Make(ProgressMode mode) {
    return std::make_unique<Progress>(out_, mode, [this] { return now_s_; });
  }

  std::string Output() {
    std::fflush(out_);
    std::string text(static_cast<size_t>(std::ftell(out_)), '\0');
    std::rewind(out_);
    EXPECT_EQ(std::fread(text.data(), 1, text.size(), out_), text.size());
    return text;
  }

  std::FILE* out_ = std::tmpfile();
  double now_s_ = 100;
};

TEST_F(ProgressTest, TimeLeftFollowsFromTheRateSoFar) {
  const auto progress = Make(ProgressMode::kLines);
  progress->Update(0, "load");
  now_s_ += 30;
  progress->Update(0.25, "run a");
  EXPECT_EQ(Output(), "  0%: load\n 25%, 1 min 30 s left: run a\n");
}

TEST_F(ProgressTest, TimeLeftThatIsKnownBetterIsTaken) {
  const auto progress = Make(ProgressMode::kLines);
  progress->Update(0, "step 1", 90);
  now_s_ += 30;
  progress->Update(0.5, "step 2", 45);
  EXPECT_EQ(Output(), "  0%, 1 min 30 s left: step 1\n 50%, 45 s left: step 2\n");
}

TEST_F(ProgressTest, PlainLinesComeEveryFewSecondsOnly) {
  const auto progress = Make(ProgressMode::kLines);
  for (int i = 0; i < 110; ++i) {
    progress->Update(0, "x");
    now_s_ += 0.1;
  }
  EXPECT_EQ(Output(), "  0%: x\n  0%: x\n  0%: x\n");
}

TEST_F(ProgressTest, InPlaceALineIsRedrawnAndClearedAtTheEnd) {
  auto progress = Make(ProgressMode::kInPlace);
  progress->Update(0, "one");
  progress->Update(0, "too soon");
  now_s_ += 1;
  progress->Update(0, "two");
  progress.reset();
  EXPECT_EQ(Output(), "\r  0%: one\033[K\r  0%: two\033[K\r\033[K");
}

TEST_F(ProgressTest, APrintedLineStaysAboveTheProgressLine) {
  const auto progress = Make(ProgressMode::kInPlace);
  progress->Update(0, "x");
  progress->Print("a result");
  EXPECT_EQ(Output(), "\r  0%: x\033[K\r\033[Ka result\n\r  0%: x\033[K");
}

TEST_F(ProgressTest, AfterFinishNothingIsDrawn) {
  auto progress = Make(ProgressMode::kInPlace);
  progress->Update(0.5, "x");
  progress->Finish("done");
  now_s_ += 10;
  progress->Update(0.9, "y");
  progress.reset();
  EXPECT_EQ(Output(), "\r 50%, 0 s left: x\033[K\r\033[Kdone\n");
}

TEST_F(ProgressTest, QuietSaysNothing) {
  auto progress = Make(ProgressMode::kQuiet);
  progress->Update(0.5, "x");
  progress->Print("y");
  progress->Finish("z");
  progress.reset();
  EXPECT_EQ(Output(), "");
}

TEST_F(ProgressTest, ALongLineIsCutToTheTerminal) {
  auto progress = Make(ProgressMode::kInPlace);
  progress->Update(0, std::string(500, 'x'));
  // A file has no width: 80 columns, and the last stays free.
  EXPECT_EQ(Output(), "\r" + ("  0%: " + std::string(500, 'x')).substr(0, 79) + "\033[K");
}

TEST_F(ProgressTest, AFileIsNoTerminal) {
  EXPECT_EQ(ProgressModeFor(out_, false), ProgressMode::kLines);
  EXPECT_EQ(ProgressModeFor(out_, true), ProgressMode::kQuiet);
}

TEST(FormatDuration, TakesTheUnitsThatMatter) {
  EXPECT_EQ(FormatDuration(0), "0 s");
  EXPECT_EQ(FormatDuration(59.4), "59 s");
  EXPECT_EQ(FormatDuration(59.6), "1 min 00 s");
  EXPECT_EQ(FormatDuration(200), "3 min 20 s");
  EXPECT_EQ(FormatDuration(7500), "2 h 05 min");
  EXPECT_EQ(FormatDuration(1e300), "999 h 00 min");
}

}  // namespace
}  // namespace fencepost
