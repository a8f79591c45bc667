// SPDX-License-Identifier: BSD-3-Clause
// Change: what one operation does to a pool, all or nothing.
//
// Space is reserved and written while nothing refers to it; stores to words and frees are noted.
// Commit makes it happen by the cheapest means that is safe:
//   one word                             one 8-byte store
//   several words                        the intent log
//   an object of libpmemobj is concerned a Publication, whose redo log has all of it
//   more words than the intent log takes likewise
// What is not committed is taken back on destruction.
//
// Invariants:
//   1. Nothing persistent that can be reached is changed before Commit.
//   2. What is freed can be handed out again only when no durable word refers to it any more.
// Threads: one a Change. The caller keeps other writers from the words concerned.
#ifndef FENCEPOST_ENGINES_CMAP_CHANGE_H_
#define FENCEPOST_ENGINES_CMAP_CHANGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "engines/cmap/cmap_store.h"
#include "engines/pmem/publication.h"
#include "engines/status.h"

namespace fencepost::cmap {

struct ChangeScratch;

class Change {
 public:
  explicit Change(Store& store);
  ~Change();
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  // The word as it will be after Commit.
  uint64_t LoadWord(uint64_t* word) const;
  void StoreWord(uint64_t* word, uint64_t value);

  // Space for a record or an overflow bucket; offset 0 if there is none. Its contents are
  // undefined; the caller writes and flushes them before Commit, which drains.
  RecordRef ReserveRecord(uint64_t bytes);
  uint64_t ReserveBucket();
  // What the words will make reachable was written in place, not in what was reserved here, and
  // flushed: it is durable before they can be.
  void NoteWrittenInPlace() { wrote_in_place_ = true; }

  // What was reachable before, or was reserved here; `bytes` as reserved.
  void FreeRecord(RecordRef record, uint64_t bytes);

  // kFull if a redo log does not fit into the pool; then nothing has changed.
  Status Commit();

  // Whether CommitWords may be called.
  bool FitsIntentLog() const;
  // Cannot fail. `watcher`, if there is one, is told when the words change visibly. REQUIRES: no
  // object of libpmemobj is concerned, and the words fit into the intent log.
  void CommitWords(CommitWatcher* watcher = nullptr);

 private:
  pmem::Publication& publication();
  void FreePosition(uint64_t offset, size_t size_class);
  void Finish();

  Store& store_;
  std::unique_ptr<ChangeScratch> scratch_;
  bool wrote_in_place_ = false;
  std::optional<pmem::Publication> publication_;  // once an object of libpmemobj is concerned
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CHANGE_H_
