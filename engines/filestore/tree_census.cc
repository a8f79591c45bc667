// SPDX-License-Identifier: BSD-3-Clause
// Walks everything that the meta page leads to.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engines/filestore/btree.h"

namespace fencepost::filestore {
namespace {

class Census {
 public:
  Census(BufferPool* pool, const Meta& meta) : pool_(*pool), visited_(meta.page_count) {
    visited_[kMetaPage] = true;
  }

  // Keys of the subtree are >= lower and < upper; level -1: any.
  Status Tree(PageNo number, int level, const std::string& lower,
              const std::optional<std::string>& upper) {
    RETURN_IF_ERROR(Visit(number));
    const auto page = std::make_unique<Page>(*ref_);
    ref_.Release();
    ++result.tree_pages;
    const bool leaf = page->header.level == 0;
    if (page->header.type != (leaf ? PageType::kLeaf : PageType::kInner) ||
        (level >= 0 && page->header.level != level)) {
      return Bad(number, "is no tree page of the right level");
    }
    std::string previous = lower;
    for (unsigned slot = 0; slot < page->header.slots; ++slot) {
      std::string key(KeyAt(*page, slot));
      const bool after = slot == 0 ? key >= previous : key > previous;
      if (!after || (upper && key >= *upper)) return Bad(number, "has keys out of order");
      if (leaf) {
        RETURN_IF_ERROR(Value(LeafCell(*page, slot)));
      } else {
        RETURN_IF_ERROR(Tree(ChildAt(*page, slot), page->header.level - 1, previous, key));
      }
      previous = std::move(key);
    }
    if (leaf) return Status::Ok();
    return Tree(ChildAt(*page, page->header.slots), page->header.level - 1, previous, upper);
  }

  Status FreeList(PageNo head, PageNo count) {
    for (PageNo number = head; number != kNoPage; number = ref_->header.next) {
      RETURN_IF_ERROR(Visit(number));
      if (ref_->header.type != PageType::kFree && ref_->header.type != PageType::kOverflow) {
        return Bad(number, "is free and yet in use");
      }
      ++result.free_pages;
    }
    if (result.free_pages == count) return Status::Ok();
    return Status::Corrupt(
        fmt::format("filestore: {} free pages, {} counted", result.free_pages, count));
  }

  TreeCensus result;

 private:
  static Status Bad(PageNo number, std::string_view what) {
    return Status::Corrupt(fmt::format("filestore: page {} {}", number, what));
  }

  Status Visit(PageNo number) {
    if (number >= visited_.size()) return Bad(number, "was never allocated");
    if (visited_[number]) return Bad(number, "is reached twice");
    visited_[number] = true;
    return pool_.Fetch(number, &ref_);
  }

  Status Value(const Cell& cell) {
    ++result.pairs;
    if (!cell.is_overflow) return Status::Ok();
    PageNo number = cell.chain.first;
    for (uint64_t left = OverflowPages(cell.value_bytes); left != 0; --left) {
      RETURN_IF_ERROR(Visit(number));
      if (ref_->header.type != PageType::kOverflow) return Bad(number, "is no overflow page");
      ++result.overflow_pages;
      if (left == 1 && number != cell.chain.last) return Bad(number, "ends its chain too early");
      number = ref_->header.next;
    }
    return Status::Ok();
  }

  BufferPool& pool_;
  BufferPool::Ref ref_;
  std::vector<bool> visited_;
};

}  // namespace

Result<TreeCensus> TakeCensus(BufferPool* pool, const Meta& meta) {
  Census census(pool, meta);
  RETURN_IF_ERROR(census.Tree(meta.root, -1, "", std::nullopt));
  RETURN_IF_ERROR(census.FreeList(meta.free_head, meta.free_count));
  if (census.result.pairs != meta.count) {
    return Status::Corrupt(
        fmt::format("filestore: {} pairs stored, {} counted", census.result.pairs, meta.count));
  }
  return census.result;
}

}  // namespace fencepost::filestore
