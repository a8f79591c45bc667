// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/known_recoveries.h"

#include <set>
#include <utility>

namespace fencepost {

const KnownRecovery* KnownRecoveries::Find(TreeView* view) const {
  std::vector<const Node*> open = {&root_};
  while (!open.empty()) {
    const Node* const node = open.back();
    open.pop_back();
    if (node->recovery != nullptr) return node->recovery;
    if (!node->question) continue;
    if (node->others != nullptr) open.push_back(node->others.get());
    const auto answer = node->answers.find(view->Answer(*node->question));
    if (answer != node->answers.end()) open.push_back(answer->second.get());
  }
  return nullptr;
}

const KnownRecovery* KnownRecoveries::Add(KnownRecovery recovery, TreeView* view) {
  const auto make = [](std::unique_ptr<Node>* node) {
    if (*node == nullptr) *node = std::make_unique<Node>();
    return node->get();
  };
  recovery.number = recoveries_.size();
  recoveries_.push_back(std::move(recovery));
  const KnownRecovery& added = recoveries_.back();
  std::set<TreeQuestion> left(added.questions.begin(), added.questions.end());
  Node* node = &root_;
  for (const TreeQuestion& next : added.questions) {
    if (!left.contains(next)) continue;
    // Past what others have asked here, until it is asked.
    while (left.contains(next)) {
      if (!node->question) node->question = next;
      const bool asks = left.erase(*node->question) != 0;
      node = make(asks ? &node->answers[view->Answer(*node->question)] : &node->others);
    }
  }
  node->recovery = &added;
  return &added;
}

}  // namespace fencepost
