// SPDX-License-Identifier: BSD-3-Clause
// Small programs and every content that a crash may leave, as the architecture has them.
//
// A program is statements with "; " between, each with "T2: " before it if by another thread than
// 1:
//
//     x=1, nt x=1, lock x=1, clwb x, clflushopt x, clflush x, msync x, sfence, mfence, lfence
//
// Variables of 8 bytes: x, y, z alone on lines; a, b side by side on one. `ab` is one of 16 bytes
// on both. p and q, 4 bytes each, are the end of a line and the start of the next; `pq` is both.
// All are 0 at first.
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "faultinject/model/px86_test_util.h"

namespace fencepost {
namespace {

constexpr uint32_t kFile = 7;

struct Variable {
  const char* name;
  uint64_t offset;
  uint64_t bytes;
};
constexpr Variable kVariables[] = {
    {"x", 0, 8},     {"y", 64, 8},  {"z", 128, 8}, {"a", 192, 8},  {"b", 200, 8},
    {"ab", 192, 16}, {"p", 316, 4}, {"q", 320, 4}, {"pq", 316, 8},
};

const Variable& FindVariable(const std::string& name) {
  for (const Variable& variable : kVariables) {
    if (variable.name == name) return variable;
  }
  ADD_FAILURE() << "no variable " << name;
  return kVariables[0];
}

// The model, and every content that some crash point so far allowed.
class Litmus {
 public:
  Litmus(const Px86Options& options, std::string observed)
      : model_(options, &image_), observed_(std::move(observed)) {
    Observe();
  }

  void Run(const std::string& program) {
    std::istringstream statements(program);
    for (std::string statement; std::getline(statements, statement, ';');) {
      statement.erase(0, statement.find_first_not_of(' '));
      Step(statement);
      Observe();
    }
  }

  // Contents of the observed variables, one digit each: now, and at some crash point so far.
  const std::set<std::string>& now() const { return now_; }
  const std::set<std::string>& ever() const { return ever_; }

 private:
  void Step(std::string statement) {
    Px86::By by = {++event_, 1, 0};
    if (statement.starts_with("T")) {
      by.thread = static_cast<uint32_t>(statement[1] - '0');
      statement.erase(0, 4);
    }
    const size_t blank = statement.find(' ');
    const std::string word = statement.substr(0, blank);
    const std::string rest = blank == std::string::npos ? word : statement.substr(blank + 1);
    if (rest.find('=') != std::string::npos) {
      Assign(by, word, rest);
    } else if (word == "sfence" || word == "mfence") {
      model_.Fence(by);
    } else if (word != "lfence") {  // which is no event of the model
      OnLine(by, word, FindVariable(rest));
    }
  }

  void Assign(const Px86::By& by, const std::string& how, const std::string& assignment) {
    const Variable& variable = FindVariable(assignment.substr(0, assignment.find('=')));
    const std::vector<uint8_t> value(variable.bytes, static_cast<uint8_t>(assignment.back() - '0'));
    if (how == "lock") model_.Fence(by);
    model_.Store(by, kFile, variable.offset, value,
                 how == "nt"     ? Px86::StoreKind::kNonTemporal
                 : how == "lock" ? Px86::StoreKind::kAtomic
                                 : Px86::StoreKind::kCached);
  }

  void OnLine(const Px86::By& by, const std::string& word, const Variable& variable) {
    if (word == "clflush") {
      model_.Flush(by, kFile, variable.offset, 1, Px86::FlushKind::kClflush);
    } else if (word == "msync") {
      model_.Sync(kFile, variable.offset, variable.bytes);
    } else {
      EXPECT_TRUE(word == "clwb" || word == "clflushopt") << word;
      model_.Flush(by, kFile, variable.offset, 1, Px86::FlushKind::kWeak);
    }
  }

  std::vector<LineBytes> Contents(uint64_t number) const {
    const LineId id = {kFile, number};
    const auto line = model_.lines().find(id);
    if (line == model_.lines().end()) return {image_.Line(id)};
    const auto states = line->second.States(1 << 20);
    EXPECT_TRUE(states.has_value());
    std::vector<LineBytes> contents;
    for (const LineState& state : *states) contents.push_back(state.bytes);
    return contents;
  }

  // Each line's contents with each of every other line's.
  void Observe() {
    std::set<std::string> seen = {std::string(observed_.size(), '?')};
    for (uint64_t number = 0; number < 6; ++number) {
      std::set<std::string> next;
      for (const LineBytes& bytes : Contents(number)) {
        for (const std::string& before : seen) next.insert(WithLine(before, number, bytes));
      }
      seen = std::move(next);
    }
    now_ = std::move(seen);
    ever_.insert(now_.begin(), now_.end());
  }

  std::string WithLine(std::string digits, uint64_t number, const LineBytes& bytes) const {
    for (size_t i = 0; i < observed_.size(); ++i) {
      const Variable& variable = FindVariable(observed_.substr(i, 1));
      if (variable.offset / kLineBytes != number) continue;
      const uint64_t begin = variable.offset % kLineBytes;
      for (uint64_t at = begin; at < begin + variable.bytes; ++at) {
        EXPECT_EQ(bytes[at], bytes[begin]) << "torn inside " << observed_[i];
      }
      digits[i] = static_cast<char>('0' + bytes[begin]);
    }
    return digits;
  }

  MemoryImage image_;
  Px86 model_;
  const std::string observed_;
  uint64_t event_ = 0;
  std::set<std::string> now_;
  std::set<std::string> ever_;
};

std::set<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> words;
  for (std::string word; in >> word;) words.insert(word);
  return words;
}

struct Row {
  const char* program;
  const char* observed;
  const char* allowed;     // at the end
  const char* never = "";  // at no crash point
};

void ExpectAll(const Px86Options& options, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.program);
    Litmus litmus(options, row.observed);
    litmus.Run(row.program);
    EXPECT_EQ(litmus.now(), Words(row.allowed));
    for (const std::string& never : Words(row.never)) EXPECT_FALSE(litmus.ever().contains(never));
  }
}

TEST(Px86Litmus, LinesAreOrderedByAFlushAndAFence) {
  ExpectAll({}, {
                    {"x=1; y=1", "xy", "00 01 10 11"},
                    {"x=1; clwb x; y=1", "xy", "00 01 10 11"},
                    {"x=1; clwb x; sfence; y=1", "xy", "10 11", "01"},
                    {"x=1; clflushopt x; mfence; y=1", "xy", "10 11", "01"},
                    {"x=1; sfence; y=1", "xy", "00 01 10 11"},
                    {"x=1; clwb x; lfence; y=1", "xy", "00 01 10 11"},
                    {"x=1; clflush x; y=1", "xy", "10 11", "01"},
                    {"clwb x; x=1; sfence; y=1", "xy", "00 01 10 11"},
                    {"x=1; msync x; y=1", "xy", "10 11", "01"},
                });
}

TEST(Px86Litmus, NonTemporalStoresAreHeldByAFenceOfTheirThreadAlone) {
  ExpectAll({}, {
                    {"nt x=1; y=1", "xy", "00 01 10 11"},
                    {"nt x=1; sfence; y=1", "xy", "10 11", "01"},
                    {"T1: nt x=1; T2: sfence; y=1", "xy", "00 01 10 11"},
                    {"nt x=1; clwb x; y=1", "xy", "00 01 10 11"},
                    {"nt x=1; clflush x; y=1", "xy", "00 01 10 11"},
                    {"nt x=1; msync x; y=1", "xy", "10 11", "01"},
                });
}

TEST(Px86Litmus, ALockedInstructionIsAFenceBeforeItsStore) {
  ExpectAll({}, {
                    {"x=1; clwb x; lock z=1", "xz", "10 11", "01"},
                    {"lock x=1; clwb x; y=1", "xy", "00 01 10 11"},
                });
}

TEST(Px86Litmus, AFenceDrainsWhatItsOwnThreadFlushed) {
  ExpectAll({}, {
                    {"T1: x=1; T1: clwb x; T2: sfence; T2: y=1", "xy", "00 01 10 11"},
                    {"T1: x=1; T2: clwb x; T2: sfence; T2: y=1", "xy", "10 11", "01"},
                    {"T1: x=1; T1: clwb x; T2: x=2; T1: sfence", "x", "1 2"},
                    {"T1: x=1; T2: clflush x; T2: y=1", "xy", "10 11", "01"},
                    // A later flush extends, one of another thread does not shorten.
                    {"x=1; clwb x; x=2; clwb x; sfence", "x", "2"},
                    {"x=1; clwb x; T2: x=2; T2: clwb x; sfence", "x", "1 2"},
                    {"x=1; clwb x; T2: x=2; T2: clwb x; T2: sfence", "x", "2"},
                    // A drained flush is over.
                    {"x=1; clwb x; sfence; x=2; sfence", "x", "1 2"},
                });
}

TEST(Px86Litmus, CachedStoresOfALineSurviveInOrder) {
  ExpectAll({}, {
                    {"a=1; b=1", "ab", "00 10 11", "01"},
                    {"a=1; b=1; a=2", "ab", "00 10 11 21", "01 20"},
                });
}

TEST(Px86Litmus, NonTemporalStoresOfALineSurviveInAnyOrder) {
  ExpectAll({}, {
                    {"nt a=1; b=1", "ab", "00 01 10 11"},
                    {"b=1; nt a=1", "ab", "00 01 10 11"},
                    // A durable store behind one that is not still comes after it.
                    {"nt a=1; T2: a=2; T2: clwb a; T2: sfence", "a", "2"},
                    {"nt a=1; T2: b=1; T2: clwb a; T2: sfence", "ab", "01 11"},
                });
}

TEST(Px86Litmus, AWideStoreTearsBetweenUnits) {
  ExpectAll({}, {
                    {"ab=1", "ab", "00 01 10 11"},
                    {"nt ab=1", "ab", "00 01 10 11"},
                    {"ab=1; a=2", "ab", "00 01 10 11 21"},
                });
}

TEST(Px86Litmus, WithTearingByLineAStoreInALineIsWhole) {
  ExpectAll({.tearing = Tearing::kLine}, {
                                             {"ab=1", "ab", "00 11", "01 10"},
                                             {"nt ab=1", "ab", "00 11", "01 10"},
                                             {"ab=1; nt ab=2", "ab", "00 11 22"},
                                             {"pq=1", "pq", "00 01 10 11"},
                                         });
}

TEST(Px86Litmus, Cmpxchg16bInALineNeverTears) {
  ExpectAll({}, {{"lock ab=1", "ab", "00 11", "01 10"}});
}

TEST(Px86Litmus, AStoreAcrossLinesIsTwo) {
  ExpectAll({}, {
                    {"pq=1", "pq", "00 01 10 11"},
                    {"nt pq=1", "pq", "00 01 10 11"},
                    {"lock pq=1", "pq", "00 01 10 11"},
                    {"pq=1; clwb p; sfence", "pq", "10 11"},
                });
}

TEST(Px86Litmus, WithEadrEveryVisibleStoreSurvives) {
  ExpectAll({.eadr = true}, {
                                {"x=1; y=1", "xy", "11", "01"},
                                {"x=1; clwb x; sfence; y=1", "xy", "11", "01"},
                                {"a=1; b=1; a=2", "ab", "21", "01 20"},
                                {"ab=1", "ab", "11", "01 10"},
                                {"pq=1", "pq", "11", "01 10"},
                                {"lock ab=1", "ab", "11"},
                            });
}

TEST(Px86Litmus, WithEadrNonTemporalStoresWaitForTheirFence) {
  ExpectAll({.eadr = true}, {
                                {"nt x=1; y=1", "xy", "01 11"},
                                {"nt x=1; sfence; y=1", "xy", "11", "01"},
                                {"T1: nt x=1; T2: sfence; y=1", "xy", "01 11"},
                                {"nt x=1; clflush x", "x", "0 1"},
                                {"nt ab=1", "ab", "00 01 10 11"},
                                // In trace order: what came later stays on top.
                                {"nt a=1; a=2", "a", "2"},
                                {"a=1; nt a=2", "a", "1 2"},
                                {"nt a=1; b=1; sfence", "ab", "11"},
                            });
}

}  // namespace
}  // namespace fencepost
