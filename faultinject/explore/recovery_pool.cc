// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/recovery_pool.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "faultinject/explore/image_names.h"
#include "faultinject/explore/worker_images.h"
#include "faultinject/explore/worker_process.h"
#include "faultinject/watch/image_mappings.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// The first character of a request; the context follows.
constexpr char kPlain = 'p', kOnly = 'o', kWatched = 'w';

// What a worker tells in memory, for its owner to read whatever becomes of the worker.
struct WorkerNotes {
  WatchBuffer watch;
  ChangeLog changes;
};

// Recovers under the watch of the buffer's lines. The first time it is installed, for good.
std::string RecoverWatched(const WorkerImages& images, const std::string& context,
                           Recoverer* recoverer, WorkerNotes* notes) {
  WatchBuffer* const buffer = &notes->watch;
  static const Status installed = ReadWatch::Install();
  if (!installed.ok()) {
    const std::string why = fmt::format("cannot be watched: {}", installed.message());
    std::strncpy(buffer->why, why.c_str(), sizeof(buffer->why) - 1);
    return {};
  }
  ReadWatch::Begin(buffer);
  std::string answer = recoverer->RecoverOnly(images.paths(), context);
  ReadWatch::End();
  return answer;
}

}  // namespace

// One child and its images.
class RecoveryPool::Worker {
 public:
  explicit Worker(fs::path folder) : images_(std::move(folder)) {}
  ~Worker() {
    process_.Kill();
    if (notes_ != nullptr) munmap(notes_, sizeof(WorkerNotes));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The child, running, with images as they are now.
  Status Prepare(const ImageSet& images, Recoverer* recoverer) {
    if (process_.Alive() && images_.Usable(images)) return Status::Ok();
    process_.Kill();
    RETURN_IF_ERROR(images_.Create(images));
    return Start(recoverer);
  }

  // Watches `lines`, unless there are none to watch for.
  Status Begin(uint64_t job, const ImageSet& images, const CrashState& state,
               const std::string& context, double timeout_s,
               const std::optional<std::vector<WatchedLine>>& lines, char how) {
    watched_ = lines.has_value();
    if (lines) {
      notes_->watch.Watch(*lines);
      // Of a recovery that does not come to its end nothing is known.
      notes_->changes.count = 0;
      notes_->changes.too_many = true;
    }
    images_.Apply(images, state);
    job_ = job;
    return process_.Request(how + context, timeout_s);
  }

  Outcome Collect() {
    Outcome outcome = process_.Collect();
    outcome.complaint = WithImageNames(outcome.complaint, images_.paths());
    return outcome;
  }

  // Of the recovery that is under way or has just ended.
  bool watched() const { return watched_; }
  Deeds deeds(const ImageSet& images) const {
    Deeds deeds{.reads = notes_->watch.Log(), .changes = std::nullopt};
    const ChangeLog& log = notes_->changes;
    if (log.too_many) return deeds;
    std::vector<uint32_t> files;
    for (const auto& [number, file] : images.files()) files.push_back(number);
    deeds.changes.emplace();
    for (const ChangeLog::Change& change : std::span(log.changes, log.count)) {
      deeds.changes->push_back({{files[change.image], change.number}, change.bytes});
    }
    return deeds;
  }
  uint64_t job() const { return job_; }
  uint64_t changes() const { return images_.changes(); }
  WorkerProcess& process() { return process_; }

 private:
  Status Start(Recoverer* recoverer) {
    if (notes_ == nullptr) {
      // Most of it is never touched.
      void* const shared = mmap(nullptr, sizeof(WorkerNotes), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (shared == MAP_FAILED) {
        return Status::IoError(fmt::format("mmap: {}", std::strerror(errno)));
      }
      notes_ = static_cast<WorkerNotes*>(shared);
    }
    return process_.Start(
        [this, recoverer](const std::string& request) {
          serving_watched_ = request.front() == kWatched;
          const std::string context = request.substr(1);
          if (serving_watched_) return RecoverWatched(images_, context, recoverer, notes_);
          return request.front() == kOnly ? recoverer->RecoverOnly(images_.paths(), context)
                                          : recoverer->Recover(images_.paths(), context);
        },
        [this] { KeepImageMappings(images_.paths()); },
        [this] { images_.Restore(serving_watched_ ? &notes_->changes : nullptr); });
  }

  WorkerImages images_;
  WorkerProcess process_;
  WorkerNotes* notes_ = nullptr;  // shared with the child
  bool watched_ = false;
  bool serving_watched_ = false;  // in the child
  uint64_t job_ = 0;
};

RecoveryPool::RecoveryPool(const PoolOptions& options, ImageSet* images, Recoverer* recoverer,
                           Done done)
    : options_(options), images_(images), recoverer_(recoverer), done_(std::move(done)) {}

Result<std::unique_ptr<RecoveryPool>> RecoveryPool::Start(const PoolOptions& options,
                                                          ImageSet* images, Recoverer* recoverer,
                                                          Done done) {
  std::unique_ptr<RecoveryPool> pool(new RecoveryPool(options, images, recoverer, std::move(done)));
  ASSIGN_OR_RETURN(ScratchFolder scratch, ScratchFolder::Make(options.scratch_root));
  pool->scratch_.emplace(std::move(scratch));
  BecomeOwnerOfWorkers();
  for (unsigned i = 0; i < std::max(options.workers, 1u); ++i) {
    pool->workers_.push_back(
        std::make_unique<Worker>(pool->scratch_->path() / fmt::format("{}", i)));
    RETURN_IF_ERROR(pool->workers_.back()->Prepare(*images, recoverer));
  }
  return pool;
}

RecoveryPool::~RecoveryPool() {
  workers_.clear();
  ReapStrays({});
}

Result<RecoveryPool::Worker*> RecoveryPool::Ready() {
  const auto idle = [this] {
    return std::find_if(workers_.begin(), workers_.end(),
                        [](const auto& worker) { return !worker->process().busy(); });
  };
  while (idle() == workers_.end()) RETURN_IF_ERROR(AwaitOne());
  Worker* const worker = idle()->get();
  RETURN_IF_ERROR(worker->Prepare(*images_, recoverer_));
  return worker;
}

Status RecoveryPool::Submit(uint64_t job, const CrashState& state, const std::string& context) {
  return SubmitPlain(job, state, context, kPlain);
}

Status RecoveryPool::SubmitOnly(uint64_t job, const CrashState& state, const std::string& context) {
  return SubmitPlain(job, state, context, kOnly);
}

Status RecoveryPool::SubmitPlain(uint64_t job, const CrashState& state, const std::string& context,
                                 char how) {
  ASSIGN_OR_RETURN(Worker* const worker, Ready());
  RETURN_IF_ERROR(
      worker->Begin(job, *images_, state, context, options_.timeout_s, std::nullopt, how));
  ForgetJournal();
  return Status::Ok();
}

Status RecoveryPool::SubmitWatched(uint64_t job, const CrashState& state,
                                   const std::string& context, std::span<const Watched> lines) {
  ASSIGN_OR_RETURN(Worker* const worker, Ready());
  std::vector<WatchedLine> watched;
  for (const auto& [line, bytes, contents] : lines) {
    const auto file = images_->files().find(line.file);
    const auto image = std::distance(images_->files().begin(), file);
    watched.push_back({static_cast<size_t>(image), line.number, bytes, contents});
  }
  RETURN_IF_ERROR(
      worker->Begin(job, *images_, state, context, options_.timeout_s, watched, kWatched));
  ForgetJournal();
  return Status::Ok();
}

Status RecoveryPool::Drain() {
  while (std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker->process().busy(); })) {
    RETURN_IF_ERROR(AwaitOne());
  }
  return Status::Ok();
}

void RecoveryPool::ForgetJournal() {
  uint64_t oldest = images_->changes();
  for (const auto& worker : workers_) oldest = std::min(oldest, worker->changes());
  images_->ForgetBefore(oldest);
}

Status RecoveryPool::AwaitOne() {
  std::vector<WorkerProcess*> processes;
  for (const auto& worker : workers_) processes.push_back(&worker->process());
  ASSIGN_OR_RETURN(const std::vector<WorkerProcess*> ended, AwaitWorkers(processes));
  for (const auto& worker : workers_) {
    if (std::find(ended.begin(), ended.end(), &worker->process()) == ended.end()) continue;
    const uint64_t job = worker->job();
    Outcome outcome = worker->Collect();
    if (worker->process().pid() < 0) ReapStraysOfWorkers();
    if (worker->watched()) {
      watched_done_(job, std::move(outcome), worker->deeds(*images_));
    } else {
      done_(job, std::move(outcome));
    }
  }
  return Status::Ok();
}

void RecoveryPool::ReapStraysOfWorkers() {
  std::vector<pid_t> known;
  for (const auto& worker : workers_) known.push_back(worker->process().pid());
  ReapStrays(known);
}

Result<std::vector<std::string>> WriteImages(const ImageSet& images, const CrashState& state,
                                             const fs::path& folder) {
  // No name that a program gives its file.
  WorkerImages written(folder / ".fencepost-images");
  RETURN_IF_ERROR(written.Create(images));
  written.Apply(images, state);
  std::vector<std::string> paths;
  std::error_code error;
  for (const std::string& path : written.paths()) {
    const fs::path to = folder / fs::path(path).filename();
    fs::rename(path, to, error);
    if (error) return Status::IoError(fmt::format("rename: {}: {}", path, error.message()));
    paths.push_back(to.string());
  }
  return paths;
}

}  // namespace fencepost
