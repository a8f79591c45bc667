// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/worker_process.h"

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
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace fencepost {
namespace {

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

// A worker's life: a request comes, an answer goes. What a request throws ends it here, and does
// not unwind what the owner was doing when it forked.
[[noreturn]] void ServeAll(int in, int out, const WorkerProcess::Serve& serve,
                           const WorkerProcess::Hook& afterwards) noexcept {
  const pid_t worker = getpid();
  const auto read_request = [in](void* bytes, size_t count) { return ReadAll(in, bytes, count); };
  std::string request;
  while (ReadMessage(&request, read_request)) {
    std::string answer = serve(request);
    // A child that the request forked, and that came back from it like its parent.
    if (getpid() != worker) _exit(0);
    answer.insert(answer.begin(), HasChildren() ? kLeftProcesses : kClean);
    afterwards();
    if (!WriteMessage(out, answer)) break;
  }
  _exit(0);
}

constexpr int kOrdersToEnd[] = {SIGINT, SIGTERM, SIGHUP};

int MillisecondsUntil(SteadyClock::time_point when) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - SteadyClock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
}

}  // namespace

WorkerProcess::~WorkerProcess() {
  Kill();
  if (errors_ >= 0) close(errors_);
}

Status WorkerProcess::Start(const Serve& serve, const Hook& first, const Hook& afterwards) {
  if (errors_ < 0) errors_ = memfd_create("worker-errors", MFD_CLOEXEC);
  if (errors_ < 0) return SystemError("memfd_create");
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
    first();
    ServeAll(down[0], up[1], serve, afterwards);
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

Status WorkerProcess::Request(const std::string& request, double timeout_s) {
  if (ftruncate(errors_, 0) != 0) return SystemError("ftruncate");
  busy_ = true;
  deadline_ = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(
                                       std::chrono::duration<double>(timeout_s));
  if (WriteMessage(to_child_, request)) return Status::Ok();
  busy_ = false;  // there is nothing to wait for
  return SystemError("write to a recovery");
}

Outcome WorkerProcess::Collect() {
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

Outcome WorkerProcess::TimeOut() {
  busy_ = false;
  Kill();
  return {.end = Outcome::End::kTimedOut, .code = 0, .answer = {}, .complaint = Complaint()};
}

// Ends the child and all that it has started.
void WorkerProcess::Kill() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
  Reap();
}

// Waits for the child to say something. False: it has ended without, or the time is up.
bool WorkerProcess::AwaitWord() const {
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
bool WorkerProcess::AwaitEnd() const {
  for (;;) {
    pollfd polled = {.fd = pidfd_, .events = POLLIN, .revents = 0};
    const int ready = poll(&polled, 1, MillisecondsUntil(deadline_));
    if (ready > 0) return true;
    if (ready == 0 && SteadyClock::now() >= deadline_) return false;
  }
}

bool WorkerProcess::Receive(void* bytes, size_t count) const {
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
bool WorkerProcess::Alive() const {
  pollfd polled = {.fd = pidfd_, .events = POLLIN, .revents = 0};
  return pid_ > 0 && poll(&polled, 1, 0) == 0;
}

// In the child: a group of its own that dies with its owner, and output that goes nowhere.
void WorkerProcess::Become(pid_t owner) const {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // What a recovery's children leave behind comes to the worker, which tells of it.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (getppid() != owner) _exit(0);
  // An order to end that comes from outside (a scheduler's, to all processes of a job) is for the
  // owner: it must not look like the recovery's own death.
  for (const int number : kOrdersToEnd) signal(number, SIG_IGN);
  signal(SIGPIPE, SIG_DFL);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(nothing, STDOUT_FILENO);
  dup2(errors_, STDERR_FILENO);
  fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
}

void HeedOrdersToEnd() {
  for (const int number : kOrdersToEnd) signal(number, SIG_DFL);
}

int WorkerProcess::Reap() {
  int ended = 0;
  while (waitpid(pid_, &ended, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  ClosePipes();
  return ended;
}

void WorkerProcess::ClosePipes() {
  for (int* fd : {&to_child_, &from_child_, &pidfd_}) {
    if (*fd >= 0) close(std::exchange(*fd, -1));
  }
}

std::string WorkerProcess::Complaint() const {
  struct stat info;
  if (fstat(errors_, &info) != 0 || info.st_size <= 0) return {};
  const auto size = static_cast<size_t>(info.st_size);
  std::string text(std::min(size, kComplaintBytes), '\0');
  const ssize_t got =
      pread(errors_, text.data(), text.size(), static_cast<off_t>(size - text.size()));
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
}

void BecomeOwnerOfWorkers() {
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
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

Result<std::vector<WorkerProcess*>> AwaitWorkers(std::span<WorkerProcess* const> workers) {
  std::vector<pollfd> polled;
  std::vector<WorkerProcess*> busy;
  auto first = SteadyClock::time_point::max();
  for (WorkerProcess* const worker : workers) {
    if (!worker->busy()) continue;
    for (const int fd : worker->wake_fds()) {
      polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
    busy.push_back(worker);
    first = std::min(first, worker->deadline());
  }
  std::vector<WorkerProcess*> ended;
  const int ready = poll(polled.data(), polled.size(), MillisecondsUntil(first));
  // The owner may want to look whether the signal was meant for it.
  if (ready < 0 && errno == EINTR) return ended;
  if (ready < 0) return SystemError("poll");
  for (size_t i = 0; i < busy.size(); ++i) {
    const bool answered = (polled[2 * i].revents | polled[2 * i + 1].revents) != 0;
    if (answered || SteadyClock::now() >= busy[i]->deadline()) ended.push_back(busy[i]);
  }
  return ended;
}

}  // namespace fencepost
