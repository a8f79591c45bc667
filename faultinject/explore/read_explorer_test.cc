// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/read_explorer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>

#include "faultinject/explore/explorer_test_util.h"
#include "faultinject/watch/watch_test_util.h"

namespace fencepost {
namespace {

constexpr size_t kPoolBytes = 4096;

// The image, mapped by the recovery as a program would.
class Mapped {
 public:
  explicit Mapped(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR);
    base_ =
        static_cast<uint8_t*>(mmap(nullptr, kPoolBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    CHECK(base_ != MAP_FAILED);
  }
  ~Mapped() { munmap(base_, kPoolBytes); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  uint8_t Load(uint64_t at) const { return reinterpret_cast<volatile uint8_t*>(base_)[at]; }
  uint64_t Load8(uint64_t at) const { return *reinterpret_cast<volatile uint64_t*>(base_ + at); }
  void Store8(uint64_t at, uint64_t value) const {
    *reinterpret_cast<volatile uint64_t*>(base_ + at) = value;
  }

 private:
  uint8_t* base_;
};

class ReadExplorerTest : public ExplorerTest {
 protected:
  using Recovery = std::function<std::string(const Mapped& image)>;

  void SetUp() override {
    if (!CanWatch()) GTEST_SKIP() << "sanitized, or no filter of calls allowed";
    verdict_ = [](const CrashPoint&, const Outcome&) { return std::vector<Finding>{}; };
  }

  Result<ExploreResult> Explored(TestRun& run, const ExploreOptions& options,
                                 const Recovery& recovery, unsigned workers = 1) {
    seen_.clear();
    TraceFile trace = run.Trace();
    const TraceSurvey survey = *SurveyTrace(&trace);
    FunctionRecoverer recoverer([&](const std::vector<std::string>& paths, const std::string&) {
      return recovery(Mapped(paths.front()));
    });
    FunctionJudge judge([this](const CrashPoint& point, const Outcome& outcome) {
      seen_[point.index].insert(outcome.answer);
      return verdict_(point, outcome);
    });
    return fencepost::Explore(*run.recording(), &trace, survey, options, Pool(workers), &recoverer,
                              &judge, {});
  }

  std::map<uint64_t, std::set<std::string>> seen_;  // answers by crash point
};

std::string FlagAndValue(const Mapped& image) {
  const uint64_t flag = image.Load8(kFlag);
  return flag == 0 ? "nothing" : fmt::format("{} {}", flag, image.Load8(kValue));
}

TEST_F(ReadExplorerTest, OnlyWhatRecoveryReadsIsBranchedOn) {
  TestRun run;
  // Ten lines that nobody reads: 2^10 states.
  for (uint64_t line = 10; line < 20; ++line) run.Store8(line * 64, 1);
  run.Store8(kValue, 1);
  run.Store8(kFlag, 1);
  run.Finish();
  const Result<ExploreResult> result = Explored(run, Options("reads"), FlagAndValue);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->every_state);
  EXPECT_NEAR(result->log10_raw_states, 12 * std::log10(2), 1e-9);
  // Flag 0; flag 1 with value 0 and with value 1. And a check of one of them, perhaps.
  EXPECT_EQ(result->states, 3u);
  EXPECT_LE(result->recoveries, 6u);
  EXPECT_EQ(seen_[0], (std::set<std::string>{"nothing", "1 0", "1 1"}));
}

TEST_F(ReadExplorerTest, CrashPointsShareRecoveries) {
  TestRun run;
  RunFlagProgram(run, Order::kValueFirst);
  const Result<ExploreResult> all = Explored(run, Options("all"), FlagAndValue);
  const auto by_all = seen_;
  const Result<ExploreResult> reads = Explored(run, Options("reads"), FlagAndValue);
  ASSERT_TRUE(reads.ok()) << reads.status().message();
  EXPECT_EQ(seen_, by_all);
  EXPECT_EQ(reads->outcomes, all->outcomes);
  EXPECT_EQ(reads->explored_points, reads->crash_points);
}

// Goes where a hash of what it has read sends it, and writes on the way.
std::string Wander(const Mapped& image, uint64_t seed) {
  uint64_t state = seed;
  for (int step = 0; step < 12; ++step) {
    std::mt19937_64 next(state);
    const uint64_t line = next() % 4, offset = next() % 57;
    switch (next() % 6) {
      case 0:
        image.Store8(line * 64 + offset / 8 * 8, next() % 3);
        break;
      case 1:
        return fmt::format("{:x}", state);
      case 2:
        state = state * 31 + image.Load(line * 64 + offset) + 1;
        break;
      default:
        state = state * 31 + image.Load8(line * 64 + offset) + 1;
    }
  }
  return fmt::format("{:x}", state);
}

void RunRandomProgram(TestRun& run, std::mt19937_64& random) {
  const uint64_t events = random() % 14 + 3;
  for (uint64_t i = 0; i < events; ++i) {
    const uint64_t line = random() % 4, word = random() % 8;
    switch (random() % 8) {
      case 0:
        run.Flush(line * 64);
        break;
      case 1:
        run.Fence();
        break;
      case 2:
        run.Store(line * 64 + word / 2 * 16,
                  std::string(16, static_cast<char>('a' + random() % 3)));
        break;
      default:
        run.Store8(line * 64 + word * 8, random() % 3);
    }
  }
  run.Finish();
}

TEST_F(ReadExplorerTest, TheSameOutcomesAsOfEveryStateWhateverRecoveryReads) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    TestRun run;
    RunRandomProgram(run, random);
    const Recovery recovery = [seed](const Mapped& image) { return Wander(image, seed); };
    const Result<ExploreResult> all = Explored(run, Options("all"), recovery);
    ASSERT_TRUE(all.ok()) << all.status().message();
    const auto by_all = seen_;
    const Result<ExploreResult> reads = Explored(run, Options("reads"), recovery, 2);
    ASSERT_TRUE(reads.ok()) << reads.status().message();
    EXPECT_EQ(seen_, by_all);
    EXPECT_TRUE(reads->every_state);
    EXPECT_EQ(reads->outcomes, all->outcomes);
  }
}

TEST_F(ReadExplorerTest, WhatKillsItIsAnOutcomeLikeOthers) {
  TestRun run;
  run.Store8(kValue, 1);
  run.Store8(kFlag, 1);
  run.Finish();
  const Result<ExploreResult> result = Explored(run, Options("reads"), [](const Mapped& image) {
    if (image.Load8(kFlag) > image.Load8(kValue)) *static_cast<volatile char*>(nullptr) = 1;
    return std::string("fine");
  });
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->outcomes, 2u);
  EXPECT_EQ(result->states, 4u);
}

TEST_F(ReadExplorerTest, WhatFailsIsNotExploredToItsEnd) {
  TestRun run;
  // 4^8 states, each of which recovery can tell from all others, and most of which fail.
  for (uint64_t value = 1; value < 4; ++value) {
    for (uint64_t line = 0; line < 8; ++line) run.Store8(line * 64, value);
  }
  run.Finish();
  verdict_ = [](const CrashPoint&, const Outcome& outcome) {
    if (outcome.answer == "0") return std::vector<Finding>{};
    return std::vector<Finding>{Found("wrong", outcome.answer)};
  };
  const Result<ExploreResult> result = Explored(run, Options("reads"), [](const Mapped& image) {
    uint64_t all = 0;
    for (uint64_t line = 0; line < 8; ++line) all = all * 4 + image.Load8(line * 64);
    return fmt::format("{}", all);
  });
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->groups.size(), 1u);
  EXPECT_FALSE(result->every_state);
  EXPECT_LT(result->explored_points, result->crash_points);
  EXPECT_GT(result->recoveries, 300u);
  EXPECT_LT(result->recoveries, 1000u);
}

TEST_F(ReadExplorerTest, WhatCannotBeWatchedIsRefusedWithTheReason) {
  TestRun run;
  run.Store8(kValue, 1);
  run.Finish();
  const Result<ExploreResult> threads = Explored(run, Options("reads"), [](const Mapped&) {
    pthread_t thread;
    pthread_create(
        &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
    pthread_join(thread, nullptr);
    return std::string();
  });
  ASSERT_FALSE(threads.ok());
  EXPECT_NE(threads.status().message().find("starts a thread"), std::string_view::npos);
}

TEST_F(ReadExplorerTest, ARecoveryThatDependsOnMoreThanItReadsIsRefused) {
  TestRun run;
  for (uint64_t line = 0; line < 40; ++line) run.Store8(line * 64, 1);
  run.Finish();
  // Unlike itself from one time to the next.
  const Result<ExploreResult> result = Explored(run, Options("reads"), [](const Mapped& image) {
    static uint64_t times = 0;
    uint64_t sum = 0;
    for (uint64_t line = 0; line < 6; ++line) sum += image.Load8(line * 64);
    return fmt::format("{} {}", sum, ++times);
  });
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().message().find("not deterministic"), std::string_view::npos);
}

TEST_F(ReadExplorerTest, ABudgetStopsAndTheRestGoesOnFromThere) {
  TestRun run;
  for (uint64_t i = 0; i < 200; ++i) {
    run.Store8(i % 8 * 64, i);
    run.Persist(i % 8 * 64);
  }
  run.Finish();
  const Recovery sum = [](const Mapped& image) {
    uint64_t all = 0;
    for (uint64_t line = 0; line < 8; ++line) all += image.Load8(line * 64);
    return fmt::format("{}", all);
  };
  const Result<ExploreResult> whole = Explored(run, Options("reads"), sum);
  const auto by_whole = seen_;
  ExploreOptions options = Options("reads");
  options.max_states = 100;
  const Result<ExploreResult> first = Explored(run, options, sum);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->recoveries, 100u);
  EXPECT_FALSE(first->every_state);
  EXPECT_LT(first->explored_points, first->crash_points);
  auto together = seen_;
  options.max_states = UINT64_MAX;
  options.first_point = first->next_point;
  const Result<ExploreResult> second = Explored(run, options, sum);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->explored_points + second->explored_points, whole->crash_points);
  for (const auto& [point, answers] : seen_) together[point].insert(answers.begin(), answers.end());
  EXPECT_EQ(together, by_whole);
}

}  // namespace
}  // namespace fencepost
