// SPDX-License-Identifier: BSD-3-Clause
// A run that takes turns, and whoever gives them.
#include "harness/turns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engines/engine_table.h"
#include "harness/clock.h"
#include "harness/phase.h"
#include "workloads/properties.h"

namespace fencepost {
namespace {

// Counts operations, and does nothing.
class CountingEngine final : public Engine {
 public:
  Status Put(std::string_view, std::string_view) override { return Count(); }
  Status Get(std::string_view, ValueVisitor) override { return Count(); }
  Status Delete(std::string_view) override { return Count(); }
  Status Scan(std::string_view, size_t, PairVisitor) override { return Count(); }
  Status ForEach(PairVisitor) override { return Status::Ok(); }
  Status Apply(std::span<const Write>) override { return Count(); }
  Status Sync() override { return Status::Ok(); }
  Result<EngineStats> Stats() override { return EngineStats{}; }
  Result<AuditReport> Audit() override { return AuditReport{}; }
  Medium medium() const override { return Medium::kNone; }
  Status Close() override { return Status::Ok(); }

  uint64_t operations() const { return operations_.load(); }

 private:
  Status Count() {
    operations_.fetch_add(1);
    return Status::Ok();
  }

  std::atomic<uint64_t> operations_{0};
};

// Gives turns, each only after `pause`, until the run has said that it is over; sees that nothing
// is executed meanwhile.
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
        const uint64_t before = engine_.operations();
        std::this_thread::sleep_for(pause_);
        EXPECT_EQ(engine_.operations(), before);
        if (send(line_[0], &kGoOn, 1, MSG_NOSIGNAL) != 1) break;
      }
      close(line_[0]);
    });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  const std::string& heard() const { return heard_; }
  CountingEngine* engine() { return &engine_; }

 private:
  const std::chrono::milliseconds pause_;
  std::array<int, 2> line_{};
  CountingEngine engine_;
  std::string heard_;
  std::thread thread_;
};

WorkloadSpec Spec(const std::vector<std::string>& settings) {
  Properties properties;
  for (const char* setting :
       {"recordcount=100", "operationcount=1000000000", "fieldcount=1", "fieldlength=16",
        "readproportion=0.5", "updateproportion=0.5", "fencepost.verify=off"}) {
    CHECK_OK(properties.Set(setting));
  }
  for (const std::string& setting : settings) CHECK_OK(properties.Set(setting));
  return ParseWorkload(properties).value();
}

PhaseResult RunOn(CountingEngine* engine, const WorkloadSpec& spec, TurnTaker* turns,
                  double max_run_s) {
  Clock::Calibrate();
  auto versions = VersionTable::Create(1 << 20, true, 0, spec.threads > 1).value();
  PhaseRequest request;
  request.engine = engine;
  request.row = FindEngine("blackhole").value();
  request.spec = &spec;
  request.versions = versions.get();
  request.pin_threads = false;
  request.max_run_s = max_run_s;
  request.turns = turns;
  return RunPhase(request).value();
}

TEST(Turns, TimeBetweenThemIsNotOfTheRun) {
  for (const char* threads : {"threadcount=1", "threadcount=3"}) {
    constexpr std::chrono::milliseconds kPause(4);
    constexpr double kRun = 0.05;
    TurnGiver giver(kPause);
    giver.Begin();
    PhaseResult result;
    {
      TurnTaker taker = giver.Taker(5);
      result = RunOn(giver.engine(), Spec({threads}), &taker, kRun);
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

// Traces that are written in pieces, or as one goes, or paced: pauses of both kinds meet.
TEST(Turns, EveryOperationIsExecutedOnce) {
  for (const std::string& how :
       {std::string("fencepost.trace_bytes=200K"), std::string("fencepost.trace=live"),
        std::string("target=2000000")}) {
    for (const char* threads : {"threadcount=1", "threadcount=3"}) {
      SCOPED_TRACE(how + " " + threads);
      TurnGiver giver(std::chrono::milliseconds(0));
      giver.Begin();
      const WorkloadSpec spec = Spec({how, threads, "operationcount=300000"});
      CountingEngine engine;
      const PhaseResult whole = RunOn(&engine, spec, nullptr, 0);
      {
        TurnTaker taker = giver.Taker(0.2);
        const PhaseResult in_turns = RunOn(giver.engine(), spec, &taker, 0);
        EXPECT_EQ(in_turns.operations, 300000u);
        EXPECT_EQ(in_turns.trace_hash, whole.trace_hash);
      }
      EXPECT_EQ(giver.engine()->operations(), engine.operations());
      giver.Join();
      EXPECT_GT(giver.heard().size(), 2u);
    }
  }
}

TEST(Turns, ARunWithoutAGiverGoesOn) {
  TurnGiver giver(std::chrono::milliseconds(0));
  giver.Begin(/*words=*/2);
  TurnTaker taker = giver.Taker(1);
  const PhaseResult result = RunOn(giver.engine(), Spec({"threadcount=2"}), &taker, 0.02);
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
