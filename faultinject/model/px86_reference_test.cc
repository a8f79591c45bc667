// SPDX-License-Identifier: BSD-3-Clause
// The model against a brute-force enumeration of the rules, on random traces.
#include "faultinject/model/px86_reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "faultinject/model/px86_test_util.h"

namespace fencepost {
namespace {

using reference::Event;
using reference::kFileBytes;
using reference::kLines;

constexpr uint32_t kFile = 3;
constexpr uint64_t kFirstLine = 1000;
constexpr size_t kMostChoices = 2048;
static_assert(kMostChoices <= Px86::kMaxComparedChoices);

// What the traces have met, so that a generator gone dull fails.
struct Coverage {
  int crash_points = 0, too_many = 0, undecided_lines = 0, mixed = 0, torn = 0, non_temporal = 0;
  int foreign_flush = 0, durable_behind = 0, same_content = 0, many_pending = 0;
  int shrinks = 0, drains_in_vain = 0, drains_nothing = 0;
};

std::string AsString(const LineBytes& bytes) { return {bytes.begin(), bytes.end()}; }

using Contents = std::vector<std::set<std::string>>;  // line by line

class Comparison {
 public:
  Comparison(const Px86Options& options, uint64_t seed, Coverage* coverage)
      : random_(seed),
        rules_{options.tearing == Tearing::kLine, options.eadr},
        file_(reference::AnyBytes(random_, kFileBytes, seed % 2 == 0)),
        model_(options, &image_),
        coverage_(coverage) {
    for (int line = 0; line < kLines; ++line) {
      LineBytes bytes;
      std::copy_n(file_.begin() + 64 * line, 64, bytes.begin());
      image_.WriteLine(Id(line), bytes);
    }
    const int count = reference::Draw(random_, 1, 36);
    for (int i = 0; i < count; ++i) {
      trace_.push_back(reference::AnyEvent(random_, seed % 2 == 0));
    }
  }

  void Run() {
    for (const Event& event : trace_) {
      if (random_() % 6 == 0) CheckCrashPoint();
      Tell(event);
      done_.push_back(event);
    }
    CheckCrashPoint();
  }

  std::string Describe() const {
    return reference::Describe(done_) + "crash here, the initial contents were\n" +
           reference::Describe({{Event::kStore, 0, 0, kFileBytes, file_}});
  }

 private:
  static LineId Id(int line) { return {kFile, kFirstLine + static_cast<uint64_t>(line)}; }
  static uint64_t Offset(const Event& e) {
    return kFirstLine * 64 + static_cast<uint64_t>(e.offset);
  }

  void Tell(const Event& e) {
    const Px86::By by = {done_.size() + 1, static_cast<uint32_t>(e.thread), 0};
    const auto length = static_cast<uint64_t>(e.length);
    const std::span<const uint8_t> bytes = {reinterpret_cast<const uint8_t*>(e.bytes.data()),
                                            e.bytes.size()};
    switch (e.kind) {
      case Event::kStore:
        return model_.Store(by, kFile, Offset(e), bytes, Px86::StoreKind::kCached);
      case Event::kNtStore:
        return model_.Store(by, kFile, Offset(e), bytes, Px86::StoreKind::kNonTemporal);
      case Event::kLocked:
        model_.Fence(by);
        return model_.Store(by, kFile, Offset(e), bytes, Px86::StoreKind::kAtomic);
      case Event::kClwb:
        return model_.Flush(by, kFile, Offset(e), length, Px86::FlushKind::kWeak);
      case Event::kClflush:
        return model_.Flush(by, kFile, Offset(e), length, Px86::FlushKind::kClflush);
      case Event::kFence:
        return model_.Fence(by);
      case Event::kSync:
        return model_.Sync(kFile, Offset(e), length);
    }
  }

  bool Shrinks(const Event& e) const {
    const auto length = static_cast<uint64_t>(e.length);
    if (e.kind == Event::kFence) return model_.FenceShrinks(static_cast<uint32_t>(e.thread));
    if (e.kind == Event::kSync) return model_.SyncShrinks(kFile, Offset(e), length);
    return model_.ClflushShrinks(kFile, Offset(e), length);
  }

  void CheckCrashPoint() {
    Contents contents;
    std::vector<size_t> choices;
    size_t undecided = 0;
    for (int line = 0; line < kLines; ++line) {
      const reference::Line expected(rules_, file_, done_, line, kMostChoices);
      if (expected.too_many()) {
        ++coverage_->too_many;
        return;
      }
      contents.push_back(expected.contents());
      choices.push_back(expected.choices());
      undecided += expected.undecided();
    }
    ++coverage_->crash_points;
    if (undecided >= 10) ++coverage_->many_pending;
    for (int line = 0; line < kLines; ++line) {
      const auto at = static_cast<size_t>(line);
      CheckLine(line, contents[at], choices[at]);
    }
    CheckShrinks(contents, choices);
  }

  void CheckLine(int number, const std::set<std::string>& contents, size_t choices) {
    const auto found = model_.lines().find(Id(number));
    if (found == model_.lines().end()) {
      EXPECT_EQ(contents, std::set<std::string>{AsString(image_.Line(Id(number)))});
      EXPECT_EQ(choices, 1u);
      return;
    }
    const Px86Line& line = found->second;
    ASSERT_TRUE(line.undecided());
    EXPECT_FALSE(line.pending()[0].durable);
    EXPECT_EQ(line.RawStates(), static_cast<double>(choices));
    EXPECT_NEAR(line.Log10RawStates(), std::log10(choices), 1e-9);
    EXPECT_FALSE(line.States(choices - 1).has_value());
    const auto states = line.States(choices);
    ASSERT_TRUE(states.has_value());
    std::set<std::string> seen;
    for (const LineState& state : *states) {
      EXPECT_TRUE(seen.insert(AsString(state.bytes)).second) << "twice";
      CheckNames(line, image_.Line(Id(number)), state);
    }
    EXPECT_EQ(seen, contents);
    EXPECT_EQ(states->front().bytes, line.Oldest().bytes);
    const bool one = line.Newest().bytes == line.Oldest().bytes;
    EXPECT_EQ((one ? states->front() : states->back()).bytes, line.Newest().bytes);
    CheckStrategies(line, contents);
    Count(line, *states, choices);
  }

  // What the state says of the stores gives its bytes.
  static void CheckNames(const Px86Line& line, LineBytes bytes, const LineState& state) {
    EXPECT_EQ(state.survived & state.torn, 0u);
    bool prefix_ended = false;
    for (size_t i = 0; i < line.pending().size(); ++i) {
      const PendingStore& store = line.pending()[i];
      const bool whole = (state.survived >> i & 1) != 0;
      const bool torn = (state.torn >> i & 1) != 0;
      EXPECT_TRUE(whole || !store.durable);
      EXPECT_FALSE(torn && store.atomic);
      if (!store.non_temporal) {
        EXPECT_FALSE(prefix_ended && (whole || torn));
        prefix_ended = prefix_ended || !whole;
      }
      if (whole) std::copy_n(store.contents.begin(), store.bytes, bytes.begin() + store.begin);
    }
    EXPECT_LE(std::bit_width(state.survived | state.torn), line.pending().size());
    if (state.torn == 0) {
      EXPECT_EQ(bytes, state.bytes);
    }
  }

  void CheckStrategies(const Px86Line& line, const std::set<std::string>& contents) {
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(contents.contains(AsString(line.Sample(random_).bytes)));
      const uint64_t event = random_() % (done_.size() + 2);
      EXPECT_TRUE(contents.contains(AsString(line.BeforeEvent(event).bytes))) << event;
      EXPECT_TRUE(contents.contains(AsString(line.SinceEvent(event).bytes))) << event;
    }
  }

  void Count(const Px86Line& line, const std::vector<LineState>& states, size_t choices) {
    ++coverage_->undecided_lines;
    if (line.mixed()) ++coverage_->mixed;
    if (states.size() < choices) ++coverage_->same_content;
    const auto any_state = [&](auto has) { return std::any_of(states.begin(), states.end(), has); };
    if (any_state([](const LineState& s) { return s.torn != 0; })) ++coverage_->torn;
    const auto any = [&](auto has) {
      return std::any_of(line.pending().begin(), line.pending().end(), has);
    };
    if (any([](const PendingStore& s) { return s.non_temporal && !s.durable; })) {
      ++coverage_->non_temporal;
    }
    if (any([](const PendingStore& s) { return s.durable; })) ++coverage_->durable_behind;
    if (any([](const PendingStore& s) {
          return s.flush_event != 0 && s.flush_thread != s.thread && !s.durable;
        })) {
      ++coverage_->foreign_flush;
    }
  }

  // Every event that could drain something now: it shrinks the states if brute force finds fewer.
  void CheckShrinks(const Contents& now, const std::vector<size_t>& choices) {
    std::vector<Event> next;
    for (int thread = 0; thread < 3; ++thread) next.push_back({Event::kFence, thread, 0, 0, ""});
    for (const Event::Kind kind : {Event::kClflush, Event::kSync}) {
      const int length = reference::Draw(random_, 1, 80);
      next.push_back({kind, 0, reference::Draw(random_, 0, kFileBytes - length), length, ""});
    }
    for (const Event& event : next) {
      std::vector<Event> then = done_;
      then.push_back(event);
      bool fewer_choices = false;
      bool fewer = false;
      for (int line = 0; line < kLines; ++line) {
        const reference::Line after(rules_, file_, then, line, kMostChoices);
        const auto at = static_cast<size_t>(line);
        fewer_choices = fewer_choices || after.choices() < choices[at];
        fewer = fewer || after.contents() != now[at];
      }
      EXPECT_EQ(Shrinks(event), fewer) << "before\n" << reference::Describe({event});
      ++(fewer           ? coverage_->shrinks
         : fewer_choices ? coverage_->drains_in_vain
                         : coverage_->drains_nothing);
    }
  }

  std::mt19937_64 random_;
  const reference::Rules rules_;
  const std::string file_;
  MemoryImage image_;
  Px86 model_;
  Coverage* const coverage_;
  std::vector<Event> trace_;
  std::vector<Event> done_;
};

Coverage Compare(const Px86Options& options, uint64_t traces) {
  Coverage coverage;
  for (uint64_t seed = 1; seed <= traces; ++seed) {
    Comparison comparison(options, seed, &coverage);
    comparison.Run();
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "seed " << seed << '\n' << comparison.Describe();
      break;
    }
  }
  return coverage;
}

void ExpectOften(int count, int of, double share, const char* what) {
  EXPECT_GE(count, of * share) << what << ": " << count << " of " << of;
}

TEST(Px86Reference, WithTearingByEightBytesTheStatesAreThoseOfBruteForce) {
  const Coverage c = Compare({}, 2000);
  ExpectOften(c.crash_points, c.crash_points + c.too_many, 0.5, "crash points");
  ExpectOften(c.undecided_lines, 2 * c.crash_points, 0.5, "undecided lines");
  ExpectOften(c.many_pending, c.crash_points, 0.05, "ten stores and more pending");
  ExpectOften(c.mixed, c.undecided_lines, 0.1, "mixed");
  ExpectOften(c.torn, c.undecided_lines, 0.2, "torn");
  ExpectOften(c.non_temporal, c.undecided_lines, 0.1, "non-temporal");
  ExpectOften(c.foreign_flush, c.undecided_lines, 0.1, "foreign flush");
  ExpectOften(c.durable_behind, c.undecided_lines, 0.02, "durable behind undecided");
  ExpectOften(c.same_content, c.undecided_lines, 0.1, "choices of the same content");
  ExpectOften(c.shrinks, c.crash_points, 0.5, "shrinks");
  ExpectOften(c.drains_in_vain, c.crash_points, 0.02, "drains in vain");
}

TEST(Px86Reference, WithTearingByLineTheStatesAreThoseOfBruteForce) {
  const Coverage c = Compare({.tearing = Tearing::kLine}, 1500);
  ExpectOften(c.crash_points, c.crash_points + c.too_many, 0.9, "crash points");
  ExpectOften(c.undecided_lines, 2 * c.crash_points, 0.5, "undecided lines");
  ExpectOften(c.mixed, c.undecided_lines, 0.1, "mixed");
  ExpectOften(c.non_temporal, c.undecided_lines, 0.1, "non-temporal");
  ExpectOften(c.durable_behind, c.undecided_lines, 0.02, "durable behind undecided");
  ExpectOften(c.shrinks, c.crash_points, 0.5, "shrinks");
  EXPECT_EQ(c.torn, 0);
}

TEST(Px86Reference, WithEadrTheStatesAreThoseOfBruteForce) {
  for (const Tearing tearing : {Tearing::kEightBytes, Tearing::kLine}) {
    const Coverage c = Compare({tearing, true}, 1000);
    ExpectOften(c.crash_points, c.crash_points + c.too_many, 0.5, "crash points");
    ExpectOften(c.undecided_lines, c.crash_points, 0.3, "undecided lines");
    ExpectOften(c.durable_behind, c.undecided_lines, 0.1, "durable behind undecided");
    ExpectOften(c.shrinks, c.crash_points, 0.2, "shrinks");
    ExpectOften(c.drains_in_vain, c.crash_points, 0.02, "drains in vain");
    EXPECT_EQ(c.foreign_flush, 0);
  }
}

}  // namespace
}  // namespace fencepost
