// SPDX-License-Identifier: BSD-3-Clause
// Rendezvous: a barrier that its parties may leave for good. std::barrier can drop a party only
// while it arrives; a worker that has finished is not there to arrive again.
#ifndef FENCEPOST_HARNESS_RENDEZVOUS_H_
#define FENCEPOST_HARNESS_RENDEZVOUS_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "engines/function_ref.h"

namespace fencepost {

class Rendezvous {
 public:
  explicit Rendezvous(unsigned parties) : parties_(parties) {}

  // Waits for all parties that have not left. Whoever completes the meeting runs `completion`
  // before anyone goes on.
  void Arrive(FunctionRef<void()> completion) {
    std::unique_lock lock(mutex_);
    const uint64_t meeting = meeting_;
    ++waiting_;
    if (waiting_ >= parties_) {
      Complete(completion);
      return;
    }
    all_here_.wait(lock, [&] { return meeting_ != meeting || waiting_ >= parties_; });
    // The last absent party has left instead of arriving: the first to wake completes for it.
    if (meeting_ == meeting) Complete(completion);
  }

  // This party will not arrive again.
  void Leave() {
    const std::lock_guard lock(mutex_);
    --parties_;
    all_here_.notify_all();
  }

 private:
  void Complete(FunctionRef<void()> completion) {
    completion();
    waiting_ = 0;
    ++meeting_;
    all_here_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable all_here_;
  unsigned parties_;
  unsigned waiting_ = 0;
  uint64_t meeting_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_RENDEZVOUS_H_
