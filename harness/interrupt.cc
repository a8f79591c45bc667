// SPDX-License-Identifier: BSD-3-Clause
#include "harness/interrupt.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>

#include "harness/child_process.h"
#include "harness/exit_code.h"

namespace fencepost {
namespace {

constexpr int64_t kSameSignalNs = 500'000'000;

std::atomic<bool> interrupted{false};
std::atomic<int64_t> first_ns{0};
static_assert(std::atomic<int64_t>::is_always_lock_free, "set from a signal handler");

void OnSignal(int) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // may be called from a signal handler
  const int64_t now_ns = now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
  int64_t none = 0;
  const bool is_first = first_ns.compare_exchange_strong(none, now_ns);
  interrupted.store(true);
  if (!is_first && now_ns - first_ns.load() > kSameSignalNs) {
    _exit(static_cast<int>(ExitCode::kInterrupted));
  }
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() { return interrupted.load(std::memory_order_relaxed); }

void EndWithParent() {
  const char* parent = std::getenv(kParentVariable);
  // Inherited by programs further down: only the child itself is meant.
  if (parent != nullptr && parent == std::to_string(getppid())) prctl(PR_SET_PDEATHSIG, SIGTERM);
}

}  // namespace fencepost
