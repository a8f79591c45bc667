// SPDX-License-Identifier: BSD-3-Clause
// TreePool: recovers from directory trees, in child processes that are used again and again.
//
// Each worker has one folder on a tmpfs, which is made to hold the tree of each recovery.
//
// Invariants: as of WorkerProcess; nothing of the folders outlives the pool. What a recovery did to
//   its folder never reaches another one.
// Threads: one owner; see WorkerProcess.
// Not covered: what a recovery does outside of its folder.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_POOL_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_POOL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/recovery.h"
#include "faultinject/explore/scratch_folder.h"
#include "faultinject/iotrace/file_tree.h"
#include "faultinject/watch/files/file_watch.h"

namespace fencepost {

// What a recovery has read of its tree.
struct TreeReads {
  FileReadLog log;
  std::vector<std::string> paths = {};  // of the files that the log names, from the root
};

class TreePool {
 public:
  using Done = std::function<void(uint64_t job, Outcome outcome)>;
  using WatchedDone = std::function<void(uint64_t job, Outcome outcome, TreeReads reads)>;

  // REQUIRES: `recoverer` outlives the pool.
  static Result<std::unique_ptr<TreePool>> Start(const PoolOptions& options, Recoverer* recoverer,
                                                 Done done);
  ~TreePool();

  // Starts the recovery from `tree`. Waits for a free worker; `done` is called for each recovery
  // that ends meanwhile. kFull, kIoError if the tree cannot be written.
  Status Submit(uint64_t job, const FileTree& tree, const std::string& context);
  // The same, without using the store on (Recoverer::RecoverOnly).
  Status SubmitOnly(uint64_t job, const FileTree& tree, const std::string& context);
  // As SubmitOnly, with what it reads (FileWatch). REQUIRES: OnWatchedDone has been called.
  Status SubmitWatched(uint64_t job, const FileTree& tree, const std::string& context);
  // From now on workers can watch. REQUIRES: nothing has been submitted.
  void OnWatchedDone(WatchedDone done) { watched_done_ = std::move(done); }
  // Waits until nothing is under way.
  Status Drain();

 private:
  struct Worker;
  TreePool(const PoolOptions& options, Recoverer* recoverer, Done done, ScratchFolder scratch);
  Status Replace(Worker* worker);  // by a new process
  Status Submit(uint64_t job, const FileTree& tree, const std::string& context, char how);
  Status StartWorker(Worker* worker);
  Status AwaitOne();
  void ReapStraysOfWorkers();

  const PoolOptions options_;
  Recoverer* const recoverer_;
  const Done done_;
  WatchedDone watched_done_;
  const ScratchFolder scratch_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_POOL_H_
