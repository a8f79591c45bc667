// SPDX-License-Identifier: BSD-3-Clause
// KnownRecoveries: recoveries that have been executed, to be found by what a tree answers.
//
// They are in a tree of questions: below each there is a branch for each answer, and one for the
// recoveries that do not ask it. Threads ask in another order each time; so what a recovery is
// known by is the set of its questions, not their order. One tree serves all crash points.
//
// Invariants:
//   1. Find returns a recovery all of whose questions the tree answers as the one that it was added
//      with did; if there is any.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_KNOWN_RECOVERIES_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_KNOWN_RECOVERIES_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "faultinject/explore/files/tree_questions.h"
#include "faultinject/explore/recovery.h"

namespace fencepost {

struct KnownRecovery {
  const Outcome* outcome = nullptr;
  std::vector<TreeQuestion> questions;
  uint64_t number = 0;  // in the order in which they were added
};

class KnownRecoveries {
 public:
  const KnownRecovery* Find(TreeView* view) const;
  // The recovery from this tree. REQUIRES: Find finds none. It stays where it is.
  const KnownRecovery* Add(KnownRecovery recovery, TreeView* view);

 private:
  struct Node {
    std::optional<TreeQuestion> question;
    std::unordered_map<uint64_t, std::unique_ptr<Node>> answers;
    std::unique_ptr<Node> others;
    const KnownRecovery* recovery = nullptr;  // one that has asked all that it asks
  };

  Node root_;
  std::deque<KnownRecovery> recoveries_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_KNOWN_RECOVERIES_H_
