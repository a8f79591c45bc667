// SPDX-License-Identifier: BSD-3-Clause
// Verdicts: outcomes are judged, and what is wrong with them is grouped.
//
// Invariants: the groups do not depend on the order in which outcomes come.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "faultinject/explore/explorer.h"

namespace fencepost {

class Verdicts {
 public:
  // REQUIRES: `judge` outlives it.
  explicit Verdicts(Judge* judge) : judge_(judge) {}

  // Keeps an outcome; the reference stays valid. Equal ones are one.
  const Outcome* Keep(Outcome outcome) { return &*outcomes_.insert(std::move(outcome)).first; }
  // Kinds in `but_for` are passed over. Returns the kinds of what was found.
  std::set<std::string> JudgeOne(const CrashPoint& point, const CrashState& state,
                                 const Outcome& outcome, const std::set<std::string>& but_for = {},
                                 const std::optional<SecondCrash>& second = {});

  uint64_t judged() const { return judged_; }
  uint64_t failed() const { return failed_; }
  size_t group_count() const { return groups_.size(); }
  // Distinct ones; what was written to standard error does not count.
  uint64_t CountOutcomes() const;
  // In trace order of their examples.
  std::vector<FindingGroup> TakeGroups();

 private:
  // What a recovery complained of comes last: it need not be the same each time (addresses), and
  // tells no outcomes apart.
  struct Less {
    bool operator()(const Outcome& a, const Outcome& b) const {
      return std::tie(a.end, a.code, a.answer, a.complaint) <
             std::tie(b.end, b.code, b.answer, b.complaint);
    }
  };

  Judge* const judge_;
  std::set<Outcome, Less> outcomes_;
  // By kind, place, and whether it takes a second crash.
  std::map<std::tuple<std::string, uint32_t, int, bool>, FindingGroup> groups_;
  uint64_t judged_ = 0, failed_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_
