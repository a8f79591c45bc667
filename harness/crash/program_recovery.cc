// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/program_recovery.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "harness/crash/engine_judge.h"

namespace fencepost {
namespace {

constexpr std::string_view kImage = "{image}";

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

// The last of what the command has written, for a message.
std::string ReadTail(int fd) {
  constexpr off_t kMost = 500;
  struct stat info;
  if (fstat(fd, &info) != 0) return {};
  std::string text(static_cast<size_t>(std::min(info.st_size, kMost)), '\0');
  const ssize_t got =
      pread(fd, text.data(), text.size(), info.st_size - static_cast<off_t>(text.size()));
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
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
  std::string command = command_;
  ReplaceAll(std::string(kImage), Quoted(paths.front()), &command);
  for (size_t i = 0; i < paths.size(); ++i) {
    ReplaceAll(fmt::format("{{image{}}}", i), Quoted(paths[i]), &command);
  }
  return command;
}

std::string CommandRecovery::Recover(const std::vector<std::string>& paths,
                                     const std::string& context) {
  const std::string command = CommandFor(paths);
  // No pipe: whoever fills one waits for its reader, and whoever the command leaves running holds
  // it open.
  const int output = memfd_create("recovery-output", MFD_CLOEXEC);
  if (output < 0) return fmt::format("error memfd_create: {}", std::strerror(errno));
  const pid_t owner_group = getpgrp();
  const pid_t child = fork();
  if (child == 0) {
    TellOperations(context);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  if (child < 0) {
    close(output);
    return fmt::format("error fork: {}", std::strerror(errno));
  }
  // Same group as this worker: when the time is up the owner kills the group, command and all.
  setpgid(child, owner_group);
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
  }
  std::string said = ReadTail(output);
  for (const std::string& path : paths) ReplaceAll(path, "{image}", &said);
  close(output);
  if (WIFSIGNALED(ended)) return fmt::format("signal {} {}", WTERMSIG(ended), said);
  return fmt::format("exit {} {}", WEXITSTATUS(ended), said);
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

void NumberSet::Insert(uint64_t number) {
  auto after = last_of_.upper_bound(number);
  if (after != last_of_.begin()) {
    auto& [first, last] = *std::prev(after);
    if (number <= last) return;
    if (number == last + 1) {
      last = number;
      if (after != last_of_.end() && after->first == number + 1) {
        last = after->second;
        last_of_.erase(after);
      }
      return;
    }
  }
  uint64_t last = number;
  if (after != last_of_.end() && number != UINT64_MAX && after->first == number + 1) {
    last = after->second;
    last_of_.erase(after);
  }
  last_of_[number] = last;
}

std::string NumberSet::Text() const {
  std::string text;
  for (const auto& [first, last] : last_of_) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", first);
    if (last != first) text += fmt::format("-{}", last);
  }
  return text;
}

ProgramJudge::ProgramJudge(const TraceSurvey& survey, double timeout_s) : timeout_s_(timeout_s) {
  for (const auto& [id, span] : survey.operations) {
    if (span.begin != OperationSpan::kOpen) marks_[span.begin] = {id, false};
    if (span.end != OperationSpan::kOpen) marks_[span.end] = {id, true};
  }
  next_ = marks_.begin();
}

void ProgramJudge::Advance(uint64_t event) {
  if (event < event_) {
    next_ = marks_.begin();
    acknowledged_ = {};
    under_way_.clear();
  }
  event_ = event;
  for (; next_ != marks_.end() && next_->first < event; ++next_) {
    const auto& [id, ends] = next_->second;
    if (ends) {
      acknowledged_.Insert(id);
      under_way_.erase(id);
    } else {
      under_way_.insert(id);
    }
  }
}

std::string ProgramJudge::Context(const CrashPoint& point) {
  if (marks_.empty()) return {};
  Advance(point.event);
  NumberSet under_way;
  for (const uint64_t id : under_way_) under_way.Insert(id);
  return acknowledged_.Text() + ";" + under_way.Text();
}

std::vector<Finding> ProgramJudge::Verdict(const CrashPoint& /*point*/, const Outcome& outcome) {
  if (outcome.end != Outcome::End::kAnswered) return JudgeEnd(outcome, timeout_s_);
  if (outcome.answer.starts_with("exit 0 ")) return {};
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
