// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/recovery_pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <utility>

#include "faultinject/explore/image_names.h"
#include "faultinject/explore/worker_images.h"
#include "faultinject/watch/image_mappings.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kComplaintBytes = 2000;
constexpr uint64_t kMaxMessageBytes = uint64_t{1} << 30;

Status SystemError(const char* call) {
  return Status::IoError(fmt::format("{}: {}", call, std::strerror(errno)));
}

bool WriteAll(int fd, const void* bytes, size_t count) {
  const char* at = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t done = write(fd, at, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    count -= static_cast<size_t>(done);
  }
  return true;
}

bool ReadAll(int fd, void* bytes, size_t count) {
  char* at = static_cast<char*>(bytes);
  while (count > 0) {
    const ssize_t done = read(fd, at, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    count -= static_cast<size_t>(done);
  }
  return true;
}

bool WriteMessage(int fd, const std::string& text) {
  const uint64_t bytes = text.size();
  return WriteAll(fd, &bytes, sizeof(bytes)) && WriteAll(fd, text.data(), text.size());
}

// `read` is ReadAll or its like: bool(void* bytes, size_t count).
template <typename Read>
bool ReadMessage(std::string* text, const Read& read) {
  uint64_t bytes = 0;
  if (!read(&bytes, sizeof(bytes)) || bytes > kMaxMessageBytes) return false;
  text->resize(bytes);
  return read(text->data(), bytes);
}

// Whether this process has a child that still runs; those that have ended are reaped.
bool HasChildren() {
  for (;;) {
    const pid_t child = waitpid(-1, nullptr, WNOHANG);
    if (child == 0) return true;
    if (child < 0 && errno != EINTR) return false;
  }
}

// The first character of an answer: whether the worker can serve again.
constexpr char kClean = 'c', kLeftProcesses = 'p';
// The first character of a context: whether the recovery is watched.
constexpr char kPlain = 'p', kWatched = 'w';

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

// A worker's life: a context comes, an answer goes.
[[noreturn]] void Serve(int in, int out, WorkerImages* images, Recoverer* recoverer,
                        WorkerNotes* notes) {
  KeepImageMappings(images->paths());
  const pid_t worker = getpid();
  const auto read_context = [in](void* bytes, size_t count) { return ReadAll(in, bytes, count); };
  std::string context;
  while (ReadMessage(&context, read_context)) {
    const bool watched = context.front() == kWatched;
    context.erase(0, 1);
    std::string answer = watched ? RecoverWatched(*images, context, recoverer, notes)
                                 : recoverer->Recover(images->paths(), context);
    // A child that the recovery forked, and that came back from it like its parent.
    if (getpid() != worker) _exit(0);
    answer.insert(answer.begin(), HasChildren() ? kLeftProcesses : kClean);
    images->Restore(watched ? &notes->changes : nullptr);
    if (!WriteMessage(out, answer)) break;
  }
  _exit(0);
}

// Children that are no worker: what a killed recovery left behind comes to us, their subreaper.
void ReapStrays(const std::vector<pid_t>& workers) {
  // Again and again: one that is killed leaves its own children to us.
  for (bool found = true; found;) {
    found = false;
    std::ifstream in(fmt::format("/proc/self/task/{}/children", getpid()));
    for (pid_t child = 0; in >> child;) {
      if (std::find(workers.begin(), workers.end(), child) != workers.end()) continue;
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
      found = true;
    }
  }
}

int MillisecondsUntil(SteadyClock::time_point when) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - SteadyClock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
}

}  // namespace

// One child and its images.
class RecoveryPool::Worker {
 public:
  explicit Worker(fs::path folder) : images_(std::move(folder)) {}
  ~Worker() {
    Kill();
    if (errors_ >= 0) close(errors_);
    if (notes_ != nullptr) munmap(notes_, sizeof(WorkerNotes));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The child, running, with images as they are now.
  Status Prepare(const ImageSet& images, Recoverer* recoverer) {
    if (Alive() && images_.Usable(images)) return Status::Ok();
    Kill();
    RETURN_IF_ERROR(images_.Create(images));
    return Fork(recoverer);
  }

  // Watches `lines`, unless there are none to watch for.
  Status Begin(uint64_t job, const ImageSet& images, const CrashState& state,
               const std::string& context, double timeout_s,
               const std::optional<std::vector<WatchedLine>>& lines) {
    watched_ = lines.has_value();
    if (lines) {
      notes_->watch.Watch(*lines);
      // Of a recovery that does not come to its end nothing is known.
      notes_->changes.count = 0;
      notes_->changes.too_many = true;
    }
    images_.Apply(images, state);
    if (ftruncate(errors_, 0) != 0) return SystemError("ftruncate");
    job_ = job;
    busy_ = true;
    deadline_ = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(
                                         std::chrono::duration<double>(timeout_s));
    const char kind = watched_ ? kWatched : kPlain;
    if (!WriteMessage(to_child_, kind + context)) return SystemError("write to a recovery");
    return Status::Ok();
  }

  // What the child has said, or how it has ended. For when one of wake_fds is readable.
  Outcome Collect() {
    Outcome outcome;
    const auto receive = [this](void* bytes, size_t count) { return Receive(bytes, count); };
    if (ReadMessage(&outcome.answer, receive) && !outcome.answer.empty()) {
      busy_ = false;
      const bool clean = outcome.answer.front() == kClean;
      outcome.answer.erase(0, 1);
      if (!clean) Kill();
      return outcome;
    }
    if (!AwaitEnd()) return TimeOut();
    busy_ = false;
    const int ended = Reap();
    outcome.answer.clear();
    outcome.end = WIFSIGNALED(ended) ? Outcome::End::kSignal : Outcome::End::kExited;
    outcome.code = WIFSIGNALED(ended) ? WTERMSIG(ended) : WEXITSTATUS(ended);
    outcome.complaint = Complaint();
    return outcome;
  }

  Outcome TimeOut() {
    busy_ = false;
    Kill();
    return {.end = Outcome::End::kTimedOut, .code = 0, .answer = {}, .complaint = Complaint()};
  }

  // Ends the child and all that it has started.
  void Kill() {
    if (pid_ <= 0) return;
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
    Reap();
  }

  bool busy() const { return busy_; }
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
  pid_t pid() const { return pid_; }
  // Something has come of the recovery when either is readable. The pipe alone does not tell of the
  // child's end: its own children may hold the other end open.
  std::array<int, 2> wake_fds() const { return {from_child_, pidfd_}; }
  SteadyClock::time_point deadline() const { return deadline_; }
  uint64_t changes() const { return images_.changes(); }

 private:
  Status Fork(Recoverer* recoverer) {
    if (errors_ < 0) errors_ = memfd_create("recovery-errors", MFD_CLOEXEC);
    if (errors_ < 0) return SystemError("memfd_create");
    if (notes_ == nullptr) {
      // Most of it is never touched.
      void* const shared = mmap(nullptr, sizeof(WorkerNotes), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (shared == MAP_FAILED) return SystemError("mmap");
      notes_ = static_cast<WorkerNotes*>(shared);
    }
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) != 0) return SystemError("pipe");
    if (pipe2(up, O_CLOEXEC) != 0) {
      close(down[0]);
      close(down[1]);
      return SystemError("pipe");
    }
    const pid_t owner = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      Become(owner);
      close(down[1]);
      close(up[0]);
      Serve(down[0], up[1], &images_, recoverer, notes_);
    }
    close(down[0]);
    close(up[1]);
    to_child_ = down[1];
    from_child_ = up[0];
    if (pid_ < 0) {
      const Status status = SystemError("fork");
      ClosePipes();
      return status;
    }
    setpgid(pid_, pid_);
    pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    if (pidfd_ >= 0) return Status::Ok();
    const Status status = SystemError("pidfd_open");
    Kill();
    return status;
  }

  // Waits for the child to say something. False: it has ended without, or the time is up.
  bool AwaitWord() const {
    for (;;) {
      pollfd polled[] = {{.fd = from_child_, .events = POLLIN, .revents = 0},
                         {.fd = pidfd_, .events = POLLIN, .revents = 0}};
      const int ready = poll(polled, 2, MillisecondsUntil(deadline_));
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0 && SteadyClock::now() < deadline_) continue;
      return ready > 0 && (polled[0].revents & POLLIN) != 0;
    }
  }

  // Waits for the child's end. False: the time is up.
  bool AwaitEnd() const {
    for (;;) {
      pollfd polled = {.fd = pidfd_, .events = POLLIN, .revents = 0};
      const int ready = poll(&polled, 1, MillisecondsUntil(deadline_));
      if (ready > 0) return true;
      if (ready == 0 && SteadyClock::now() >= deadline_) return false;
    }
  }

  bool Receive(void* bytes, size_t count) const {
    char* at = static_cast<char*>(bytes);
    while (count > 0) {
      if (!AwaitWord()) return false;
      const ssize_t done = read(from_child_, at, count);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return false;
      at += done;
      count -= static_cast<size_t>(done);
    }
    return true;
  }

  // Whether there is a child, and it waits for work: one that the last recovery has doomed (an
  // alarm, a thread) may have ended since.
  bool Alive() const {
    pollfd polled = {.fd = pidfd_, .events = POLLIN, .revents = 0};
    return pid_ > 0 && poll(&polled, 1, 0) == 0;
  }

  // In the child: a group of its own that dies with its owner, and output that goes nowhere.
  void Become(pid_t owner) const {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // What a recovery's children leave behind comes to the worker, which tells of it.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (getppid() != owner) _exit(0);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(number, SIG_DFL);
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(errors_, STDERR_FILENO);
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
  }

  int Reap() {
    int ended = 0;
    while (waitpid(pid_, &ended, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    ClosePipes();
    return ended;
  }

  void ClosePipes() {
    for (int* fd : {&to_child_, &from_child_, &pidfd_}) {
      if (*fd >= 0) close(std::exchange(*fd, -1));
    }
  }

  std::string Complaint() const {
    struct stat info;
    if (fstat(errors_, &info) != 0 || info.st_size <= 0) return {};
    const auto size = static_cast<size_t>(info.st_size);
    std::string text(std::min(size, kComplaintBytes), '\0');
    const ssize_t got =
        pread(errors_, text.data(), text.size(), static_cast<off_t>(size - text.size()));
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return WithImageNames(text, images_.paths());
  }

  WorkerImages images_;
  pid_t pid_ = -1;
  int to_child_ = -1, from_child_ = -1, pidfd_ = -1, errors_ = -1;
  WorkerNotes* notes_ = nullptr;  // shared with the child
  bool busy_ = false, watched_ = false;
  uint64_t job_ = 0;
  SteadyClock::time_point deadline_;
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
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
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
                        [](const auto& worker) { return !worker->busy(); });
  };
  while (idle() == workers_.end()) RETURN_IF_ERROR(AwaitOne());
  Worker* const worker = idle()->get();
  RETURN_IF_ERROR(worker->Prepare(*images_, recoverer_));
  return worker;
}

Status RecoveryPool::Submit(uint64_t job, const CrashState& state, const std::string& context) {
  ASSIGN_OR_RETURN(Worker* const worker, Ready());
  RETURN_IF_ERROR(worker->Begin(job, *images_, state, context, options_.timeout_s, std::nullopt));
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
  RETURN_IF_ERROR(worker->Begin(job, *images_, state, context, options_.timeout_s, watched));
  ForgetJournal();
  return Status::Ok();
}

Status RecoveryPool::Drain() {
  while (std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker->busy(); })) {
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
  std::vector<pollfd> polled;
  std::vector<Worker*> busy;
  auto first = SteadyClock::time_point::max();
  for (const auto& worker : workers_) {
    if (!worker->busy()) continue;
    for (const int fd : worker->wake_fds()) {
      polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
    busy.push_back(worker.get());
    first = std::min(first, worker->deadline());
  }
  const int ready = poll(polled.data(), polled.size(), MillisecondsUntil(first));
  // A signal: the owner may want to look whether it was meant for it.
  if (ready < 0 && errno == EINTR) return Status::Ok();
  if (ready < 0) {
    return SystemError("poll");
  }
  for (size_t i = 0; i < busy.size(); ++i) {
    const bool answered = (polled[2 * i].revents | polled[2 * i + 1].revents) != 0;
    if (!answered && SteadyClock::now() < busy[i]->deadline()) continue;
    const uint64_t job = busy[i]->job();
    Outcome outcome = answered ? busy[i]->Collect() : busy[i]->TimeOut();
    if (busy[i]->pid() < 0) ReapStraysOfWorkers();
    if (busy[i]->watched()) {
      watched_done_(job, std::move(outcome), busy[i]->deeds(*images_));
    } else {
      done_(job, std::move(outcome));
    }
  }
  return Status::Ok();
}

void RecoveryPool::ReapStraysOfWorkers() {
  std::vector<pid_t> known;
  for (const auto& worker : workers_) known.push_back(worker->pid());
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
