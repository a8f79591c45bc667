// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/btree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace fencepost::filestore {
namespace {

constexpr size_t kMergeBelowBytes = kPageBytes / 4;
constexpr size_t kMergedBytes = kPayloadBytes / 4 * 3;

Status BadPage(PageNo number, std::string_view what) {
  return Status::Corrupt(fmt::format("filestore: page {} of the tree {}", number, what));
}

Status CheckTreePage(const Page& page, int level) {
  const PageType wanted = page.header.level == 0 ? PageType::kLeaf : PageType::kInner;
  if (page.header.type != wanted) return BadPage(page.header.page, "is of the wrong type");
  if (level >= 0 && page.header.level != level) {
    return BadPage(page.header.page, "is at the wrong level");
  }
  return Status::Ok();
}

// The shortest key that is > `left` and <= `right`.
std::string_view Separator(std::string_view left, std::string_view right) {
  const auto [l, r] = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
  return right.substr(0, static_cast<size_t>(r - right.begin()) + 1);
}

// The cells of a page with one more among them, seen as one sequence.
struct CellsWithOneMore {
  const Page& page;
  unsigned slot;
  std::string_view cell;

  unsigned count() const { return page.header.slots + 1u; }
  std::string_view operator[](unsigned i) const {
    if (i == slot) return cell;
    return CellBytes(page, i < slot ? i : i - 1);
  }
};

std::string_view KeyOfCell(std::string_view cell) {
  CellHeader header;
  std::memcpy(&header, cell.data(), sizeof(header));
  return cell.substr(sizeof(header), header.key_bytes);
}

PageNo ChildOfCell(std::string_view cell) {
  CellHeader header;
  std::memcpy(&header, cell.data(), sizeof(header));
  return header.value_bytes;
}

// How many cells stay left, so that both sides fit and are as equal as can be. Of an inner page the
// next cell goes up.
unsigned SplitPoint(const CellsWithOneMore& cells, bool inner) {
  size_t total = 0;
  for (unsigned i = 0; i < cells.count(); ++i) total += cells[i].size() + kSlotBytes;
  unsigned best = 0;
  size_t best_larger = SIZE_MAX;
  size_t left = 0;
  for (unsigned i = 1; i + (inner ? 1 : 0) < cells.count(); ++i) {
    left += cells[i - 1].size() + kSlotBytes;
    const size_t right = total - left - (inner ? cells[i].size() + kSlotBytes : 0);
    const size_t larger = std::max(left, right);
    if (larger < best_larger) {
      best = i;
      best_larger = larger;
    }
  }
  CHECK(best_larger <= kPayloadBytes);
  return best;
}

}  // namespace

Status TreeWriter::Descend(std::string_view key, PageNo* leaf) {
  path_.clear();
  last_leaf_ = true;
  PageNo number = transaction_.meta().root;
  const Page* page = nullptr;
  RETURN_IF_ERROR(transaction_.Read(number, &page));
  RETURN_IF_ERROR(CheckTreePage(*page, -1));
  while (page->header.type == PageType::kInner) {
    const unsigned child = ChildFor(*page, key);
    const int level = page->header.level - 1;
    path_.push_back({number, child});
    last_leaf_ = last_leaf_ && child == page->header.slots;
    number = ChildAt(*page, child);
    RETURN_IF_ERROR(transaction_.Read(number, &page));
    RETURN_IF_ERROR(CheckTreePage(*page, level));
  }
  *leaf = number;
  return Status::Ok();
}

Status TreeWriter::MakeCell(std::string_view key, std::string_view value, std::string_view* cell) {
  if (InlineCellBytes(key, value) <= kMaxCellBytes) {
    *cell = builder_.Inline(key, value);
    return Status::Ok();
  }
  Chain chain;
  RETURN_IF_ERROR(transaction_.AllocateChain(value, &chain));
  *cell = builder_.Overflow(key, static_cast<uint32_t>(value.size()), chain);
  return Status::Ok();
}

Status TreeWriter::Put(std::string_view key, std::string_view value) {
  PageNo number = kNoPage;
  RETURN_IF_ERROR(Descend(key, &number));
  Page* leaf = nullptr;
  RETURN_IF_ERROR(transaction_.Modify(number, &leaf));
  bool exact = false;
  const unsigned slot = LowerBound(*leaf, key, &exact);
  std::string_view cell;
  if (!exact) {
    RETURN_IF_ERROR(MakeCell(key, value, &cell));
    ++transaction_.meta().count;
    return Insert(number, slot, cell);
  }
  const Cell old = LeafCell(*leaf, slot);
  const size_t old_bytes = CellBytes(*leaf, slot).size();
  if (old.is_overflow) RETURN_IF_ERROR(transaction_.FreeChain(old.chain, old.value_bytes));
  RETURN_IF_ERROR(MakeCell(key, value, &cell));
  if (cell.size() == old_bytes) {
    ReplaceCell(*leaf, slot, cell);
    return Status::Ok();
  }
  RemoveCell(*leaf, slot);
  if (cell.size() > old_bytes) return Insert(number, slot, cell);
  InsertCell(*leaf, slot, cell);
  return Shrink(number);
}

Status TreeWriter::Insert(PageNo number, unsigned slot, std::string_view cell) {
  Page* page = nullptr;
  RETURN_IF_ERROR(transaction_.Modify(number, &page));
  if (!Fits(*page, cell.size())) return Split(page, slot, cell);
  InsertCell(*page, slot, cell);
  return Status::Ok();
}

Status TreeWriter::Split(Page* left, unsigned slot, std::string_view cell) {
  const auto old = std::make_unique<Page>(*left);
  const bool inner = old->header.type == PageType::kInner;
  const PageNo left_number = old->header.page;
  Page* right = nullptr;
  RETURN_IF_ERROR(transaction_.Allocate(old->header.type, old->header.level, &right));

  const CellsWithOneMore cells{*old, slot, cell};
  // Keys that come in order fill the pages that they leave behind.
  const bool append = !inner && last_leaf_ && slot == old->header.slots;
  const unsigned split = append ? slot : SplitPoint(cells, inner);
  InitPage(*left, left_number, old->header.type, old->header.level);
  left->header.aux = old->header.aux;
  for (unsigned i = 0; i < split; ++i) InsertCell(*left, i, cells[i]);
  if (inner) right->header.aux = ChildOfCell(cells[split]);
  for (unsigned i = split + (inner ? 1 : 0); i < cells.count(); ++i) {
    InsertCell(*right, right->header.slots, cells[i]);
  }
  const std::string_view separator =
      inner ? KeyOfCell(cells[split])
            : Separator(KeyOfCell(cells[split - 1]), KeyOfCell(cells[split]));
  if (path_.empty()) {
    return GrowRoot(left_number, separator, right->header.page, old->header.level + 1u);
  }
  const Step parent = path_.back();
  path_.pop_back();
  CellBuilder builder;
  return Insert(parent.page, parent.child, builder.Child(separator, right->header.page));
}

Status TreeWriter::GrowRoot(PageNo left, std::string_view separator, PageNo right, unsigned level) {
  Page* root = nullptr;
  RETURN_IF_ERROR(transaction_.Allocate(PageType::kInner, level, &root));
  root->header.aux = left;
  CellBuilder builder;
  InsertCell(*root, 0, builder.Child(separator, right));
  transaction_.meta().root = root->header.page;
  return Status::Ok();
}

Status TreeWriter::Delete(std::string_view key, bool* found) {
  PageNo number = kNoPage;
  RETURN_IF_ERROR(Descend(key, &number));
  const Page* page = nullptr;
  RETURN_IF_ERROR(transaction_.Read(number, &page));
  const unsigned slot = LowerBound(*page, key, found);
  if (!*found) return Status::Ok();
  Page* leaf = nullptr;
  RETURN_IF_ERROR(transaction_.Modify(number, &leaf));
  const Cell cell = LeafCell(*leaf, slot);
  if (cell.is_overflow) RETURN_IF_ERROR(transaction_.FreeChain(cell.chain, cell.value_bytes));
  RemoveCell(*leaf, slot);
  --transaction_.meta().count;
  return Shrink(number);
}

// Merges a page that has become small with a neighbour, and so on upwards.
Status TreeWriter::Shrink(PageNo number) {
  while (!path_.empty()) {
    const Page* page = nullptr;
    RETURN_IF_ERROR(transaction_.Read(number, &page));
    if (UsedBytes(*page) >= kMergeBelowBytes) return Status::Ok();
    const Step step = path_.back();
    RETURN_IF_ERROR(transaction_.Read(step.page, &page));
    const bool has_right = step.child < page->header.slots;
    const PageNo right = has_right ? ChildAt(*page, step.child + 1) : kNoPage;
    const PageNo left = step.child > 0 ? ChildAt(*page, step.child - 1) : kNoPage;
    bool merged = false;
    if (right != kNoPage) {
      RETURN_IF_ERROR(TryMerge(number, right, step.page, step.child, &merged));
    }
    if (!merged && left != kNoPage) {
      RETURN_IF_ERROR(TryMerge(left, number, step.page, step.child - 1, &merged));
    }
    if (!merged) return Status::Ok();
    path_.pop_back();
    number = step.page;
  }
  return CollapseRoot();
}

// `slot` of the parent separates the two. Moves all to the left page and frees the right one, if
// they fit well together.
Status TreeWriter::TryMerge(PageNo left, PageNo right, PageNo parent, unsigned slot, bool* merged) {
  const Page* page = nullptr;
  RETURN_IF_ERROR(transaction_.Read(parent, &page));
  const size_t separator_bytes = CellBytes(*page, slot).size() + kSlotBytes;
  RETURN_IF_ERROR(transaction_.Read(left, &page));
  const bool inner = page->header.type == PageType::kInner;
  bool one_is_empty = page->header.slots == 0;
  size_t total = UsedBytes(*page) + (inner ? separator_bytes : 0);
  RETURN_IF_ERROR(transaction_.Read(right, &page));
  one_is_empty = one_is_empty || page->header.slots == 0;
  total += UsedBytes(*page);
  if (total > (one_is_empty ? kPayloadBytes : kMergedBytes)) return Status::Ok();

  Page *left_page = nullptr, *right_page = nullptr, *parent_page = nullptr;
  RETURN_IF_ERROR(transaction_.Modify(parent, &parent_page));
  RETURN_IF_ERROR(transaction_.Modify(left, &left_page));
  RETURN_IF_ERROR(transaction_.Modify(right, &right_page));
  if (inner) {
    CellBuilder builder;
    InsertCell(*left_page, left_page->header.slots,
               builder.Child(KeyAt(*parent_page, slot), right_page->header.aux));
  }
  for (unsigned i = 0; i < right_page->header.slots; ++i) {
    InsertCell(*left_page, left_page->header.slots, CellBytes(*right_page, i));
  }
  RemoveCell(*parent_page, slot);
  *merged = true;
  return transaction_.Free(right);
}

Status TreeWriter::CollapseRoot() {
  while (true) {
    const PageNo root = transaction_.meta().root;
    const Page* page = nullptr;
    RETURN_IF_ERROR(transaction_.Read(root, &page));
    if (page->header.type != PageType::kInner || page->header.slots != 0) return Status::Ok();
    transaction_.meta().root = page->header.aux;
    RETURN_IF_ERROR(transaction_.Free(root));
  }
}

Status TreeReader::FindLeaf(std::string_view key, BufferPool::Ref* leaf, Lsn* seen,
                            std::string* upper, bool* has_upper) {
  if (has_upper != nullptr) *has_upper = false;
  RETURN_IF_ERROR(pool_.Fetch(root_, leaf));
  RETURN_IF_ERROR(CheckTreePage(**leaf, -1));
  while (true) {
    const Page& page = **leaf;
    *seen = std::max(*seen, page.header.lsn);
    if (page.header.type == PageType::kLeaf) return Status::Ok();
    const unsigned child = ChildFor(page, key);
    if (upper != nullptr && child < page.header.slots) {
      *upper = KeyAt(page, child);
      *has_upper = true;
    }
    const int level = page.header.level - 1;
    RETURN_IF_ERROR(pool_.Fetch(ChildAt(page, child), leaf));
    RETURN_IF_ERROR(CheckTreePage(**leaf, level));
  }
}

Status TreeReader::ReadChain(Chain chain, uint32_t value_bytes, char* value, Lsn* seen) {
  BufferPool::Ref ref;
  PageNo number = chain.first;
  for (size_t done = 0; done < value_bytes;) {
    RETURN_IF_ERROR(pool_.Fetch(number, &ref));
    const size_t part = std::min<size_t>(kPayloadBytes, value_bytes - done);
    if (ref->header.type != PageType::kOverflow || ref->header.aux != part) {
      return BadPage(number, "should hold part of a long value");
    }
    std::memcpy(value + done, ref->payload, part);
    *seen = std::max(*seen, ref->header.lsn);
    done += part;
    number = ref->header.next;
  }
  return Status::Ok();
}

}  // namespace fencepost::filestore
