// SPDX-License-Identifier: BSD-3-Clause
// WorkerProcess: a child that serves one request after the other, and may die of one.
//
// Invariants:
//   1. A request that outlives its time is killed with all that it has started; nothing of a worker
//      outlives its owner.
//   2. A request that left processes behind ends its worker, whatever it answered.
//   3. SIGTERM, SIGINT and SIGHUP are for the owner, and do nothing to a worker.
// Threads: one owner; the process must have no other threads (it forks).
// Not covered: children of a killed worker come to the owner, which is a subreaper: ReapStrays.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_WORKER_PROCESS_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_WORKER_PROCESS_H_

#include <sys/types.h>

#include <array>
#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/recovery.h"

namespace fencepost {

class WorkerProcess {
 public:
  // In the worker: answers a request.
  using Serve = std::function<std::string(const std::string& request)>;
  // In the worker, before its first request, and after each answer has been made.
  using Hook = std::function<void()>;

  WorkerProcess() = default;
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // Forks it. REQUIRES: there is none. What the functions refer to must outlive it.
  Status Start(const Serve& serve, const Hook& first, const Hook& afterwards);
  // Whether there is one, and it waits for work: one that the last request has doomed (an alarm, a
  // thread) may have ended since.
  bool Alive() const;
  // REQUIRES: alive and not busy.
  Status Request(const std::string& request, double timeout_s);
  // What the worker has answered, or how it has ended; past the deadline it is killed. Waits.
  Outcome Collect();
  // Ends the worker and all that it has started.
  void Kill();

  bool busy() const { return busy_; }
  pid_t pid() const { return pid_; }
  // Something has come of the request when either is readable. The pipe alone does not tell of the
  // worker's end: its own children may hold the other end open.
  std::array<int, 2> wake_fds() const { return {from_child_, pidfd_}; }
  std::chrono::steady_clock::time_point deadline() const { return deadline_; }

 private:
  Outcome TimeOut();
  bool AwaitWord() const;
  bool AwaitEnd() const;
  bool Receive(void* bytes, size_t count) const;
  void Become(pid_t owner) const;
  int Reap();
  void ClosePipes();
  std::string Complaint() const;

  pid_t pid_ = -1;
  int to_child_ = -1, from_child_ = -1, pidfd_ = -1, errors_ = -1;
  bool busy_ = false;
  std::chrono::steady_clock::time_point deadline_;
};

// Makes this process the one that strays of its workers come to.
void BecomeOwnerOfWorkers();
// In a worker's child that becomes a program: what orders a program to end does so again.
void HeedOrdersToEnd();
// Children that are none of these: what a killed request left behind.
void ReapStrays(const std::vector<pid_t>& workers);
// Waits until something has come of one of the busy workers, or a deadline has passed, or a signal
// has come; returns those of which something has come. REQUIRES: at least one is busy.
Result<std::vector<WorkerProcess*>> AwaitWorkers(std::span<WorkerProcess* const> workers);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_WORKER_PROCESS_H_
