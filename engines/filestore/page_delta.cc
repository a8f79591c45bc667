// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/page_delta.h"

#include <algorithm>
#include <cstring>

namespace fencepost::filestore {
namespace {

struct EntryHeader {
  PageNo page;
  uint16_t runs;
  uint8_t full;
  uint8_t zero;
};
static_assert(sizeof(EntryHeader) == 8);

struct RunHeader {
  uint16_t offset;
  uint16_t bytes;
};

constexpr size_t kWord = sizeof(uint64_t);
// The checksum is at 0, the LSN at 8; in between lie type, level and slots.
constexpr size_t kKindOffset = 4;
constexpr size_t kKindBytes = 4;
constexpr size_t kBodyOffset = 16;
static_assert(offsetof(PageHeader, type) == kKindOffset && offsetof(PageHeader, lsn) == 8);

// How far into a page its content can differ.
size_t ExtentOf(const Page& page) {
  const bool meta = page.header.type == PageType::kMeta;
  return meta ? sizeof(PageHeader) + (sizeof(Meta) + kWord - 1) / kWord * kWord : kPageBytes;
}

bool SameWord(const char* a, const char* b, size_t at) {
  return std::memcmp(a + at, b + at, kWord) == 0;
}

// Fills in an entry behind `out`; returns its number of runs.
unsigned AppendRuns(const char* before, const char* after, size_t extent, std::string* out) {
  unsigned runs = 0;
  const auto append = [&](size_t offset, size_t bytes) {
    const RunHeader run{static_cast<uint16_t>(offset), static_cast<uint16_t>(bytes)};
    out->append(reinterpret_cast<const char*>(&run), sizeof(run));
    out->append(after + offset, bytes);
    ++runs;
  };
  if (std::memcmp(before + kKindOffset, after + kKindOffset, kKindBytes) != 0) {
    append(kKindOffset, kKindBytes);
  }
  constexpr size_t kStride = 64;  // equal stretches are skipped in such steps
  for (size_t at = kBodyOffset; at < extent;) {
    if (at + kStride <= extent && std::memcmp(before + at, after + at, kStride) == 0) {
      at += kStride;
    } else if (SameWord(before, after, at)) {
      at += kWord;
    } else {
      const size_t start = at;
      while (at < extent && !SameWord(before, after, at)) at += kWord;
      append(start, at - start);
    }
  }
  return runs;
}

void Encode(const Page& before, const Page& after, bool full, std::string* out) {
  const size_t start = out->size();
  EntryHeader entry{after.header.page, 0, full, 0};
  out->append(reinterpret_cast<const char*>(&entry), sizeof(entry));
  entry.runs =
      static_cast<uint16_t>(AppendRuns(before.bytes(), after.bytes(), ExtentOf(after), out));
  if (entry.runs == 0 && !full) {
    out->resize(start);
  } else {
    std::memcpy(out->data() + start, &entry, sizeof(entry));
  }
}

}  // namespace

void EncodeDelta(const Page& before, const Page& after, std::string* out) {
  Encode(before, after, false, out);
}

void EncodeFullImage(const Page& after, std::string* out) {
  static const Page kZeros{};
  Encode(kZeros, after, true, out);
}

bool DeltaReader::Next() {
  if (rest_.empty()) return false;
  EntryHeader entry;
  ok_ = rest_.size() >= sizeof(entry);
  if (!ok_) return false;
  std::memcpy(&entry, rest_.data(), sizeof(entry));
  rest_.remove_prefix(sizeof(entry));
  page_ = entry.page;
  full_ = entry.full != 0;
  ok_ = SkipRuns(entry.runs);
  return ok_;
}

bool DeltaReader::SkipRuns(unsigned runs) {
  const std::string_view start = rest_;
  for (unsigned i = 0; i < runs; ++i) {
    RunHeader run;
    if (rest_.size() < sizeof(run)) return false;
    std::memcpy(&run, rest_.data(), sizeof(run));
    rest_.remove_prefix(sizeof(run));
    if (rest_.size() < run.bytes || size_t{run.offset} + run.bytes > kPageBytes) return false;
    rest_.remove_prefix(run.bytes);
  }
  runs_ = start.substr(0, start.size() - rest_.size());
  return true;
}

void DeltaReader::ApplyTo(Page* page) const {
  if (full_) std::memset(page->bytes(), 0, kPageBytes);
  for (std::string_view rest = runs_; !rest.empty();) {
    RunHeader run;
    std::memcpy(&run, rest.data(), sizeof(run));
    std::memcpy(page->bytes() + run.offset, rest.data() + sizeof(run), run.bytes);
    rest.remove_prefix(sizeof(run) + run.bytes);
  }
  page->header.page = page_;
}

}  // namespace fencepost::filestore
