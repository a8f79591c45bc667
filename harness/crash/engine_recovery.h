// SPDX-License-Identifier: BSD-3-Clause
// Recovers an engine's store from a crash image: opens it, reads and checks every pair, counts what
// is allocated, and uses it on.
//
// Used on: some pairs are put, overwritten and deleted, the store is closed, opened and read again.
// It must hold what a map would, leak no more than it did, and count right.
//
// Invariants: what came of using a store on is said of the very image that was used on. Images that
//   differ only where no reader looks may fare differently, so nothing is concluded from another.
// Threads: none.
// Not covered: which images are used on is for who asks to choose (Recover or RecoverOnly).
#ifndef FENCEPOST_HARNESS_CRASH_ENGINE_RECOVERY_H_
#define FENCEPOST_HARNESS_CRASH_ENGINE_RECOVERY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engines/engine_table.h"
#include "faultinject/explore/recovery_pool.h"
#include "harness/crash/recovered_store.h"

namespace fencepost {

// Reads every pair: its version if the value is whole. Duplicates of a key are faults.
Status ReadStore(Engine& engine, RecoveredStore* store);

// How a store is used after a recovery.
struct UseAfterwards {
  unsigned operations = 12;  // 0: not at all
  bool may_be_full = false;  // a refusal for want of space is no fault: the run had some as well
  bool gets = false;         // before that: each pair that was read is read once more, by its key
};

class EngineRecovery : public Recoverer {
 public:
  // REQUIRES: `row` outlives the recovery. `created_as`: where the run was to make the store, below
  // the path that is recovered from; the recovery makes it if need be. Empty: the store was there.
  EngineRecovery(const EngineRow& row, EngineOptions options, UseAfterwards afterwards,
                 std::string created_as = {});

  // The answer is RecoveredStore::Encode().
  std::string Recover(const std::vector<std::string>& paths, const std::string& context) override;
  std::string RecoverOnly(const std::vector<std::string>& paths,
                          const std::string& context) override;
  bool UsesOn() const override { return afterwards_.operations > 0; }

 private:
  RecoveredStore RecoverStore(const std::string& path);
  Status GetEach(Engine& engine, RecoveredStore* store) const;
  Status UseOn(const RecoveredStore& recovered);

  const EngineRow& row_;
  EngineOptions options_;
  const UseAfterwards afterwards_;
  const std::string created_as_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_ENGINE_RECOVERY_H_
