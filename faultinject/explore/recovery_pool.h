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
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/explore/scratch_folder.h"
#include "faultinject/explore/strategies.h"

namespace fencepost {

// What came of one recovery.
struct Outcome {
  enum class End : unsigned char {
    kAnswered,  // `answer` is what the Recoverer returned
    kSignal,    // `code` is the signal that ended it
    kExited,    // it ended the process with exit code `code`
    kTimedOut,
  };
  End end = End::kAnswered;
  int code = 0;
  std::string answer;
  std::string complaint;  // the end of what it wrote to standard error, where it did not answer

  bool operator==(const Outcome&) const = default;
};

// How to recover. Called in a worker.
class Recoverer {
 public:
  virtual ~Recoverer() = default;
  // Recovers from the images at `paths` (in the order of the files' numbers), and says what there
  // is. Leaves nothing open. `context` is what the state was submitted with.
  virtual std::string Recover(const std::vector<std::string>& paths,
                              const std::string& context) = 0;
};

struct PoolOptions {
  unsigned workers = 1;
  double timeout_s = 10;
  std::filesystem::path scratch_root = "/dev/shm";
};

class RecoveryPool {
 public:
  using Done = std::function<void(uint64_t job, Outcome outcome)>;

  // REQUIRES: `images` and `recoverer` outlive the pool. kFull or kIoError if images cannot be
  // made.
  static Result<std::unique_ptr<RecoveryPool>> Start(const PoolOptions& options, ImageSet* images,
                                                     Recoverer* recoverer, Done done);
  ~RecoveryPool();

  // Starts the recovery from `state` over what `images` holds now. Waits for a free worker;
  // `done` is called for each recovery that ends meanwhile.
  Status Submit(uint64_t job, const CrashState& state, const std::string& context);
  // Waits until nothing is under way.
  Status Drain();

 private:
  class Worker;
  RecoveryPool(const PoolOptions& options, ImageSet* images, Recoverer* recoverer, Done done);
  // Waits until a busy worker has ended its recovery, or has run out of time.
  Status AwaitOne();
  void ReapStraysOfWorkers();
  void ForgetJournal();

  const PoolOptions options_;
  ImageSet* const images_;
  Recoverer* const recoverer_;
  const Done done_;
  std::optional<ScratchFolder> scratch_;  // set once started
  std::vector<std::unique_ptr<Worker>> workers_;
};

// Writes the images of a state as files into `folder`, which is made; returns their paths.
Result<std::vector<std::string>> WriteImages(const ImageSet& images, const CrashState& state,
                                             const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_POOL_H_
