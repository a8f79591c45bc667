// SPDX-License-Identifier: BSD-3-Clause
// A recovery from a crash state: who does it, and what came of it.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_H_

#include <filesystem>
#include <string>
#include <vector>

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
  // Recovers from the images at `paths` (in the order of the files' numbers; of a directory its
  // own), and says what there is. Leaves nothing open. `context` is what the state was submitted
  // with.
  virtual std::string Recover(const std::vector<std::string>& paths,
                              const std::string& context) = 0;
  // The same, without using the store on after the recovery: what is watched. What it answers
  // depends on the images and the context only.
  virtual std::string RecoverOnly(const std::vector<std::string>& paths,
                                  const std::string& context) {
    return Recover(paths, context);
  }
  // Whether Recover does more than RecoverOnly.
  virtual bool UsesOn() const { return false; }
};

struct PoolOptions {
  unsigned workers = 1;
  double timeout_s = 10;
  std::filesystem::path scratch_root = "/dev/shm";
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_H_
