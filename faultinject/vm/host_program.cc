// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/host_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

extern char** environ;

namespace fencepost {
namespace {

namespace fs = std::filesystem;

std::string LastLine(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

// Reads to the end of a pipe, and closes it.
std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  close(fd);
  return text;
}

}  // namespace

Result<fs::path> FindHostProgram(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path == nullptr ? "" : path) + ":/usr/sbin:/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path program = fs::path(folder.empty() ? "." : folder) / name;
    std::error_code error;
    if (fs::is_regular_file(program, error) && access(program.c_str(), X_OK) == 0) return program;
  }
  return Status::Unsupported(fmt::format(
      "there is no {} (scripts/setup.sh --vm installs what virtual machines need)", name));
}

Result<std::string> RunHostProgram(const std::vector<std::string>& words, const fs::path& input,
                                   const fs::path& output) {
  std::array<int, 2> out;
  if (pipe2(out.data(), O_CLOEXEC) != 0) {
    return Status::IoError(fmt::format("pipe2: {}", std::strerror(errno)));
  }
  // A file, not a second pipe: whoever reads one pipe to its end may let the other fill up.
  const int errors = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string from = input.empty() ? "/dev/null" : input.string();
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, from.c_str(), O_RDONLY, 0);
  if (output.empty()) {
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
  }
  if (errors >= 0) posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  std::string answer = ReadAll(out[0]);
  int status = 0;
  if (error == 0) {
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
  }
  std::string said;
  if (errors >= 0) {
    lseek(errors, 0, SEEK_SET);
    said = ReadAll(errors);
  }
  if (error != 0) {
    return Status::IoError(fmt::format("posix_spawn: {}: {}", std::strerror(error), words[0]));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Status::Unsupported(fmt::format("{} failed: {}", words[0], LastLine(said)));
  }
  return answer;
}

}  // namespace fencepost
