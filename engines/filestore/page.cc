// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/page.h"

#include <cstring>

#include "engines/filestore/crc32c.h"
#include "engines/status.h"

namespace fencepost::filestore {
namespace {

uint16_t SlotOffset(const Page& page, unsigned slot) {
  uint16_t offset;
  std::memcpy(&offset, page.payload + slot * kSlotBytes, sizeof(offset));
  return offset;
}

void SetSlotOffset(Page& page, unsigned slot, uint16_t offset) {
  std::memcpy(page.payload + slot * kSlotBytes, &offset, sizeof(offset));
}

const char* CellAt(const Page& page, unsigned slot) {
  return page.bytes() + SlotOffset(page, slot);
}

CellHeader HeaderOf(const char* cell) {
  CellHeader header;
  std::memcpy(&header, cell, sizeof(header));
  return header;
}

size_t CellBytesOf(PageType type, const CellHeader& header) {
  const size_t fixed = sizeof(CellHeader) + header.key_bytes;
  if (type == PageType::kInner) return fixed;
  return fixed + (header.is_overflow != 0 ? sizeof(Chain) : header.value_bytes);
}

// Moves all cells to the end of the page, so that the free space is in one piece.
void Compact(Page& page) {
  const Page old = page;
  size_t heap_start = kPageBytes;
  for (unsigned slot = 0; slot < page.header.slots; ++slot) {
    const std::string_view cell = CellBytes(old, slot);
    heap_start -= cell.size();
    std::memcpy(page.bytes() + heap_start, cell.data(), cell.size());
    SetSlotOffset(page, slot, static_cast<uint16_t>(heap_start));
  }
  page.header.heap_start = static_cast<uint16_t>(heap_start);
  page.header.garbage_bytes = 0;
}

}  // namespace

uint32_t PageChecksum(const Page& page) {
  // Four lanes, since the instruction has a latency of three cycles and starts one each cycle.
  constexpr size_t kLaneWords = kPageBytes / 4 / sizeof(uint64_t);
  uint64_t lane[4] = {~0u, ~0u, ~0u, ~0u};
  const char* bytes = page.bytes();
  for (size_t i = 0; i < kLaneWords; ++i) {
    for (size_t l = 0; l < 4; ++l) {
      uint64_t word;
      std::memcpy(&word, bytes + (l * kLaneWords + i) * sizeof(word), sizeof(word));
      if (l == 0 && i == 0) word &= ~uint64_t{0xffffffff};  // the checksum field itself
      lane[l] = _mm_crc32_u64(lane[l], word);
    }
  }
  return Crc32c(0, {reinterpret_cast<const char*>(lane), sizeof(lane)});
}

void InitPage(Page& page, PageNo number, PageType type, unsigned level) {
  std::memset(page.bytes(), 0, kPageBytes);
  page.header.type = type;
  page.header.level = static_cast<uint8_t>(level);
  page.header.page = number;
  page.header.heap_start = kPageBytes;
}

std::string_view KeyAt(const Page& page, unsigned slot) {
  const char* cell = CellAt(page, slot);
  return {cell + sizeof(CellHeader), HeaderOf(cell).key_bytes};
}

Cell LeafCell(const Page& page, unsigned slot) {
  const char* bytes = CellAt(page, slot);
  const CellHeader header = HeaderOf(bytes);
  Cell cell;
  cell.key = {bytes + sizeof(CellHeader), header.key_bytes};
  cell.is_overflow = header.is_overflow != 0;
  cell.value_bytes = header.value_bytes;
  const char* body = cell.key.data() + cell.key.size();
  if (cell.is_overflow) {
    std::memcpy(&cell.chain, body, sizeof(Chain));
  } else {
    cell.value = {body, header.value_bytes};
  }
  return cell;
}

std::string_view CellBytes(const Page& page, unsigned slot) {
  const char* cell = CellAt(page, slot);
  return {cell, CellBytesOf(page.header.type, HeaderOf(cell))};
}

unsigned LowerBound(const Page& page, std::string_view key, bool* exact) {
  unsigned low = 0, high = page.header.slots;
  *exact = false;
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    const int order = KeyAt(page, middle).compare(key);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
      if (order == 0) *exact = true;  // keys are unique: the search can only end here
    }
  }
  return low;
}

PageNo ChildAt(const Page& page, unsigned child) {
  return child == 0 ? page.header.aux : HeaderOf(CellAt(page, child - 1)).value_bytes;
}

unsigned ChildFor(const Page& page, std::string_view key) {
  bool exact;
  const unsigned slot = LowerBound(page, key, &exact);
  return exact ? slot + 1 : slot;
}

size_t UsedBytes(const Page& page) {
  return kPageBytes - page.header.heap_start - page.header.garbage_bytes +
         page.header.slots * kSlotBytes;
}

void InsertCell(Page& page, unsigned slot, std::string_view cell) {
  CHECK(Fits(page, cell.size()));
  const size_t slots_end = sizeof(PageHeader) + page.header.slots * kSlotBytes;
  if (page.header.heap_start - slots_end < cell.size() + kSlotBytes) Compact(page);
  page.header.heap_start = static_cast<uint16_t>(page.header.heap_start - cell.size());
  std::memcpy(page.bytes() + page.header.heap_start, cell.data(), cell.size());
  char* at = page.payload + slot * kSlotBytes;
  std::memmove(at + kSlotBytes, at, (page.header.slots - slot) * kSlotBytes);
  SetSlotOffset(page, slot, page.header.heap_start);
  ++page.header.slots;
}

void RemoveCell(Page& page, unsigned slot) {
  const size_t cell_bytes = CellBytes(page, slot).size();
  if (SlotOffset(page, slot) == page.header.heap_start) {
    page.header.heap_start = static_cast<uint16_t>(page.header.heap_start + cell_bytes);
  } else {
    page.header.garbage_bytes = static_cast<uint16_t>(page.header.garbage_bytes + cell_bytes);
  }
  char* at = page.payload + slot * kSlotBytes;
  --page.header.slots;
  std::memmove(at, at + kSlotBytes, (page.header.slots - slot) * kSlotBytes);
  if (page.header.slots == 0) {
    page.header.heap_start = kPageBytes;
    page.header.garbage_bytes = 0;
  }
}

void ReplaceCell(Page& page, unsigned slot, std::string_view cell) {
  CHECK(CellBytes(page, slot).size() == cell.size());
  std::memcpy(page.bytes() + SlotOffset(page, slot), cell.data(), cell.size());
}

char* CellBuilder::Start(std::string_view key, CellHeader header) {
  header.key_bytes = static_cast<uint16_t>(key.size());
  std::memcpy(buffer_, &header, sizeof(header));
  if (!key.empty()) std::memcpy(buffer_ + sizeof(header), key.data(), key.size());
  return buffer_ + sizeof(header) + key.size();
}

std::string_view CellBuilder::Inline(std::string_view key, std::string_view value) {
  CHECK(InlineCellBytes(key, value) <= kMaxCellBytes);
  char* body = Start(key, {0, 0, static_cast<uint32_t>(value.size())});
  if (!value.empty()) std::memcpy(body, value.data(), value.size());
  return {buffer_, InlineCellBytes(key, value)};
}

std::string_view CellBuilder::Overflow(std::string_view key, uint32_t value_bytes, Chain chain) {
  char* body = Start(key, {0, 1, value_bytes});
  std::memcpy(body, &chain, sizeof(chain));
  return {buffer_, sizeof(CellHeader) + key.size() + sizeof(chain)};
}

std::string_view CellBuilder::Child(std::string_view key, PageNo child) {
  Start(key, {0, 0, child});
  return {buffer_, sizeof(CellHeader) + key.size()};
}

}  // namespace fencepost::filestore
