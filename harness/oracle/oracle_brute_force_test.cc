// SPDX-License-Identifier: BSD-3-Clause
// The oracle against a checker that tries every order of every choice of operations. It shares no
// code with the oracle, and no idea: an epoch at a time, plain recursion.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "harness/oracle/oracle_test_util.h"

namespace fencepost {
namespace {

using Kind = HistoryOp::Kind;
using Outcome = HistoryOp::Outcome;

class BruteForce {
 public:
  BruteForce(const History& history, bool prefix, std::vector<uint64_t> crashes)
      : history_(history), prefix_(prefix), crashes_(std::move(crashes)) {}

  // Whether the last of the crashes may leave `contents`.
  bool Allows(const StoreContents& contents) {
    contents_ = contents;
    return Epoch(0, history_.initial);
  }

 private:
  struct Choice {
    const HistoryOp* op;
    bool must;
    bool taken = false;
  };

  bool Epoch(size_t epoch, const StoreContents& state) {
    if (epoch == crashes_.size()) return state == contents_;
    const uint64_t from = epoch == 0 ? 0 : crashes_[epoch - 1];
    const uint64_t crash = crashes_[epoch];
    uint64_t synced = from;
    std::vector<Choice> choices;
    for (const HistoryOp& op : history_.operations) {
      if (op.begin < from || op.begin >= crash) continue;
      const bool returned = op.end < crash;
      const bool done = returned && op.outcome == Outcome::kDone;
      if (op.kind == Kind::kSync) {
        if (done) synced = std::max(synced, op.begin);
      } else if (op.kind != Kind::kWrite) {
        if (done) choices.push_back({&op, true});
      } else if (!(returned && op.outcome == Outcome::kRefused)) {
        choices.push_back({&op, done});
      }
    }
    std::set<StoreContents> left;
    Orders(&choices, state, synced, {}, &left);
    return std::any_of(left.begin(), left.end(),
                       [&](const StoreContents& s) { return Epoch(epoch + 1, s); });
  }

  // Adds to `left` every state that the crash may leave. `kept`: those in the order so far that it
  // may go back to.
  void Orders(std::vector<Choice>* choices, const StoreContents& state, uint64_t synced,
              std::set<StoreContents> kept, std::set<StoreContents>* left) {
    const auto all_taken = [&](uint64_t ended_before) {
      return std::none_of(choices->begin(), choices->end(), [&](const Choice& c) {
        return c.must && !c.taken && c.op->end < ended_before;
      });
    };
    if (prefix_ && all_taken(synced)) kept.insert(state);
    if (all_taken(kNever)) {
      if (prefix_) left->insert(kept.begin(), kept.end());
      if (!prefix_) left->insert(state);
    }
    for (Choice& choice : *choices) {
      const HistoryOp& op = *choice.op;
      if (choice.taken || !all_taken(op.begin)) continue;
      StoreContents next = state;
      if (op.kind == Kind::kReadAll && op.contents != state) continue;
      if (op.kind == Kind::kRead) {
        const auto at = state.find(op.key);
        if ((at == state.end() ? MaybeValue() : MaybeValue(at->second)) != op.found) continue;
      }
      for (const KeyWrite& write : op.writes) {
        next.erase(write.key);
        if (write.value) next[write.key] = *write.value;
      }
      choice.taken = true;
      Orders(choices, next, synced, kept, left);
      choice.taken = false;
    }
  }

  const History& history_;
  bool prefix_;
  std::vector<uint64_t> crashes_;
  StoreContents contents_;
};

// A small store run by threads at random, mostly honest.
class RandomHistory {
 public:
  RandomHistory(uint64_t seed, bool lossy) : random_(seed), lossy_(lossy) {
    threads_ = 1 + Draw(3);
    keys_ = 1 + Draw(3);
    values_ = 2 + Draw(3);
    batches_ = Draw(2) == 0;
    read_alls_ = Draw(3) == 0;
    if (Draw(2) == 0) history.initial = RandomContents();
    store_ = history.initial;
    running_.assign(threads_, -1);
    const bool with_crash = Draw(2) == 0;
    const size_t operations = 1 + Draw(6);
    const size_t crash_after = with_crash ? Draw(operations + 1) : SIZE_MAX;
    while (history.operations.size() < operations || Draw(3) > 0) {
      if (crashes.empty() && history.operations.size() >= crash_after && Draw(2) == 0) Crash();
      const size_t thread = Draw(threads_);
      if (running_[thread] >= 0) {
        End(thread);
      } else if (history.operations.size() < operations) {
        Begin(thread);
      } else if (std::all_of(running_.begin(), running_.end(), [](int r) { return r < 0; })) {
        break;
      }
    }
    position_max = now_;
  }

  // What might be found after a crash at the end, often enough.
  StoreContents Recovered() {
    if (Draw(4) == 0) return RandomContents();
    StoreContents contents = lossy_ && !earlier_.empty() ? earlier_[Draw(earlier_.size())] : store_;
    if (Draw(4) == 0) contents.erase(Key());
    if (Draw(4) == 0) contents[Key()] = Value();
    return contents;
  }

  size_t Draw(size_t bound) { return random_() % bound; }

  History history;
  std::vector<PastCrash> crashes;
  uint64_t position_max = 0;

 private:
  std::string Key() { return std::string(1, static_cast<char>('a' + Draw(keys_))); }
  std::string Value() { return std::to_string(Draw(values_)); }

  StoreContents RandomContents() {
    StoreContents contents;
    for (size_t i = Draw(keys_ + 1); i > 0; --i) contents[Key()] = Value();
    return contents;
  }

  void Begin(size_t thread) {
    HistoryOp op = Op(Kind::kWrite, now_++, kNever);
    op.thread = static_cast<uint32_t>(thread);
    const size_t kind = Draw(8);
    if (kind == 0) {
      op.kind = Kind::kSync;
    } else if (kind <= 2) {
      op.kind = Kind::kRead;
      op.key = Key();
    } else if (kind == 3 && read_alls_) {
      op.kind = Kind::kReadAll;
    } else {
      const size_t writes = batches_ ? 1 + Draw(2) : 1;
      for (size_t i = 0; i < writes; ++i) {
        const std::string key = Key();
        if (i > 0 && key == op.writes[0].key) continue;
        op.writes.push_back({key, Draw(4) == 0 ? MaybeValue() : Value()});
      }
    }
    const size_t outcome = Draw(10);
    if (outcome == 0) op.outcome = Outcome::kRefused;
    if (outcome == 1) op.outcome = Outcome::kUnknown;
    running_[thread] = static_cast<int>(history.operations.size());
    history.operations.push_back(op);
    if (Draw(2) == 0) Effect(&history.operations.back());
  }

  void End(size_t thread) {
    HistoryOp& op = history.operations[static_cast<size_t>(running_[thread])];
    if (Draw(2) == 0) Effect(&op);  // mostly twice, or never: small lies
    Effect(&op);
    op.end = now_++;
    running_[thread] = -1;
  }

  void Effect(HistoryOp* op) {
    const auto at = store_.find(op->key);
    op->found = at == store_.end() ? MaybeValue() : MaybeValue(at->second);
    if (op->kind == Kind::kReadAll) op->contents = store_;
    if (op->kind == Kind::kRead && Draw(12) == 0) op->found = Value();
    if (op->kind == Kind::kSync) earlier_.clear();
    if (op->outcome == Outcome::kRefused && Draw(8) > 0) return;
    if (op->outcome == Outcome::kUnknown && Draw(2) == 0) return;
    for (const KeyWrite& write : op->writes) {
      store_.erase(write.key);
      if (write.value) store_[write.key] = *write.value;
    }
    earlier_.push_back(store_);
  }

  void Crash() {
    crashes.push_back({now_});
    if (lossy_ && !earlier_.empty()) store_ = earlier_[Draw(earlier_.size())];
    earlier_ = {store_};
    for (int& running : running_) {
      // An end that was written down after the crash counts for nothing.
      if (running >= 0 && Draw(4) == 0) {
        history.operations[static_cast<size_t>(running)].end = now_ + Draw(3);
      }
      running = -1;
    }
  }

  std::mt19937_64 random_;
  bool lossy_;
  size_t threads_;
  size_t keys_;
  size_t values_;
  bool batches_;
  bool read_alls_;
  uint64_t now_ = 1;
  StoreContents store_;
  std::vector<StoreContents> earlier_;  // that a lossy store may go back to
  std::vector<int> running_;            // by thread: the operation under way, or -1
};

std::string Show(const StoreContents& contents) {
  std::string text;
  for (const auto& [key, value] : contents) text += fmt::format(" {}={}", key, value);
  return text + "\n";
}

std::string Show(const RandomHistory& random) {
  std::string text = "initially:" + Show(random.history.initial);
  for (const HistoryOp& op : random.history.operations) {
    text += fmt::format("thread {} [{}, {}] kind {} outcome {}:", op.thread, op.begin,
                        op.end == kNever ? "never" : std::to_string(op.end),
                        static_cast<int>(op.kind), static_cast<int>(op.outcome));
    for (const KeyWrite& w : op.writes) text += fmt::format(" {}={}", w.key, w.value.value_or("-"));
    if (op.kind == Kind::kRead) text += fmt::format(" {}: {}", op.key, op.found.value_or("-"));
    text += Show(op.contents);
  }
  for (const PastCrash& crash : random.crashes) text += fmt::format("crash {}\n", crash.position);
  return text;
}

void Compare(Durability durability, uint64_t first_seed) {
  constexpr uint64_t kHistories = 12000;
  const bool prefix = durability == Durability::kPrefix;
  size_t allowed_count[2] = {};
  size_t violating_count[2] = {};
  for (uint64_t seed = first_seed; seed < first_seed + kHistories; ++seed) {
    RandomHistory random(seed, prefix);
    const Oracle oracle(random.history, durability, random.crashes);
    const uint64_t position_min = random.crashes.empty() ? 0 : random.crashes.back().position;
    for (int i = 0; i < 4; ++i) {
      const uint64_t position =
          i < 2 ? std::max(position_min, random.position_max + 1)
                : position_min + random.Draw(random.position_max + 2 -
                                             std::min(position_min, random.position_max));
      const StoreContents contents = random.Recovered();
      std::vector<uint64_t> crashes;
      for (const PastCrash& crash : random.crashes) crashes.push_back(crash.position);
      crashes.push_back(position);
      const bool allowed = BruteForce(random.history, prefix, crashes).Allows(contents);
      const std::vector<Violation> violations = oracle.Judge(position, contents);
      ASSERT_EQ(violations.empty(), allowed)
          << "seed " << seed << "\n"
          << Show(random) << "crash at " << position << ", found:" << Show(contents)
          << (violations.empty() ? "" : violations[0].message);
      std::set<std::string> keys;
      for (const Violation& v : violations) {
        EXPECT_TRUE(keys.insert(v.key).second) << "seed " << seed << ": twice for " << v.key;
      }
      ++(allowed ? allowed_count : violating_count)[random.crashes.empty() ? 0 : 1];
    }
  }
  for (int with_crash = 0; with_crash < 2; ++with_crash) {
    EXPECT_GT(allowed_count[with_crash], kHistories / 4);
    EXPECT_GT(violating_count[with_crash], kHistories / 4);
  }
}

TEST(OracleBruteForce, PowerFailAgreesWithEveryOrderTried) { Compare(Durability::kPowerFail, 1); }
TEST(OracleBruteForce, PrefixAgreesWithEveryOrderTried) { Compare(Durability::kPrefix, 500000); }

}  // namespace
}  // namespace fencepost
