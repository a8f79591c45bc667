// SPDX-License-Identifier: BSD-3-Clause
// A run of an engine that was not recorded and is over: killed, or come to its end. Its store lies
// in one folder, what the client asked and was told in another.
//
// Positions in its history are the numbers of the history's lines, in the order in which the client
// wrote them.
// Threads: none.
#ifndef FENCEPOST_HARNESS_CRASH_ENDED_RUN_H_
#define FENCEPOST_HARNESS_CRASH_ENDED_RUN_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <unordered_map>

#include "engines/status.h"
#include "faultinject/explore/crash_point.h"
#include "harness/child_process.h"
#include "harness/crash/engine_recording.h"
#include "harness/oracle/history.h"

namespace fencepost {

// What survives the process, in the words of what survives a power loss, which the oracle knows.
Durability AfterProcessDeath(Durability durability);

// `to` is made anew. kIoError.
Status CopyStore(const std::filesystem::path& from, const std::filesystem::path& to);

// Starts a run of the workload on `store`, which is there, its history into `history`, which is
// made anew; comes back once its first operation has begun.
Result<ChildProcess> StartClient(const CrashSubject& subject, const std::filesystem::path& store,
                                 const std::filesystem::path& history);

class EndedRun {
 public:
  // `folder`: of the history. kCorrupt if it is damaged before its last line.
  static Result<EndedRun> Read(const CrashSubject& subject, const std::filesystem::path& folder);

  const RunPlan& plan() const { return plan_; }
  const History& history() const { return *history_; }
  // Whether an operation was refused for want of space.
  bool MayBeFull() const;
  // Behind the last line.
  CrashPoint Point() const { return {.index = 0, .event = lines_ + 1}; }
  std::unordered_map<uint64_t, OperationSpan> Operations() const;
  uint64_t CountAnswered() const;

 private:
  RunPlan plan_;
  std::unique_ptr<const History> history_;
  uint64_t lines_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_ENDED_RUN_H_
