// SPDX-License-Identifier: BSD-3-Clause
// What a log record says about pages: a sequence of entries, each the runs of bytes in which a page
// differs from what it was before, or (a full image) from a page of zeros. The encoder compares two
// pages, so what the tree does to a page cannot be forgotten in the log.
//
//   entry: page u32, runs u16, full u8, 0 u8, then runs: offset u16, bytes u16, the bytes
// Checksum and LSN of a page are not in it: both follow from the record.
#ifndef FENCEPOST_ENGINES_FILESTORE_PAGE_DELTA_H_
#define FENCEPOST_ENGINES_FILESTORE_PAGE_DELTA_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "engines/filestore/page.h"

namespace fencepost::filestore {

// The most that one entry takes.
inline constexpr size_t kMaxEntryBytes = kPageBytes + 64;

// Appends the entry that turns `before` into `after`; nothing if they are equal.
void EncodeDelta(const Page& before, const Page& after, std::string* out);
// Appends the entry that makes `after` from nothing.
void EncodeFullImage(const Page& after, std::string* out);

// Takes the entries of a record apart. Every length is checked.
class DeltaReader {
 public:
  explicit DeltaReader(std::string_view payload) : rest_(payload) {}

  // False at the end, or if what follows makes no sense: then ok() is false.
  bool Next();
  bool ok() const { return ok_; }
  PageNo page() const { return page_; }
  bool full() const { return full_; }
  // Changes `page` (zeroed first if full()) as the entry says.
  void ApplyTo(Page* page) const;

 private:
  bool SkipRuns(unsigned runs);

  std::string_view rest_;
  std::string_view runs_;
  PageNo page_ = 0;
  bool full_ = false;
  bool ok_ = true;
};

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_PAGE_DELTA_H_
