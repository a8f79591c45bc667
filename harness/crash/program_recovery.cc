// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/program_recovery.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "faultinject/explore/image_names.h"
#include "faultinject/explore/worker_process.h"
#include "harness/crash/engine_judge.h"

namespace fencepost {
namespace {

constexpr std::string_view kImage = "{image}";

// What sh ends with if it cannot run the command: found but not executable, not found.
constexpr int kNotExecutable = 126, kNotFound = 127;

// The context is "ACKNOWLEDGED;UNDER_WAY".
void TellOperations(const std::string& context) {
  const size_t cut = context.find(';');
  setenv("FENCEPOST_ACKNOWLEDGED", context.substr(0, cut).c_str(), 1);
  setenv("FENCEPOST_UNDER_WAY", cut == std::string::npos ? "" : context.substr(cut + 1).c_str(), 1);
}

std::string Quoted(const std::string& path) {
  std::string quoted = "'";
  for (const char c : path) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// Children of this process, of its main thread.
std::set<pid_t> Children() {
  std::set<pid_t> children;
  std::ifstream in(fmt::format("/proc/self/task/{}/children", getpid()));
  for (pid_t child = 0; in >> child;) children.insert(child);
  return children;
}

// Ends what came to be a child of this process since `before`. Its own children come next.
void EndChildrenSince(const std::set<pid_t>& before) {
  for (bool ended = true; ended;) {
    ended = false;
    for (const pid_t child : Children()) {
      if (before.contains(child)) continue;
      kill(child, SIGKILL);
      ended |= waitpid(child, nullptr, 0) == child;
    }
  }
}

// The last of what the command has written, for a message.
class Tail {
 public:
  // Reads what there is; false at the end.
  bool ReadSome(int fd) {
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0) return errno == EINTR;
    text_.append(buffer, static_cast<size_t>(got));
    if (text_.size() > 2 * kMost) text_.erase(0, text_.size() - kMost);
    return got > 0;
  }
  std::string text() const {
    return text_.size() > kMost ? text_.substr(text_.size() - kMost) : text_;
  }

 private:
  static constexpr size_t kMost = 500;
  std::string text_;
};

// How the child ended, once it has. What it writes is read meanwhile, for it waits when the pipe is
// full; the pipe's end is not waited for, since what the child has left running may hold it open.
int AwaitEnd(pid_t child, int output, Tail* said) {
  constexpr int kLookAgainMs = 20;
  int ended = 0;
  bool open = true;
  for (;;) {
    pollfd polled = {.fd = output, .events = POLLIN, .revents = 0};
    if (open && poll(&polled, 1, kLookAgainMs) > 0) {
      open = said->ReadSome(output);
      if (open) continue;
    }
    const pid_t got = waitpid(child, &ended, open ? WNOHANG : 0);
    if (got == child || (got < 0 && errno != EINTR)) break;
  }
  pollfd rest = {.fd = output, .events = POLLIN, .revents = 0};
  while (open && poll(&rest, 1, 0) > 0) open = said->ReadSome(output);
  return ended;
}

}  // namespace

Result<std::unique_ptr<CommandRecovery>> CommandRecovery::Make(const std::string& command) {
  if (command.find(kImage) == std::string::npos && command.find("{image0}") == std::string::npos) {
    return Status::InvalidArgument(
        fmt::format("--recover='{}': names no {{image}} to recover from", command));
  }
  return std::unique_ptr<CommandRecovery>(new CommandRecovery(command));
}

std::string CommandRecovery::CommandFor(const std::vector<std::string>& paths) const {
  // In one pass: a path may look like a placeholder itself.
  std::string command;
  for (size_t at = 0; at < command_.size();) {
    size_t next = at + 1;
    std::string piece(1, command_[at]);
    for (size_t i = 0; i < paths.size() && command_[at] == '{'; ++i) {
      const std::string numbered = fmt::format("{{image{}}}", i);
      for (const std::string_view name : {kImage, std::string_view(numbered)}) {
        if (command_.compare(at, name.size(), name) != 0) continue;
        piece = Quoted(name == kImage ? paths.front() : paths[i]);
        next = at + name.size();
      }
    }
    command += piece;
    at = next;
  }
  return command;
}

std::string CommandRecovery::Recover(const std::vector<std::string>& paths,
                                     const std::string& context) {
  const std::string command = CommandFor(paths);
  // What the command leaves running becomes a child of this process.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const std::set<pid_t> before = Children();
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) return fmt::format("unable pipe: {}", std::strerror(errno));
  // In the group of this worker: when the time is up the owner kills the group, command and all.
  const pid_t child = fork();
  if (child == 0) {
    HeedOrdersToEnd();
    TellOperations(context);
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(kNotFound);
  }
  close(output[1]);
  if (child < 0) {
    close(output[0]);
    return fmt::format("unable fork: {}", std::strerror(errno));
  }
  Tail said;
  const int ended = AwaitEnd(child, output[0], &said);
  close(output[0]);
  EndChildrenSince(before);
  const std::string text = WithImageNames(said.text(), paths);
  if (WIFSIGNALED(ended)) return fmt::format("signal {} {}", WTERMSIG(ended), text);
  const int code = WEXITSTATUS(ended);
  const bool ran = code != kNotExecutable && code != kNotFound;
  return ran ? fmt::format("exit {} {}", code, text) : fmt::format("unable {}", text);
}

Result<std::unique_ptr<LibraryRecovery>> LibraryRecovery::Make(const std::string& checker) {
  const size_t colon = checker.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == checker.size()) {
    return Status::InvalidArgument(fmt::format("--checker={}: must be LIBRARY:FUNCTION", checker));
  }
  const std::string library = checker.substr(0, colon), name = checker.substr(colon + 1);
  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return Status::InvalidArgument(fmt::format("--checker={}: {}", checker, dlerror()));
  }
  void* const symbol = dlsym(handle, name.c_str());
  if (symbol == nullptr) {
    return Status::InvalidArgument(
        fmt::format("--checker={}: there is no function {} in it", checker, name));
  }
  return std::unique_ptr<LibraryRecovery>(new LibraryRecovery(reinterpret_cast<Function>(symbol)));
}

std::string LibraryRecovery::Recover(const std::vector<std::string>& paths,
                                     const std::string& context) {
  TellOperations(context);
  return fmt::format("exit {} ", function_(paths.front().c_str()));
}

void NumberRanges::Insert(uint64_t number) {
  auto after = last_of_.upper_bound(number);
  if (after != last_of_.begin()) {
    const auto before = std::prev(after);
    if (number <= before->second) return;
    if (number == before->second + 1) {
      before->second = number;
      if (after != last_of_.end() && after->first == number + 1) {
        before->second = after->second;
        last_of_.erase(after);
      }
      return;
    }
  }
  if (after != last_of_.end() && after->first == number + 1) {
    const uint64_t last = after->second;
    last_of_.erase(after);
    last_of_[number] = last;
    return;
  }
  last_of_[number] = number;
}

void NumberRanges::Erase(uint64_t number) {
  const auto after = last_of_.upper_bound(number);
  if (after == last_of_.begin()) return;
  const auto range = std::prev(after);
  const auto [first, last] = *range;
  if (number > last) return;
  if (number < last) last_of_[number + 1] = last;
  if (number > first) {
    range->second = number - 1;
  } else {
    last_of_.erase(first);
  }
}

std::string NumberRanges::Text() const {
  std::string text;
  for (const auto& [first, last] : last_of_) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", first);
    if (last != first) text += fmt::format("-{}", last);
  }
  return text;
}

ProgramJudge::ProgramJudge(const TraceSurvey& survey, double timeout_s) : timeout_s_(timeout_s) {
  for (const auto& [id, span] : survey.operations) {
    if (span.begin != OperationSpan::kOpen) marks_.push_back({span.begin, id, false});
    if (span.end != OperationSpan::kOpen) marks_.push_back({span.end, id, true});
  }
  std::sort(marks_.begin(), marks_.end(),
            [](const Mark& a, const Mark& b) { return a.event < b.event; });
}

std::string ProgramJudge::Context(const CrashPoint& point) {
  if (marks_.empty()) return {};
  if (taken_ > 0 && marks_[taken_ - 1].event >= point.event) {
    taken_ = 0;
    acknowledged_ = under_way_ = {};
  }
  for (; taken_ < marks_.size() && marks_[taken_].event < point.event; ++taken_) {
    const Mark& mark = marks_[taken_];
    if (mark.ends) {
      acknowledged_.Insert(mark.operation);
      under_way_.Erase(mark.operation);
    } else {
      under_way_.Insert(mark.operation);
    }
  }
  return acknowledged_.Text() + ";" + under_way_.Text();
}

std::vector<Finding> ProgramJudge::Verdict(const CrashPoint& /*point*/, const Outcome& outcome) {
  if (outcome.end != Outcome::End::kAnswered) return JudgeEnd(outcome, timeout_s_);
  if (outcome.answer.starts_with("exit 0 ")) return {};
  constexpr std::string_view kUnable = "unable ";
  if (outcome.answer.starts_with(kUnable)) {
    std::string why = outcome.answer.substr(kUnable.size());
    while (!why.empty() && why.back() == '\n') why.pop_back();
    status_ = Status::InvalidArgument("--recover: the command could not be run: " + why);
    return {};
  }
  // "exit 1 what it said"
  const size_t kind_end = outcome.answer.find(' ');
  const size_t code_end = outcome.answer.find(' ', kind_end + 1);
  const std::string how = outcome.answer.substr(0, kind_end);
  const std::string ended = outcome.answer.substr(0, code_end);
  std::string said = code_end == std::string::npos ? "" : outcome.answer.substr(code_end + 1);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  const size_t last_line = said.rfind('\n');
  const std::string last = last_line == std::string::npos ? said : said.substr(last_line + 1);
  return {{.kind = how == "exit" ? "inconsistent" : how,
           .subject = {},
           .message =
               fmt::format("the recovery says no: {}{}{}", ended, last.empty() ? "" : ": ", last),
           .allowed = "exit 0",
           .found = said}};
}

}  // namespace fencepost
