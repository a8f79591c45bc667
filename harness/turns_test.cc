// SPDX-License-Identifier: BSD-3-Clause
// A run that takes turns, and whoever gives them.
#include "harness/turns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "engines/engine_table.h"
#include "harness/clock.h"
#include "harness/phase.h"
#include "workloads/properties.h"

namespace fencepost {
namespace {

// Gives turns, each only after `pause`, until the run has said that it is over.
class TurnGiver {
 public:
  explicit TurnGiver(std::chrono::milliseconds pause) : pause_(pause) {
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, line_.data()) == 0);
  }
  ~TurnGiver() { Join(); }

  TurnTaker Taker(double turn_ms) const {
    return TurnTaker::Parse(fmt::format("{},{}", line_[1], turn_ms)).value();
  }
  // Hangs up after that many words.
  void Begin(size_t words = SIZE_MAX) {
    thread_ = std::thread([this, words] {
      char word = 0;
      while (heard_.size() < words && recv(line_[0], &word, 1, 0) == 1) {
        heard_ += word;
        std::this_thread::sleep_for(pause_);
        if (send(line_[0], &kGoOn, 1, MSG_NOSIGNAL) != 1) break;
      }
      close(line_[0]);
    });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  const std::string& heard() const { return heard_; }

 private:
  const std::chrono::milliseconds pause_;
  std::array<int, 2> line_{};
  std::string heard_;
  std::thread thread_;
};

WorkloadSpec Spec(const std::string& threads, const std::string& operations) {
  Properties properties;
  for (const std::string& setting :
       {std::string("recordcount=100"), "operationcount=" + operations, "threadcount=" + threads,
        std::string("fieldcount=1"), std::string("fieldlength=16"),
        std::string("readproportion=0.5"), std::string("updateproportion=0.5")}) {
    CHECK_OK(properties.Set(setting));
  }
  return ParseWorkload(properties).value();
}

PhaseResult RunOnNothing(const WorkloadSpec& spec, TurnTaker* turns, double max_run_s) {
  Clock::Calibrate();
  const EngineRow* const row = FindEngine("blackhole").value();
  EngineOptions options;
  options.durability = Durability::kNone;
  auto engine = OpenEngine(*row, options).value();
  auto versions = VersionTable::Create(1 << 20, true, 0, spec.threads > 1).value();
  PhaseRequest request;
  request.engine = engine.get();
  request.row = row;
  request.spec = &spec;
  request.versions = versions.get();
  request.pin_threads = false;
  request.max_run_s = max_run_s;
  request.turns = turns;
  return RunPhase(request).value();
}

TEST(Turns, TimeBetweenThemIsNotOfTheRun) {
  for (const char* threads : {"1", "3"}) {
    constexpr std::chrono::milliseconds kPause(4);
    constexpr double kRun = 0.05;
    TurnGiver giver(kPause);
    giver.Begin();
    PhaseResult result;
    {
      TurnTaker taker = giver.Taker(5);
      result = RunOnNothing(Spec(threads, "1000000000"), &taker, kRun);
    }
    giver.Join();
    // One before the first turn, one after each but the last, one at the end.
    const std::string& heard = giver.heard();
    ASSERT_GE(heard.size(), 6u) << threads;
    EXPECT_EQ(heard, std::string(heard.size() - 1, kTurnIsOver) + kRunIsOver) << threads;
    EXPECT_GE(result.run_s, kRun) << threads;
    const double between_s =
        std::chrono::duration<double>(kPause).count() * static_cast<double>(heard.size() - 2);
    EXPECT_GE(result.wall_s - result.run_s, between_s * 0.99) << threads;
  }
}

TEST(Turns, EveryOperationIsExecutedOnce) {
  for (const char* threads : {"1", "3"}) {
    TurnGiver giver(std::chrono::milliseconds(0));
    giver.Begin();
    const WorkloadSpec spec = Spec(threads, "300000");
    const PhaseResult whole = RunOnNothing(spec, nullptr, 0);
    {
      TurnTaker taker = giver.Taker(0.2);
      const PhaseResult in_turns = RunOnNothing(spec, &taker, 0);
      EXPECT_EQ(in_turns.operations, 300000u);
      EXPECT_EQ(in_turns.trace_hash, whole.trace_hash);
    }
    giver.Join();
    EXPECT_GT(giver.heard().size(), 2u);
  }
}

TEST(Turns, ARunWithoutAGiverGoesOn) {
  TurnGiver giver(std::chrono::milliseconds(0));
  giver.Begin(/*words=*/2);
  TurnTaker taker = giver.Taker(1);
  const PhaseResult result = RunOnNothing(Spec("2", "1000000000"), &taker, 0.02);
  giver.Join();
  EXPECT_EQ(giver.heard(), std::string(2, kTurnIsOver));
  EXPECT_FALSE(result.partial);
  EXPECT_GE(result.run_s, 0.02);
}

TEST(Turns, OnlyASocketAndATimeAreALine) {
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  for (const std::string& words : {std::string(), std::string("none"), std::string("5"),
                                   std::string("99999,5"), fmt::format("{},5", file)}) {
    const auto taker = TurnTaker::Parse(words);
    EXPECT_EQ(taker.status().code(), StatusCode::kInvalidArgument) << words;
  }
  std::array<int, 2> line;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, line.data()), 0);
  for (const char* turn : {"0", "-1", "nan", "5x"}) {
    EXPECT_FALSE(TurnTaker::Parse(fmt::format("{},{}", line[1], turn)).ok()) << turn;
  }
  const TurnTaker taker = TurnTaker::Parse(fmt::format("{},2.5", line[1])).value();
  EXPECT_DOUBLE_EQ(taker.turn_s(), 0.0025);
  close(line[0]);
  close(file);
}

}  // namespace
}  // namespace fencepost
