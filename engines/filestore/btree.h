// SPDX-License-Identifier: BSD-3-Clause
// The B+-tree: leaves with sorted cells, inner pages with the shortest keys that separate their
// children. No links between leaves: a scan comes down again for each leaf, which costs little and
// spares every split and merge a third page.
//
// Invariants:
//   1. All leaves are at level 0, and a child is one level below its parent.
//   2. No leaf is empty but the root, or the only child of its parent.
//   3. A page less than a quarter full has been merged with a neighbour, if together they fill no
//      more than three quarters; so pages do not stay nearly empty under churn.
// Threads: writers one at a time, on a mini-transaction; readers under the tree latch.
// Source: Comer, The Ubiquitous B-Tree, ACM Computing Surveys 11(2), 1979; Bayer and Unterauer,
//   Prefix B-Trees, ACM TODS 2(1), 1977 (shortest separators).
#ifndef FENCEPOST_ENGINES_FILESTORE_BTREE_H_
#define FENCEPOST_ENGINES_FILESTORE_BTREE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/filestore/buffer_pool.h"
#include "engines/filestore/mini_transaction.h"
#include "engines/filestore/page.h"
#include "engines/status.h"

namespace fencepost::filestore {

// Changes the tree within a mini-transaction.
class TreeWriter {
 public:
  explicit TreeWriter(MiniTransaction* transaction) : transaction_(*transaction) {}

  // `value` must stay until the transaction is installed.
  Status Put(std::string_view key, std::string_view value);
  // `*found`: whether there was such a key.
  Status Delete(std::string_view key, bool* found);

 private:
  struct Step {
    PageNo page;
    unsigned child;  // which one we went down to
  };

  Status Descend(std::string_view key, PageNo* leaf);
  Status MakeCell(std::string_view key, std::string_view value, std::string_view* cell);
  Status Insert(PageNo number, unsigned slot, std::string_view cell);
  Status Split(Page* left, unsigned slot, std::string_view cell);
  Status GrowRoot(PageNo left, std::string_view separator, PageNo right, unsigned level);
  Status Shrink(PageNo number);
  Status CollapseRoot();
  Status TryMerge(PageNo left, PageNo right, PageNo parent, unsigned slot, bool* merged);

  MiniTransaction& transaction_;
  std::vector<Step> path_;
  bool last_leaf_ = false;  // path_ leads to the last leaf of the tree
  CellBuilder builder_;
};

// Reads the tree. Every call raises `*seen` to the newest LSN that the answer depends on.
class TreeReader {
 public:
  TreeReader(BufferPool* pool, PageNo root) : pool_(*pool), root_(root) {}

  // Pins the leaf where `key` is or would be. If `upper` is given: the least key that belongs to a
  // later leaf; `*has_upper` is false in the last one.
  Status FindLeaf(std::string_view key, BufferPool::Ref* leaf, Lsn* seen,
                  std::string* upper = nullptr, bool* has_upper = nullptr);

  // Brings the value of an overflow cell together in `value`.
  Status ReadChain(Chain chain, uint32_t value_bytes, char* value, Lsn* seen);

 private:
  BufferPool& pool_;
  const PageNo root_;
};

// Walks all pages of the tree, overflow chains and the free list.
struct TreeCensus {
  uint64_t tree_pages = 0;
  uint64_t overflow_pages = 0;
  uint64_t free_pages = 0;
  uint64_t pairs = 0;
};
// kCorrupt if a page is reached twice, is of the wrong type or level, or keys are out of order.
Result<TreeCensus> TakeCensus(BufferPool* pool, const Meta& meta);

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_BTREE_H_
