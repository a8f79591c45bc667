// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/tree_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "faultinject/explore/files/tree_folder.h"
#include "faultinject/explore/image_names.h"
#include "faultinject/explore/worker_process.h"

namespace fencepost {

struct TreePool::Worker {
  std::string folder;
  WorkerProcess process;
  uint64_t job = 0;
};

TreePool::TreePool(const PoolOptions& options, Recoverer* recoverer, Done done,
                   ScratchFolder scratch)
    : options_(options),
      recoverer_(recoverer),
      done_(std::move(done)),
      scratch_(std::move(scratch)) {}

Result<std::unique_ptr<TreePool>> TreePool::Start(const PoolOptions& options, Recoverer* recoverer,
                                                  Done done) {
  ASSIGN_OR_RETURN(ScratchFolder scratch, ScratchFolder::Make(options.scratch_root));
  std::unique_ptr<TreePool> pool(
      new TreePool(options, recoverer, std::move(done), std::move(scratch)));
  BecomeOwnerOfWorkers();
  for (unsigned i = 0; i < std::max(options.workers, 1u); ++i) {
    auto worker = std::make_unique<Worker>();
    worker->folder = (pool->scratch_.path() / fmt::format("{}", i) / "store").string();
    pool->workers_.push_back(std::move(worker));
  }
  return pool;
}

TreePool::~TreePool() {
  std::vector<std::string> folders;
  for (const auto& worker : workers_) folders.push_back(worker->folder);
  workers_.clear();
  ReapStrays({});
  // A recovery may have left directories that cannot be removed as they are.
  for (const std::string& folder : folders) (void)MakeFolderHold(FileTree(), folder);
}

Status TreePool::Replace(Worker* worker) {
  worker->process.Kill();
  ReapStraysOfWorkers();
  return worker->process.Start(
      [recoverer = recoverer_, folder = worker->folder](const std::string& asked) {
        return recoverer->Recover({folder}, asked);
      },
      [] {}, [] {});
}

Status TreePool::Submit(uint64_t job, const FileTree& tree, const std::string& context) {
  const auto idle = [this] {
    return std::find_if(workers_.begin(), workers_.end(),
                        [](const auto& worker) { return !worker->process.busy(); });
  };
  while (idle() == workers_.end()) RETURN_IF_ERROR(AwaitOne());
  Worker& worker = **idle();
  // Before the folder is made: a worker that the last recovery has doomed may still be at it.
  if (!worker.process.Alive()) RETURN_IF_ERROR(Replace(&worker));
  RETURN_IF_ERROR(MakeFolderHold(tree, worker.folder));
  worker.job = job;
  const Status sent = worker.process.Request(context, options_.timeout_s);
  if (sent.ok() || worker.process.Alive()) return sent;
  // It has died since.
  RETURN_IF_ERROR(Replace(&worker));
  return worker.process.Request(context, options_.timeout_s);
}

Status TreePool::Drain() {
  while (std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker->process.busy(); })) {
    RETURN_IF_ERROR(AwaitOne());
  }
  return Status::Ok();
}

Status TreePool::AwaitOne() {
  std::vector<WorkerProcess*> processes;
  for (const auto& worker : workers_) processes.push_back(&worker->process);
  ASSIGN_OR_RETURN(const std::vector<WorkerProcess*> ended, AwaitWorkers(processes));
  for (const auto& worker : workers_) {
    if (std::find(ended.begin(), ended.end(), &worker->process) == ended.end()) continue;
    Outcome outcome = worker->process.Collect();
    outcome.complaint = WithImageNames(outcome.complaint, {worker->folder});
    if (worker->process.pid() < 0) ReapStraysOfWorkers();
    done_(worker->job, std::move(outcome));
  }
  return Status::Ok();
}

void TreePool::ReapStraysOfWorkers() {
  std::vector<pid_t> known;
  for (const auto& worker : workers_) known.push_back(worker->process.pid());
  ReapStrays(known);
}

}  // namespace fencepost
