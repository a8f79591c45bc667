// SPDX-License-Identifier: BSD-3-Clause
// Recovers an engine's store from a crash image: opens it, reads and checks every pair, counts what
// is allocated, and uses it on.
//
// Used on: once for each distinct outcome that this process has seen, some pairs are put,
// overwritten and deleted, the store is closed, opened and read again. It must hold what a map
// would.
// Threads: none.
#ifndef FENCEPOST_HARNESS_CRASH_ENGINE_RECOVERY_H_
#define FENCEPOST_HARNESS_CRASH_ENGINE_RECOVERY_H_

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "engines/engine_table.h"
#include "faultinject/explore/recovery_pool.h"
#include "harness/crash/recovered_store.h"

namespace fencepost {

// Reads every pair: its version if the value is whole. Duplicates of a key are faults.
Status ReadStore(Engine& engine, RecoveredStore* store);

class EngineRecovery : public Recoverer {
 public:
  // `operations_after`: how often the store is used after a recovery. 0: not at all.
  EngineRecovery(const EngineRow& row, EngineOptions options, unsigned operations_after);

  // The answer is RecoveredStore::Encode().
  std::string Recover(const std::vector<std::string>& paths, const std::string& context) override;

 private:
  RecoveredStore RecoverStore(const std::string& path);
  // What has gone wrong, or "".
  std::string UseOn(const RecoveredStore& recovered);

  const EngineRow& row_;
  EngineOptions options_;
  const unsigned operations_after_;
  // By the hash of contents and audit: what came of using such a store on.
  std::unordered_map<uint64_t, std::string> used_on_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_ENGINE_RECOVERY_H_
