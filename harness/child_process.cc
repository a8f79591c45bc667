// SPDX-License-Identifier: BSD-3-Clause
#include "harness/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <string_view>
#include <utility>

extern char** environ;

namespace fencepost {

Result<ChildProcess> ChildProcess::Start(const std::vector<std::string>& words,
                                         const std::vector<std::string>& variables, Streams streams,
                                         int kept) {
  std::array<int, 2> error_pipe;
  if (pipe2(error_pipe.data(), O_CLOEXEC) != 0) {
    return Status::IoError(fmt::format("pipe2: {}", std::strerror(errno)));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (streams == Streams::kNone) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
  if (streams != Streams::kAllShared) {
    posix_spawn_file_actions_adddup2(&actions, error_pipe[1], STDERR_FILENO);
  }
  // Onto itself: that it is to be closed on exec is forgotten.
  if (kept >= 0) posix_spawn_file_actions_adddup2(&actions, kept, kept);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  // What this program is called stands in the results of its children as their command.
  if (words[0] == "/proc/self/exe") arguments[0] = program_invocation_name;
  arguments.push_back(nullptr);
  std::string parent = fmt::format("{}={}", kParentVariable, getpid());
  std::vector<char*> environment = {parent.data()};
  for (const std::string& variable : variables) {
    environment.push_back(const_cast<char*>(variable.c_str()));
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.push_back(*variable);
  }
  environment.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(error_pipe[1]);
  if (error != 0) {
    close(error_pipe[0]);
    return Status::IoError(fmt::format("posix_spawn: {}: {}", std::strerror(error), words[0]));
  }
  fcntl(error_pipe[0], F_SETFL, O_NONBLOCK);
  return ChildProcess(pid, error_pipe[0]);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      error_pipe_(std::exchange(other.error_pipe_, -1)),
      exit_code_(other.exit_code_),
      error_text_(std::move(other.error_text_)) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (error_pipe_ >= 0) close(error_pipe_);
}

void ChildProcess::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
}

void ChildProcess::Interrupt() {
  if (pid_ > 0) kill(pid_, SIGINT);
}

void ChildProcess::Stop() {
  if (pid_ > 0) kill(pid_, SIGSTOP);
}

void ChildProcess::Continue() {
  if (pid_ > 0) kill(pid_, SIGCONT);
}

void ChildProcess::Drain() {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = read(error_pipe_, buffer.data(), buffer.size());
    if (got <= 0) return;
    error_text_.append(buffer.data(), static_cast<size_t>(got));
  }
}

bool ChildProcess::WaitFor(int timeout_ms) {
  if (pid_ < 0) return true;
  // The child's end closes the pipe, which wakes poll.
  pollfd wait = {.fd = error_pipe_, .events = POLLIN, .revents = 0};
  poll(&wait, 1, timeout_ms);
  Drain();
  int status = 0;
  if (waitpid(pid_, &status, (wait.revents & POLLHUP) != 0 ? 0 : WNOHANG) != pid_) return false;
  pid_ = -1;
  Drain();
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

std::string ChildProcess::FirstError() const {
  std::istringstream lines(error_text_);
  constexpr std::string_view kPrefix = "fencepost: ";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kPrefix) && !line.starts_with("fencepost: warning")) {
      return line.substr(kPrefix.size());
    }
  }
  return error_text_.substr(0, error_text_.find('\n'));
}

}  // namespace fencepost
