// SPDX-License-Identifier: BSD-3-Clause
// A mini-transaction: all the page changes of one Put, Delete or Apply, which become one log record
// and so happen together or not at all.
//
// It changes private copies. Until Install nobody sees any of it, and dropping it is all that it
// takes to undo it; so an operation that fails half way (a page that cannot be read, no space) has
// no effect. It pins nothing: memory beyond the buffer pool is what it changes.
//
// Space: pages come from the free list, a chain through `next` of pages that keep whatever they
// held; freeing an overflow chain splices the whole chain in front of it. Else from the end of the
// file.
// Threads: one, the writer.
#ifndef FENCEPOST_ENGINES_FILESTORE_MINI_TRANSACTION_H_
#define FENCEPOST_ENGINES_FILESTORE_MINI_TRANSACTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engines/filestore/buffer_pool.h"
#include "engines/filestore/page.h"
#include "engines/status.h"

namespace fencepost::filestore {

inline constexpr uint64_t OverflowPages(uint64_t value_bytes) {
  return (value_bytes + kPayloadBytes - 1) / kPayloadBytes;
}

class MiniTransaction {
 public:
  explicit MiniTransaction(BufferPool* pool) : pool_(pool) {}

  // Forgets everything and starts anew from the pool's meta page; keeps memory.
  Status Begin();

  // The page as this transaction sees it. Valid until the next call for another page.
  Status Read(PageNo number, const Page** page);
  // A private copy to be changed; valid until the transaction ends or frees the page.
  Status Modify(PageNo number, Page** page);
  // A new, empty page.
  Status Allocate(PageType type, unsigned level, Page** page);
  Status Free(PageNo number);

  // `value` must stay until Install.
  Status AllocateChain(std::string_view value, Chain* chain);
  // REQUIRES that the chain was there when the transaction began.
  Status FreeChain(Chain chain, uint64_t value_bytes);

  Meta& meta() { return MetaOf(*shadows_.front().page); }

  // At least what Encode makes.
  uint64_t MaxRecordBytes() const;
  // Nothing but the meta page was touched.
  bool empty() const { return shadows_.size() == 1 && chains_.empty(); }

  // Appends the record. Pages whose LSN is at most `epoch_start` are logged in full, so that replay
  // never depends on what a crash may have torn.
  Status Encode(Lsn epoch_start, std::string* record);

  // Puts the pages into the pool. REQUIRES the tree latch, held exclusively.
  Status Install(Lsn lsn);

 private:
  struct Shadow {
    PageNo number;
    std::unique_ptr<Page> page;
    bool fresh;    // what it was before is of no interest
    bool dropped;  // has become an overflow page
  };
  struct PendingChain {
    std::vector<PageNo> pages;
    std::string_view value;
  };

  Shadow* FindShadow(PageNo number);
  Shadow* AddShadow(PageNo number, bool fresh);
  Status TakePage(PageNo* number);
  static void FillChainPage(const PendingChain& chain, size_t i, Page* page);

  BufferPool* const pool_;
  BufferPool::Ref ref_;
  std::vector<Shadow> shadows_;               // the meta page first
  std::unordered_map<PageNo, size_t> index_;  // of shadows_, once there are many
  std::vector<PendingChain> chains_;
  uint64_t chain_pages_ = 0;
  std::vector<std::unique_ptr<Page>> spare_;
};

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_MINI_TRANSACTION_H_
