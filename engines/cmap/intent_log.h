// SPDX-License-Identifier: BSD-3-Clause
// IntentLog: carries out stores to several words so that after a crash all or none has happened.
//
// The words are written to the log and made durable; then their count is, which is the moment of
// commitment; then they are stored in place and made durable; then the count is cleared. A crash
// after the commitment leaves a count, and recovery stores the words again. There is no checksum
// of the whole: each step is durable before the next begins, so recovery never reads what may be
// torn. All words are checked ones, so it stores none that a flipped bit has changed.
//
// Threads: any; one change at a time is carried out.
#ifndef FENCEPOST_ENGINES_CMAP_INTENT_LOG_H_
#define FENCEPOST_ENGINES_CMAP_INTENT_LOG_H_

#include <cstdint>
#include <mutex>

#include "engines/cmap/cmap_layout.h"
#include "engines/pmem/pending_stores.h"
#include "engines/pmem/pool.h"
#include "engines/status.h"

namespace fencepost::cmap {

// Told of a change while it is carried out: its stores become visible between the two calls. By
// then it can no longer be undone.
class CommitWatcher {
 public:
  virtual ~CommitWatcher() = default;
  virtual void BeforeStores() = 0;
  virtual void AfterStores() = 0;
};

class IntentLog {
 public:
  // REQUIRES: `unit` was zero when it was made, and nothing else writes to it.
  IntentLog(pmem::Pool& pool, IntentLogUnit* unit) : pool_(pool), unit_(unit) {}

  // Finishes what a crash interrupted. kCorrupt if the log says what it cannot.
  Status Recover();

  // Carries out the stores. What was flushed before is durable before any of them is. `watcher`
  // may be null. REQUIRES: at most kIntentEntries stores, of checked words; the caller keeps other
  // writers from them.
  void CarryOut(const pmem::PendingStores& stores, CommitWatcher* watcher);

 private:
  void SetCount(uint64_t count);

  pmem::Pool& pool_;
  IntentLogUnit* const unit_;
  std::mutex mutex_;
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_INTENT_LOG_H_
