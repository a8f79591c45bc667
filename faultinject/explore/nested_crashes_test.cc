// SPDX-License-Identifier: BSD-3-Clause
// Crashes inside recovery: what `reads` sees of them, against a brute force that tries every state
// of every crash of the run and, from each, every state of every crash of the recovery.
#include "faultinject/explore/nested_crashes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <random>
#include <set>

#include "faultinject/explore/explorer_test_util.h"
#include "faultinject/watch/watch_test_util.h"

namespace fencepost {
namespace {

constexpr size_t kPoolBytes = 4096;

// What a recovery works on.
class Medium {
 public:
  virtual ~Medium() = default;
  virtual uint64_t Load8(uint64_t at) = 0;
  virtual void Store8(uint64_t at, uint64_t value) = 0;
  virtual void Persist(uint64_t at) = 0;
};
using Recovery = std::function<std::string(Medium& medium)>;

// The image as a program maps it.
class MappedMedium : public Medium {
 public:
  explicit MappedMedium(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR);
    base_ =
        static_cast<uint8_t*>(mmap(nullptr, kPoolBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    CHECK(base_ != MAP_FAILED);
  }
  ~MappedMedium() override { munmap(base_, kPoolBytes); }
  MappedMedium(const MappedMedium&) = delete;
  MappedMedium& operator=(const MappedMedium&) = delete;

  uint64_t Load8(uint64_t at) override { return *reinterpret_cast<volatile uint64_t*>(base_ + at); }
  void Store8(uint64_t at, uint64_t value) override {
    *reinterpret_cast<volatile uint64_t*>(base_ + at) = value;
  }
  void Persist(uint64_t /*at*/) override {}

 private:
  uint8_t* base_;
};

// The same in memory, and a trace of it.
class TracedMedium : public Medium {
 public:
  TracedMedium(std::string image, fpt_writer* writer) : image_(std::move(image)), writer_(writer) {}

  uint64_t Load8(uint64_t at) override { return NumberAt(image_, at); }
  void Store8(uint64_t at, uint64_t value) override {
    std::memcpy(image_.data() + at, &value, sizeof(value));
    fpt_store(writer_, 1, TestRun::kBase + at, &value, sizeof(value), 0, 0);
  }
  void Persist(uint64_t at) override {
    fpt_flush(writer_, 1, TestRun::kBase + at, 1, FPT_FLUSH_CLWB, 0);
    fpt_fence(writer_, 1, FPT_FENCE_SFENCE, 0);
  }

 private:
  std::string image_;
  fpt_writer* const writer_;
};

// Runs the recovery itself, in place of a process under the tool.
class FunctionTracer : public RecoveryTracer {
 public:
  explicit FunctionTracer(Recovery recovery) : recovery_(std::move(recovery)) {}

  Result<std::filesystem::path> Trace(const std::vector<std::string>& paths) override {
    ++times_;
    MemoryTrace trace;
    fpt_file(trace.writer(), 7, paths.front().c_str());
    fpt_map(trace.writer(), 1, 7, TestRun::kBase, kPoolBytes, 0, FPT_MAP_FOUND);
    fpt_op_begin(trace.writer(), 1, 1);
    TracedMedium medium(ReadFile(paths.front()), trace.writer());
    recovery_(medium);
    fpt_op_end(trace.writer(), 1, 1);
    const std::vector<uint8_t>& bytes = trace.Finish();
    WriteFile(folder_.path() / "trace", {bytes.begin(), bytes.end()});
    return folder_.path() / "trace";
  }
  uint64_t times() const { return times_; }

 private:
  const Recovery recovery_;
  TemporaryFolder folder_;
  uint64_t times_ = 0;
};

// --- the brute force ----------------------------------------------------------------------------

class StringImage : public DurableImage {
 public:
  explicit StringImage(std::string* bytes) : bytes_(bytes) {}
  void ReadLine(LineId line, LineBytes* bytes) const override {
    std::memcpy(bytes->data(), bytes_->data() + line.number * kLineBytes, kLineBytes);
  }
  void WriteLine(LineId line, const LineBytes& bytes) override {
    std::memcpy(bytes_->data() + line.number * kLineBytes, bytes.data(), kLineBytes);
  }

 private:
  std::string* const bytes_;
};

// visit(image) for each state that a crash may leave now.
template <typename Visit>
void ForEachState(const Px86& model, const std::string& durable, const Visit& visit) {
  std::vector<std::pair<LineId, std::vector<LineState>>> lines;
  for (const auto& [id, line] : model.lines()) {
    lines.emplace_back(id, *line.States(Px86::kMaxComparedChoices));
  }
  const auto choose = [&](const auto& self, size_t next, std::string image) -> void {
    if (next == lines.size()) return visit(image);
    for (const LineState& state : lines[next].second) {
      std::memcpy(image.data() + lines[next].first.number * kLineBytes, state.bytes.data(),
                  kLineBytes);
      self(self, next + 1, image);
    }
  };
  choose(choose, 0, durable);
}

// Calls `crash` at each moment at which the recovery may crash, with each image that it may leave.
class ModelMedium : public Medium {
 public:
  using Crash = std::function<void(const std::string& image)>;
  ModelMedium(const std::string& image, Crash crash)
      : durable_(image),
        seen_(image),
        image_(&durable_),
        model_({}, &image_),
        crash_(std::move(crash)) {}

  uint64_t Load8(uint64_t at) override { return NumberAt(seen_, at); }
  void Store8(uint64_t at, uint64_t value) override {
    std::memcpy(seen_.data() + at, &value, sizeof(value));
    model_.Store({++events_, 1, 0}, 1, at,
                 {reinterpret_cast<const uint8_t*>(&value), sizeof(value)},
                 Px86::StoreKind::kCached);
  }
  void Persist(uint64_t at) override {
    model_.Flush({++events_, 1, 0}, 1, at, 1, Px86::FlushKind::kWeak);
    CrashHere();
    model_.Fence({++events_, 1, 0});
  }
  void CrashHere() { ForEachState(model_, durable_, crash_); }

 private:
  std::string durable_, seen_;
  StringImage image_;
  Px86 model_;
  const Crash crash_;
  uint64_t events_ = 0;
};

std::string AnswerOf(const Recovery& recovery, const std::string& image, bool crash_too,
                     std::set<std::string>* answers) {
  ModelMedium medium(image, [&](const std::string& left) {
    if (crash_too) answers->insert(AnswerOf(recovery, left, /*crash_too=*/false, answers));
  });
  const std::string answer = recovery(medium);
  medium.CrashHere();
  return answer;
}

// --- random programs and recoveries -------------------------------------------------------------

constexpr uint64_t kLines = 2, kWords = 3;

// No two stores have the same value, and none is an address.
uint64_t Unique(uint64_t state) { return state | uint64_t{1} << 63; }

// Goes where a hash of what it has read sends it, stores and persists on the way.
std::string Wander(Medium& medium, uint64_t seed) {
  uint64_t state = seed;
  for (uint64_t step = 0; step < 8; ++step) {
    std::mt19937_64 next(state * 8 + step);
    const uint64_t at = next() % kLines * kLineBytes + next() % kWords * 8;
    switch (next() % 4) {
      case 0:
        medium.Store8(at, Unique(next()));
        break;
      case 1:
        medium.Persist(at);
        break;
      default:
        state = state * 31 + medium.Load8(at) + 1;
    }
  }
  return fmt::format("{:x}", state);
}

void RunRandomProgram(TestRun& run, std::mt19937_64& random) {
  const uint64_t events = random() % 8 + 2;
  for (uint64_t i = 0; i < events; ++i) {
    const uint64_t at = random() % kLines * kLineBytes + random() % kWords * 8;
    switch (random() % 6) {
      case 0:
        run.Flush(at);
        break;
      case 1:
        run.Fence();
        break;
      default:
        run.Store8(at, random() % 3);
    }
  }
  run.Finish();
}

class NestedCrashesTest : public ExplorerTest {
 protected:
  void SetUp() override {
    if (!CanWatch()) GTEST_SKIP() << "sanitized, or no filter of calls allowed";
  }

  Result<ExploreResult> Explored(TestRun& run, const Recovery& recovery, RecoveryTracer* tracer) {
    seen_.clear();
    TraceFile trace = run.Trace();
    const TraceSurvey survey = *SurveyTrace(&trace);
    FunctionRecoverer recoverer([&](const std::vector<std::string>& paths, const std::string&) {
      MappedMedium medium(paths.front());
      return recovery(medium);
    });
    FunctionJudge judge([this](const CrashPoint& point, const Outcome& outcome) {
      seen_[point.index].insert(outcome.answer);
      return verdict_(point, outcome);
    });
    ExploreOptions options = Options("reads");
    options.tracer = tracer;
    return fencepost::Explore(*run.recording(), &trace, survey, options, Pool(2), &recoverer,
                              &judge, {});
  }
  // The answers of recoveries and of recoveries after crashes of recoveries, by crash point.
  static std::map<uint64_t, std::set<std::string>> ByBruteForce(TestRun& run,
                                                                const Recovery& recovery) {
    std::map<uint64_t, std::set<std::string>> answers;
    TraceFile trace = run.Trace();
    const TraceSurvey survey = *SurveyTrace(&trace);
    ImageSet images = *InitialImages(*run.recording(), &trace);
    TraceWalk walk(&trace, survey, {}, &images);
    while (const std::optional<CrashPoint> point = walk.Next()) {
      const std::vector<uint8_t>& bytes = images.files().at(TestRun::kFile).bytes;
      ForEachState(walk.model(), {bytes.begin(), bytes.end()}, [&](const std::string& image) {
        std::set<std::string>& here = answers[point->index];
        here.insert(AnswerOf(recovery, image, /*crash_too=*/true, &here));
      });
    }
    return answers;
  }

  std::map<uint64_t, std::set<std::string>> seen_;
};

TEST_F(NestedCrashesTest, TheSameAnswersAsByBruteForce) {
  verdict_ = [](const CrashPoint&, const Outcome&) { return std::vector<Finding>{}; };
  uint64_t more = 0;
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    TestRun run;
    RunRandomProgram(run, random);
    const Recovery recovery = [seed](Medium& medium) { return Wander(medium, seed); };
    const auto expected = ByBruteForce(run, recovery);
    FunctionTracer tracer(recovery);
    const Result<ExploreResult> result = Explored(run, recovery, &tracer);
    ASSERT_TRUE(result.ok()) << result.status().message();
    ASSERT_EQ(seen_, expected);
    EXPECT_TRUE(result->every_state);
    EXPECT_EQ(result->traced_recoveries, tracer.times());
    more += result->nested_recoveries;
  }
  // Crashes of recoveries did lead elsewhere.
  EXPECT_GT(more, 100u);
}

constexpr uint64_t kBalance = 0, kLog = 64;  // what is to be added, or 0

// Adds what the log says, and clears it: twice, if it crashes in between.
std::string AddAndClear(Medium& medium) {
  if (const uint64_t added = medium.Load8(kLog); added != 0) {
    medium.Store8(kBalance, medium.Load8(kBalance) + added);
    medium.Persist(kBalance);
    medium.Store8(kLog, 0);
    medium.Persist(kLog);
  }
  return fmt::format("{}", medium.Load8(kBalance));
}

TEST_F(NestedCrashesTest, ARecoveryThatCannotBeRepeatedIsFoundByASecondCrashOnly) {
  TestRun run;
  run.Store8(kLog, 100);
  run.Persist(kLog);
  run.Finish();
  verdict_ = [](const CrashPoint&, const Outcome& outcome) {
    if (outcome.answer == "0" || outcome.answer == "100") return std::vector<Finding>{};
    return std::vector<Finding>{Found("balance", outcome.answer)};
  };
  const Result<ExploreResult> once = Explored(run, AddAndClear, nullptr);
  ASSERT_TRUE(once.ok()) << once.status().message();
  EXPECT_TRUE(once->groups.empty());
  FunctionTracer tracer(AddAndClear);
  const Result<ExploreResult> twice = Explored(run, AddAndClear, &tracer);
  ASSERT_TRUE(twice.ok()) << twice.status().message();
  ASSERT_FALSE(twice->groups.empty());
  const FindingGroup& group = twice->groups.front();
  EXPECT_EQ(group.finding.message, "200");
  ASSERT_TRUE(group.second.has_value());
  EXPECT_EQ(group.second->before, CrashPoint::Before::kFence);
  EXPECT_EQ(group.second->first_answer, "100");
  // The state is one that a replay can start from.
  EXPECT_EQ(
      NumberAt(
          std::string(group.state.at({1, 0}).bytes.begin(), group.state.at({1, 0}).bytes.end()), 0),
      100u);
}

TEST_F(NestedCrashesTest, ARecoveryThatStoresOtherThingsWhenItIsTracedIsRefused) {
  TestRun run;
  run.Store8(kLog, 100);
  run.Persist(kLog);
  run.Finish();
  verdict_ = [](const CrashPoint&, const Outcome&) { return std::vector<Finding>{}; };
  FunctionTracer tracer([](Medium& medium) {
    medium.Store8(kBalance, 17);
    return std::string();
  });
  const Result<ExploreResult> result = Explored(run, AddAndClear, &tracer);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().message().find("something else when it was traced"),
            std::string_view::npos);
}

TEST_F(NestedCrashesTest, RecoveriesThatDoTheSameAreTracedOnce) {
  TestRun run;
  for (uint64_t line = 2; line < 8; ++line) run.Store8(line * 64, 1);
  run.Finish();
  // Reads much, and always stores the same.
  const Recovery recovery = [](Medium& medium) {
    uint64_t sum = 0;
    for (uint64_t line = 2; line < 8; ++line) sum += medium.Load8(line * 64);
    medium.Store8(kBalance, 1);
    medium.Persist(kBalance);
    return fmt::format("{}", sum);
  };
  verdict_ = [](const CrashPoint&, const Outcome&) { return std::vector<Finding>{}; };
  FunctionTracer tracer(recovery);
  const Result<ExploreResult> result = Explored(run, recovery, &tracer);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(tracer.times(), 1u);
  EXPECT_EQ(result->nested_recoveries, 0u);
  EXPECT_EQ(result->nested_states, 64u * result->nested_points / 64);
}

}  // namespace
}  // namespace fencepost
