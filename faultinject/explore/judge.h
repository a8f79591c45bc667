// SPDX-License-Identifier: BSD-3-Clause
// Who says what is right, of an outcome after a crash.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_JUDGE_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_JUDGE_H_

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/crash_point.h"
#include "faultinject/explore/recovery.h"

namespace fencepost {

// One thing that is wrong with an outcome.
struct Finding {
  std::string kind;     // "lost", "hang", "leak", ...: one word
  std::string subject;  // what it is about, e.g. a key; may be empty
  std::string message;  // one line
  std::string allowed;  // what might have been found there; may be empty
  std::string found;
};

// A crash in the recovery from the crash.
struct SecondCrash {
  CrashPoint::Before before = CrashPoint::Before::kEnd;
  std::string where;         // the source line of the recovery
  bool ended = false;        // the recovery had answered, and closed all
  std::string first_answer;  // what it answers where it is not crashed

  auto operator<=>(const SecondCrash&) const = default;
};

// Who says what is right. Called in the owner's process.
class Judge {
 public:
  virtual ~Judge() = default;
  // What the recovery is told of this crash point; states with another context are recovered anew.
  virtual std::string Context(const CrashPoint& point) = 0;
  virtual std::vector<Finding> Verdict(const CrashPoint& point, const Outcome& outcome) = 0;
  // What is wrong if one recovery had answered `first` before the second crash, and the next one
  // answers `second`.
  virtual std::vector<Finding> Contradictions(const Outcome& /*first*/, const Outcome& /*second*/) {
    return {};
  }
  // Not ok once recoveries have turned out to say nothing, e.g. because their program is not there;
  // this ends the exploration.
  virtual Status status() const { return Status::Ok(); }
};

// What is wrong with an outcome, and, after a second crash, with it beside the first answer.
std::vector<Finding> FindingsOf(Judge* judge, const CrashPoint& point, const Outcome& outcome,
                                const std::optional<SecondCrash>& second);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_JUDGE_H_
