// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/tree_pool.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "faultinject/explore/files/tree_folder.h"
#include "faultinject/explore/image_names.h"
#include "faultinject/explore/worker_process.h"

namespace fencepost {

namespace {

// What a worker shares with its owner, whatever becomes of it.
struct SharedWatch {
  bool watched = false;  // the request at hand
  FileWatchBuffer buffer;
};

struct Unmap {
  void operator()(SharedWatch* watch) const { munmap(watch, sizeof(SharedWatch)); }
};

Result<std::unique_ptr<SharedWatch, Unmap>> MakeSharedWatch() {
  void* const memory = mmap(nullptr, sizeof(SharedWatch), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return Status::IoError(fmt::format("mmap: {}", std::strerror(errno)));
  return std::unique_ptr<SharedWatch, Unmap>(static_cast<SharedWatch*>(memory));
}

// The first character of a request; the context follows.
constexpr char kPlain = 'p', kOnly = 'o', kWatched = 'w';

// In the worker: why it cannot watch.
std::string* not_installed = nullptr;

void InstallWatch() {
  const Status status = FileWatch::Install();
  if (!status.ok())
    not_installed = new std::string(fmt::format("is not to be watched: {}", status.message()));
}

std::string Serve(Recoverer* recoverer, const std::string& folder, SharedWatch* watch,
                  const std::string& request) {
  const std::string context = request.substr(1);
  if (request.front() == kPlain) return recoverer->Recover({folder}, context);
  if (request.front() == kOnly) return recoverer->RecoverOnly({folder}, context);
  if (not_installed != nullptr) {
    const size_t bytes = std::min(not_installed->size(), sizeof(watch->buffer.why) - 1);
    std::memcpy(watch->buffer.why, not_installed->data(), bytes);
    watch->buffer.why[bytes] = '\0';
    return {};
  }
  FileWatch::Begin(&watch->buffer);
  std::string answer = recoverer->RecoverOnly({folder}, context);
  FileWatch::End();
  return answer;
}

}  // namespace

struct TreePool::Worker {
  std::string folder;
  WorkerProcess process;
  uint64_t job = 0;
  std::unique_ptr<SharedWatch, Unmap> watch = nullptr;
  std::vector<std::string> paths = {};  // of what is watched
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
  return StartWorker(worker);
}

Status TreePool::Submit(uint64_t job, const FileTree& tree, const std::string& context) {
  return Submit(job, tree, context, kPlain);
}

Status TreePool::SubmitOnly(uint64_t job, const FileTree& tree, const std::string& context) {
  return Submit(job, tree, context, kOnly);
}

Status TreePool::SubmitWatched(uint64_t job, const FileTree& tree, const std::string& context) {
  CHECK(watched_done_ != nullptr);
  return Submit(job, tree, context, kWatched);
}

Status TreePool::StartWorker(Worker* worker) {
  if (watched_done_ != nullptr && worker->watch == nullptr) {
    ASSIGN_OR_RETURN(worker->watch, MakeSharedWatch());
  }
  const auto serve = [recoverer = recoverer_, folder = worker->folder,
                      watch = worker->watch.get()](const std::string& request) {
    return Serve(recoverer, folder, watch, request);
  };
  const WorkerProcess::Hook nothing = [] {};
  return worker->process.Start(serve, worker->watch != nullptr ? InstallWatch : nothing, nothing);
}

Status TreePool::Submit(uint64_t job, const FileTree& tree, const std::string& context, char how) {
  const bool watched = how == kWatched;
  const auto idle = [this] {
    return std::find_if(workers_.begin(), workers_.end(),
                        [](const auto& worker) { return !worker->process.busy(); });
  };
  while (idle() == workers_.end()) RETURN_IF_ERROR(AwaitOne());
  Worker& worker = **idle();
  // Before the folder is made: a worker that the last recovery has doomed may still be at it.
  if (!worker.process.Alive()) RETURN_IF_ERROR(Replace(&worker));
  RETURN_IF_ERROR(MakeFolderHold(tree, worker.folder));
  if (worker.watch != nullptr) worker.watch->watched = watched;
  if (watched) {
    ASSIGN_OR_RETURN(const auto identities, IdentitiesIn(tree, worker.folder));
    std::vector<FileIdentity> files;
    worker.paths.clear();
    for (const auto& [identity, path] : identities) {
      files.push_back(identity);
      worker.paths.push_back(path);
    }
    std::error_code error;
    const std::string root = std::filesystem::canonical(worker.folder, error).string();
    if (error) return Status::IoError(fmt::format("{}: {}", worker.folder, error.message()));
    RETURN_IF_ERROR(worker.watch->buffer.Watch(root, files));
  }
  worker.job = job;
  const Status sent = worker.process.Request(how + context, options_.timeout_s);
  if (sent.ok() || worker.process.Alive()) return sent;
  // It has died since.
  RETURN_IF_ERROR(Replace(&worker));
  return worker.process.Request(how + context, options_.timeout_s);
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
    if (worker->watch == nullptr || !worker->watch->watched) {
      done_(worker->job, std::move(outcome));
      continue;
    }
    TreeReads reads{.log = worker->watch->buffer.Log(), .paths = worker->paths};
    // The kernel ends a process that cannot take the signal of a trapped call.
    if (reads.log.why.empty() && outcome.end == Outcome::End::kSignal && outcome.code == SIGSYS) {
      reads.log.why = "blocks SIGSYS";
    }
    watched_done_(worker->job, std::move(outcome), std::move(reads));
  }
  return Status::Ok();
}

void TreePool::ReapStraysOfWorkers() {
  std::vector<pid_t> known;
  for (const auto& worker : workers_) known.push_back(worker->process.pid());
  ReapStrays(known);
}

}  // namespace fencepost
