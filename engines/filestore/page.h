// SPDX-License-Identifier: BSD-3-Clause
// What is inside one 4 KiB page: the header that all pages share, slotted pages (leaves and inner
// pages of the B+-tree), overflow pages, and the meta page.
//
//   slotted page:  | header | slot 0 | slot 1 | ... ->      free      <- ... | cell | cell |
//   A slot is the offset of a cell; slots are in key order. A removed cell becomes garbage that
//   Compact takes back. A leaf cell holds a value, or the ends of the overflow chain that does.
//   Child i of an inner page holds the keys >= key i; its leftmost child is in the header.
//
// Invariants:
//   1. A page on disk carries its own number, the LSN of the last log record that changed it, and a
//      checksum over everything after the checksum.
//   2. A cell is at most kMaxCellBytes, so a slotted page always takes two, and any page with one
//      cell too many can be split in two.
// Threads: none; whoever calls holds the page.
// Numbers are little-endian, as the machine has them (x86-64).
#ifndef FENCEPOST_ENGINES_FILESTORE_PAGE_H_
#define FENCEPOST_ENGINES_FILESTORE_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fencepost::filestore {

using PageNo = uint32_t;
// A position in the endless stream of log bytes. The LSN of a record is where it ends.
using Lsn = uint64_t;

inline constexpr size_t kPageBytes = 4096;
inline constexpr PageNo kMetaPage = 0;
inline constexpr PageNo kNoPage = 0;  // no link ever points at the meta page
inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr uint64_t kMaxValueBytes = uint64_t{1} << 30;

enum class PageType : uint8_t {
  kNone = 0,
  kMeta = 1,
  kLeaf = 2,
  kInner = 3,
  kOverflow = 4,
  kFree = 5
};

struct PageHeader {
  uint32_t checksum;
  PageType type;
  uint8_t level;  // 0 in a leaf
  uint16_t slots;
  Lsn lsn;
  PageNo page;
  PageNo next;             // of an overflow chain or of the free list
  uint16_t heap_start;     // offset of the lowest cell
  uint16_t garbage_bytes;  // removed cells above heap_start
  uint32_t aux;            // inner: leftmost child; overflow: payload bytes here
};
static_assert(sizeof(PageHeader) == 32);

inline constexpr size_t kPayloadBytes = kPageBytes - sizeof(PageHeader);
inline constexpr size_t kSlotBytes = sizeof(uint16_t);
inline constexpr size_t kMaxCellBytes = kPayloadBytes / 2 - kSlotBytes;

struct alignas(kPageBytes) Page {
  PageHeader header;
  char payload[kPayloadBytes];

  char* bytes() { return reinterpret_cast<char*>(this); }
  const char* bytes() const { return reinterpret_cast<const char*>(this); }
};
static_assert(sizeof(Page) == kPageBytes);

// The payload of page 0. The first four never change, and lie in the first 512 bytes: a torn write
// cannot take them away.
struct Meta {
  uint64_t magic;
  uint32_t version;
  uint32_t page_bytes;
  uint64_t store_id;  // ties the log file to the data file
  uint64_t count;     // pairs stored
  PageNo root;
  PageNo page_count;  // pages of the file that were ever allocated, this one included
  PageNo free_head;
  PageNo free_count;
};
inline constexpr uint64_t kMagic = 0x31305352'4f545346;  // "FSTORS01" in the file
inline constexpr uint32_t kFormatVersion = 1;

inline Meta& MetaOf(Page& page) { return *reinterpret_cast<Meta*>(page.payload); }
inline const Meta& MetaOf(const Page& page) { return *reinterpret_cast<const Meta*>(page.payload); }

// Of the page as it would be written, without its checksum field.
uint32_t PageChecksum(const Page& page);

// Makes an empty page of a type; everything else is zero.
void InitPage(Page& page, PageNo number, PageType type, unsigned level);

// ---- Slotted pages ----

struct CellHeader {
  uint16_t key_bytes;
  uint16_t is_overflow;  // leaf: 1 if the value is in an overflow chain
  uint32_t value_bytes;  // leaf: of the value; inner: the child's page number
};
static_assert(sizeof(CellHeader) == 8);

struct Chain {
  PageNo first = kNoPage;
  PageNo last = kNoPage;
};

// A cell, taken apart. The views are into the page.
struct Cell {
  std::string_view key;
  bool is_overflow = false;
  uint32_t value_bytes = 0;
  std::string_view value;  // empty if is_overflow
  Chain chain;             // set if is_overflow
};

Cell LeafCell(const Page& page, unsigned slot);
std::string_view KeyAt(const Page& page, unsigned slot);
// The cell's bytes as they are stored; what InsertCell takes.
std::string_view CellBytes(const Page& page, unsigned slot);

// Index of the first slot whose key is >= `key`; `*exact` if it is equal.
unsigned LowerBound(const Page& page, std::string_view key, bool* exact);

// Child number of an inner page: 0 is the leftmost, i+1 the child of slot i.
PageNo ChildAt(const Page& page, unsigned child);
// Which child leads to `key`.
unsigned ChildFor(const Page& page, std::string_view key);

size_t UsedBytes(const Page& page);  // cells and slots
inline size_t FreeBytes(const Page& page) { return kPayloadBytes - UsedBytes(page); }
inline bool Fits(const Page& page, size_t cell_bytes) {
  return cell_bytes + kSlotBytes <= FreeBytes(page);
}

// REQUIRES Fits. Compacts if the free space is in pieces. `cell` is not in this page.
void InsertCell(Page& page, unsigned slot, std::string_view cell);
void RemoveCell(Page& page, unsigned slot);
// Overwrites a cell with one of the same size, so that the change to the page stays small.
void ReplaceCell(Page& page, unsigned slot, std::string_view cell);

// A cell built in place, to be inserted.
class CellBuilder {
 public:
  std::string_view Inline(std::string_view key, std::string_view value);
  std::string_view Overflow(std::string_view key, uint32_t value_bytes, Chain chain);
  std::string_view Child(std::string_view key, PageNo child);

 private:
  char* Start(std::string_view key, CellHeader header);
  char buffer_[kMaxCellBytes];
};

inline size_t InlineCellBytes(std::string_view key, std::string_view value) {
  return sizeof(CellHeader) + key.size() + value.size();
}

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_PAGE_H_
