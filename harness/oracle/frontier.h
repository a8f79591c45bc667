// SPDX-License-Identifier: BSD-3-Clause
// Frontier: every state that one component may be in after some of its events.
//
// A configuration is a state and the set of operations under way that have taken effect already.
// The frontier takes a history's events in order. Operations take effect as late as they can: when
// one that was answered ends, each configuration in which it has not taken effect is replaced by
// all those that some sequence of operations under way, with this one last, leads to. A read takes
// effect as soon as the state is what it saw. When no configuration is left, no order of the
// operations explains the answers.
//
// Invariants:
//   1. States differ from `base_` in a few keys only, those on which configurations disagree.
//   2. An operation takes effect early only if one that conflicts with it, or a read that it feeds,
//      follows at once; any other order can be turned into one of this form by postponing it.
//   3. A write that was under way when another one wrote all its keys may have been just before
//      that one, seen by nobody. It is `hidden`: it need take effect no more, but may.
//   4. No configuration is kept that another one is at least as good as: same state, and more
//      writes left that may but need not happen, or fewer reads left.
// Threads: none.
// Not covered: where dozens of optional writes (I/O errors) meet in one component and reads have
//   seen some of them out of order, the number of configurations grows exponentially.
// Source: Wing, Gong. Testing and verifying concurrent objects. JPDC 17, 1993. Lowe. Testing for
//   linearizability. Concurrency and Computation 29(4), 2017 (just-in-time linearization).
#ifndef FENCEPOST_HARNESS_ORACLE_FRONTIER_H_
#define FENCEPOST_HARNESS_ORACLE_FRONTIER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "harness/oracle/history_index.h"

namespace fencepost {

inline constexpr uint32_t kNoSnapshot = UINT32_MAX;

struct Configuration {
  std::vector<Change> difference;    // from the base, ascending by key
  std::vector<uint32_t> linearized;  // operations under way that took effect, ascending
  std::vector<uint32_t> hidden;      // writes under way that need not, ascending
  uint32_t snapshot = kNoSnapshot;   // the state chosen as what the watched crash leaves

  bool Has(uint32_t op) const;
  bool Hides(uint32_t op) const;
  void Add(uint32_t op);
  void Remove(uint32_t op);
};

class Frontier {
 public:
  // REQUIRES: `component` outlives the frontier.
  explicit Frontier(const Component& component);

  void Take(const HistoryEvent& event);

  // From now until the crash, a state that `target` describes may be what the crash leaves. A
  // second watch before the crash changes nothing.
  void Watch(std::shared_ptr<const Target> target);

  // Whether a crash now may leave `target`. Under a watch for it: at any time since then.
  bool MayLeave(const Target& target) const;

  // No order explains the answers so far. `dead_op` then: the one whose answer was the first that
  // could not be explained; none: what was read after a crash of the past could not.
  bool dead() const { return configurations_.empty(); }
  std::optional<uint32_t> dead_op() const { return dead_op_; }

  // What a key holds in some configuration, or would after a write under way.
  std::set<ValueId> HeldNow(uint32_t key) const;
  std::set<ValueId> PossibleValues(uint32_t key) const;
  const std::vector<uint32_t>& writes_under_way() const { return writes_; }

 private:
  struct ActiveRead {
    uint32_t op;
    size_t base_mismatches;  // kReadAll: keys in which the base is not what it saw
  };
  class Set;

  const IndexedOp& op(uint32_t number) const { return component_->ops[number]; }
  ValueId Held(const Configuration& c, uint32_t key) const;
  size_t Mismatches(const Configuration& c, const std::vector<ValueId>& wanted,
                    size_t base_mismatches) const;
  size_t BaseMismatches(const std::vector<ValueId>& wanted) const;
  bool Sees(const Configuration& c, const ActiveRead& read) const;

  void Begin(uint32_t number);
  void End(uint32_t number);
  void EndRefused(uint32_t number);
  bool EndSimply(uint32_t number);
  void EndBySearch(uint32_t number);
  void Crash();

  // Lets `number` take effect in `c`, then every read that sees its value. One or two results: with
  // a watch for a state that is known in part, the new state may be chosen or not.
  std::vector<Configuration> Apply(Configuration c, uint32_t number);
  std::vector<Configuration> Settle(Configuration c);
  void Write(Configuration* c, uint32_t number) const;
  void Hide(Configuration* c, uint32_t behind) const;
  bool Useful(const Configuration& c, uint32_t write) const;
  bool FeedsARead(const Configuration& c, const IndexedOp& write) const;
  void ApplyForced(Configuration* c, const std::vector<ValueId>& wanted) const;
  bool OnlyReadAll(const Configuration& c, uint32_t number) const;
  bool Covers(const Configuration& a, const Configuration& b) const;
  uint32_t InternSnapshot(const Configuration& c);
  void Fold();
  void SetBase(uint32_t key, ValueId value);

  const Component* component_;
  std::vector<ValueId> base_;
  std::vector<Configuration> configurations_;
  std::vector<uint32_t> writes_;  // under way
  std::vector<ActiveRead> reads_;
  std::shared_ptr<const Target> watch_;
  size_t watch_base_mismatches_ = 0;
  std::map<std::vector<ValueId>, uint32_t> snapshots_;
  std::optional<uint32_t> dead_op_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_FRONTIER_H_
