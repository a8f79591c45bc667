// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/decision_tree.h"

#include <fmt/format.h>

#include <bit>
#include <numeric>
#include <optional>
#include <utility>

namespace fencepost {

// --- StateSet -----------------------------------------------------------------------------------

std::string ValueOf(const LineBytes& line, uint64_t mask) {
  std::string value;
  for (uint64_t rest = mask; rest != 0; rest &= rest - 1) {
    value += static_cast<char>(line[static_cast<size_t>(std::countr_zero(rest))]);
  }
  return value;
}

Contents StateSet::Remaining(uint32_t line) const {
  const auto narrowed = narrowed_.find(line);
  const Contents& all = (*choices_)[line];
  if (narrowed == narrowed_.end()) return all;
  std::vector<LineState> remaining;
  for (const uint32_t choice : narrowed->second) remaining.push_back((*all)[choice]);
  return std::make_shared<const std::vector<LineState>>(std::move(remaining));
}

const LineState& StateSet::First(uint32_t line) const {
  const auto narrowed = narrowed_.find(line);
  const std::vector<LineState>& all = *(*choices_)[line];
  return narrowed == narrowed_.end() ? all.front() : all[narrowed->second.front()];
}

const LineState& StateSet::Last(uint32_t line) const {
  const auto narrowed = narrowed_.find(line);
  const std::vector<LineState>& all = *(*choices_)[line];
  return narrowed == narrowed_.end() ? all.back() : all[narrowed->second.back()];
}

double StateSet::Share() const {
  double share = 1;
  for (const auto& [line, remaining] : narrowed_) {
    share *= static_cast<double>(remaining.size()) / static_cast<double>((*choices_)[line]->size());
  }
  return share;
}

std::map<std::string, StateSet> StateSet::SplitBy(const LineRead& read) const {
  const std::vector<LineState>& all = *(*choices_)[read.line];
  std::vector<uint32_t> remaining(all.size());
  std::iota(remaining.begin(), remaining.end(), 0u);
  if (const auto narrowed = narrowed_.find(read.line); narrowed != narrowed_.end()) {
    remaining = narrowed->second;
  }
  std::map<std::string, StateSet> parts;
  for (const uint32_t choice : remaining) {
    const auto [part, is_new] = parts.try_emplace(ValueOf(all[choice].bytes, read.bytes), *this);
    if (is_new) part->second.narrowed_[read.line].clear();
    part->second.narrowed_[read.line].push_back(choice);
  }
  return parts;
}

// --- DecisionTree -------------------------------------------------------------------------------

class DecisionTree::Node {
 public:
  std::optional<LineRead> read;  // what comes next; none: unknown, or a leaf
  std::optional<Leaf> leaf;
  std::map<std::string, std::unique_ptr<Node>> branches;
  bool under_way = false;
  std::vector<StateSet> waiting;  // while a recovery is under way

  bool known() const { return read || leaf; }
  Node* Branch(const std::string& value) {
    std::unique_ptr<Node>& branch = branches[value];
    if (branch == nullptr) branch = std::make_unique<Node>();
    return branch.get();
  }
};

DecisionTree::DecisionTree() : root_(std::make_unique<Node>()) {}
DecisionTree::~DecisionTree() = default;

Status DecisionTree::Search(const StateSet& states, const Visitor& visitor) {
  return Go(root_.get(), states, visitor);
}

Status DecisionTree::Go(Node* node, const StateSet& states, const Visitor& visitor) {
  if (node->leaf) return visitor.judge(states, *node->leaf);
  if (node->read) {
    for (const auto& [value, part] : states.SplitBy(*node->read)) {
      RETURN_IF_ERROR(Go(node->Branch(value), part, visitor));
    }
    return Status::Ok();
  }
  node->waiting.push_back(states);
  if (node->under_way) return Status::Ok();
  node->under_way = true;
  return visitor.explore(node, states);
}

Status DecisionTree::Insert(Node* node, std::span<const LineRead> reads,
                            const std::function<const LineBytes&(uint32_t line)>& value_of,
                            Leaf leaf, const Visitor& visitor) {
  Node* at = root_.get();
  bool passed = at == node;
  for (const LineRead& read : reads) {
    if (!at->known() && passed) at->read = read;
    if (!at->read || !(*at->read == read)) {
      return Status::Internal(
          fmt::format("the recovery is not deterministic: with the same bytes read, line {} was "
                      "read next, and before {}",
                      read.line, at->read ? fmt::format("line {}", at->read->line) : "nothing"));
    }
    at = at->Branch(ValueOf(value_of(read.line), read.bytes));
    passed |= at == node;
  }
  if (!passed || at->known()) {
    return Status::Internal(
        "the recovery is not deterministic: with the same bytes read, it read no further");
  }
  at->leaf = leaf;
  const std::vector<StateSet> waiting = std::exchange(node->waiting, {});
  for (const StateSet& states : waiting) RETURN_IF_ERROR(Go(node, states, visitor));
  return Status::Ok();
}

}  // namespace fencepost
