// SPDX-License-Identifier: BSD-3-Clause
// DecisionTree: what recoveries have read so far, and what came of it.
//
// A recovery is a function of the bytes that it reads. Each node is a read of certain bytes of one
// line; below it there is a branch for each value that they had; a leaf is an outcome. One tree
// serves all crash points of a batch: between them only the lines of the batch differ.
//
// A search takes a crash point down the tree, with the contents that each line may have there: a
// read narrows them to those with one value, and goes down every branch that some of them take.
// Where nobody has been yet, a recovery from any of the states that remain tells what comes next.
//
// Invariants:
//   1. The leaves that a crash point reaches partition its states: every state is judged, and what
//      was not read was not branched on.
//   2. A recovery that agrees in all that it read with another one, and then reads something else,
//      is not deterministic: Insert refuses it.
// Threads: none.
// Source: dynamic partial-order reduction and concolic execution share the scheme; Jaaru (ASPLOS
//   2021) explores persistent memory by the values that loads may see.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_DECISION_TREE_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_DECISION_TREE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/model/px86.h"
#include "faultinject/watch/read_watch.h"

namespace fencepost {

// The contents that a line may have at one crash point: at least one.
using Contents = std::shared_ptr<const std::vector<LineState>>;
// For each line of a batch, in order.
using LineChoices = std::vector<Contents>;

// Some of the states of one crash point.
class StateSet {
 public:
  // All. `point` is what the caller calls the crash point.
  StateSet(size_t point, std::shared_ptr<const LineChoices> choices)
      : point_(point), choices_(std::move(choices)) {}

  size_t point() const { return point_; }
  // What remains of a line.
  Contents Remaining(uint32_t line) const;
  // The first, or the last, of what remains of a line.
  const LineState& First(uint32_t line) const;
  const LineState& Last(uint32_t line) const;
  size_t lines() const { return choices_->size(); }
  // Which part of all states of the crash point it is.
  double Share() const;

  // By the value of these bytes: the states that have it.
  std::map<std::string, StateSet> SplitBy(const LineRead& read) const;

 private:
  const size_t point_;
  const std::shared_ptr<const LineChoices> choices_;
  std::map<uint32_t, std::vector<uint32_t>> narrowed_;  // indices of choices; absent: all
};

// The bytes of the mask, one after the other.
std::string ValueOf(const LineBytes& line, uint64_t mask);

class DecisionTree {
 public:
  class Node;
  using Leaf = uint64_t;  // what the caller calls the outcome

  struct Visitor {
    // A recovery is needed from a state of this set; Insert tells what came of it.
    std::function<Status(Node* node, const StateSet& states)> explore;
    std::function<Status(const StateSet& states, Leaf leaf)> judge;
  };

  DecisionTree();
  ~DecisionTree();

  // Takes the states down the tree. Where a recovery is under way they wait for it.
  Status Search(const StateSet& states, const Visitor& visitor);
  // What a recovery that `explore` asked for, at this node, has read: `value_of(line)` is what the
  // line held in it. Then all who have waited go on. kInternal: it was not deterministic, says how.
  Status Insert(Node* node, std::span<const LineRead> reads,
                const std::function<const LineBytes&(uint32_t line)>& value_of, Leaf leaf,
                const Visitor& visitor);

 private:
  Status Go(Node* node, const StateSet& states, const Visitor& visitor);

  std::unique_ptr<Node> root_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_DECISION_TREE_H_
