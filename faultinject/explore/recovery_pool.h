// SPDX-License-Identifier: BSD-3-Clause
// RecoveryPool: recovers from crash states, in child processes that are used again and again.
//
// Each worker owns one image a file on a tmpfs and a copy in memory of what is durable. A state is
// made by writing to the image the lines in which it differs; after the recovery the worker puts
// back every page that does not equal the copy. So a state costs what it and its recovery change,
// and a comparison of memory.
//
// Invariants:
//   1. The recorded files are never opened for writing; a worker sees its own images only.
//   2. A recovery that outlives its time is killed with all that it has started, and so is every
//      worker when the pool goes away. What an answered recovery has left running is killed before
//      the next one begins. No image outlives the pool.
//   3. A worker whose recovery was killed, left processes or files behind, or replaced or resized
//      an image, is started anew.
// Threads: one owner; the process must have no other threads (it forks), and no other children
//   while the pool lives: it kills those that it does not know.
// Not covered: what a recovery does outside of its images.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_POOL_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_POOL_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/explore/recovery.h"
#include "faultinject/explore/scratch_folder.h"
#include "faultinject/explore/strategies.h"
#include "faultinject/watch/read_watch.h"

namespace fencepost {

class RecoveryPool {
 public:
  using Done = std::function<void(uint64_t job, Outcome outcome)>;
  // A line that is not what it was in the image before the state was put there.
  struct Changed {
    LineId line;
    LineBytes bytes{};
  };
  // What a watched recovery did.
  struct Deeds {
    ReadLog reads;
    // By the state and by the recovery together, in order; nothing if there are too many.
    std::optional<std::vector<Changed>> changes;
  };
  using WatchedDone = std::function<void(uint64_t job, Outcome outcome, Deeds deeds)>;

  // REQUIRES: `images` and `recoverer` outlive the pool. kFull or kIoError if images cannot be
  // made.
  static Result<std::unique_ptr<RecoveryPool>> Start(const PoolOptions& options, ImageSet* images,
                                                     Recoverer* recoverer, Done done);
  ~RecoveryPool();

  // Starts the recovery from `state` over what `images` holds now. Waits for a free worker;
  // `done` is called for each recovery that ends meanwhile.
  Status Submit(uint64_t job, const CrashState& state, const std::string& context);
  // The same with Recoverer::RecoverOnly.
  Status SubmitOnly(uint64_t job, const CrashState& state, const std::string& context);
  // One line to be watched: the bytes of it that matter, and how many contents it may have.
  struct Watched {
    LineId line;
    uint64_t bytes = 0;
    uint32_t contents = 1;
  };
  // The same as SubmitOnly, while what it reads of `lines` (sorted, at most
  // WatchBuffer::kMostLines) is noted; `watched_done` is called instead. The log's lines are
  // indices into `lines`. A recovery that is killed leaves what it has read up to then.
  Status SubmitWatched(uint64_t job, const CrashState& state, const std::string& context,
                       std::span<const Watched> lines);
  // REQUIRES: set before the first SubmitWatched.
  void OnWatchedDone(WatchedDone watched_done) { watched_done_ = std::move(watched_done); }
  // Waits until a recovery that is under way has ended, or was killed. REQUIRES: there is one.
  Status AwaitOne();
  // Waits until nothing is under way.
  Status Drain();

 private:
  class Worker;
  RecoveryPool(const PoolOptions& options, ImageSet* images, Recoverer* recoverer, Done done);
  Status SubmitPlain(uint64_t job, const CrashState& state, const std::string& context, char how);
  // An idle worker, ready. Waits for one.
  Result<Worker*> Ready();
  void ReapStraysOfWorkers();
  void ForgetJournal();

  const PoolOptions options_;
  ImageSet* const images_;
  Recoverer* const recoverer_;
  const Done done_;
  WatchedDone watched_done_;
  std::optional<ScratchFolder> scratch_;  // set once started
  std::vector<std::unique_ptr<Worker>> workers_;
};

// Writes the images of a state as files into `folder`, which is made; returns their paths.
Result<std::vector<std::string>> WriteImages(const ImageSet& images, const CrashState& state,
                                             const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_POOL_H_
