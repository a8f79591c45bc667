// SPDX-License-Identifier: BSD-3-Clause
#include "harness/valgrind_tool.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTool = "pmemcheck-amd64-linux";
// From the folder of this program: the build tree's, and the installed one's.
constexpr const char* kLibraries[] = {"../faultinject/pmemcheck/valgrind",
                                      "../libexec/fencepost/valgrind"};

// As a shell finds it; empty if it does not.
fs::path InPath(const std::string& word) {
  if (word.find('/') != std::string::npos) return word;
  const char* const path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const size_t end = rest.find(':');
    const fs::path candidate = fs::path(rest.substr(0, end)) / word;
    if (access(candidate.c_str(), X_OK) == 0 && !fs::is_directory(candidate)) return candidate;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return {};
}

}  // namespace

Result<ValgrindTool> FindPmemcheck(const std::string& launcher) {
  if (!launcher.empty()) {
    const fs::path path = InPath(launcher);
    if (path.empty() || access(path.c_str(), X_OK) != 0) {
      return Status::InvalidArgument(fmt::format("--valgrind={}: no such program", launcher));
    }
    return ValgrindTool{.valgrind = path, .library = {}};
  }
  const fs::path valgrind = InPath("valgrind");
  if (valgrind.empty()) {
    return Status::Unsupported("no valgrind on this machine (scripts/setup.sh run installs it)");
  }
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* library : kLibraries) {
    const fs::path folder = fs::weakly_canonical(here / library, error);
    if (fs::exists(folder / kTool, error)) return ValgrindTool{valgrind, folder};
  }
  return Status::Unsupported("this build has no pmemcheck: Valgrind's headers were not found then");
}

Result<fs::path> FindProgram(const std::string& word) {
  const fs::path path = InPath(word);
  if (path.empty() || access(path.c_str(), F_OK) != 0) {
    return Status::InvalidArgument(fmt::format("{}: no such program", word));
  }
  if (access(path.c_str(), X_OK) != 0 || fs::is_directory(path)) {
    return Status::InvalidArgument(fmt::format("{}: may not be executed", word));
  }
  Elf64_Ehdr header{};
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return Status::InvalidArgument(
        fmt::format("{}: not an ELF program (of a script, name the interpreter)", word));
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) {
    return Status::InvalidArgument(fmt::format("{}: not a 64-bit x86 program", word));
  }
  return path;
}

Status ExecUnder(const ValgrindTool& tool, const std::vector<std::string>& options,
                 const std::vector<std::string>& program) {
  std::vector<std::string> words = {tool.valgrind.string(), "--tool=pmemcheck"};
  words.insert(words.end(), options.begin(), options.end());
  words.insert(words.end(), program.begin(), program.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (!tool.library.empty()) setenv("VALGRIND_LIB", tool.library.c_str(), /*overwrite=*/1);
  execv(tool.valgrind.c_str(), arguments.data());
  return Status::IoError(
      fmt::format("execv: {}: {}", tool.valgrind.string(), std::strerror(errno)));
}

Result<EndedProgram> RunUnder(const ValgrindTool& tool, const std::vector<std::string>& options,
                              const std::vector<std::string>& program) {
  const pid_t child = fork();
  if (child < 0) return Status::IoError(fmt::format("fork: {}", std::strerror(errno)));
  if (child == 0) {
    const Status status = ExecUnder(tool, options, program);
    fmt::print(stderr, "fencepost: {}\n", status.message());
    _exit(2);
  }
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0) {
    if (errno != EINTR) return Status::IoError(fmt::format("waitpid: {}", std::strerror(errno)));
  }
  return EndedProgram{.exit_code = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended),
                      .pid = child};
}

Result<ToolServer> ToolServer::Start(const ValgrindTool& tool,
                                     const std::vector<std::string>& options,
                                     const std::vector<std::string>& program) {
  int down[2], up[2];
  if (pipe2(down, O_CLOEXEC) != 0) {
    return Status::IoError(fmt::format("pipe: {}", std::strerror(errno)));
  }
  if (pipe2(up, O_CLOEXEC) != 0) {
    const Status status = Status::IoError(fmt::format("pipe: {}", std::strerror(errno)));
    close(down[0]);
    close(down[1]);
    return status;
  }
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(down[0], STDIN_FILENO);
    dup2(up[1], STDOUT_FILENO);
    const Status status = ExecUnder(tool, options, program);
    fmt::print(stderr, "fencepost: {}\n", status.message());
    _exit(2);
  }
  close(down[0]);
  close(up[1]);
  ToolServer server(child, fdopen(down[1], "w"), fdopen(up[0], "r"));
  if (child < 0) return Status::IoError(fmt::format("fork: {}", std::strerror(errno)));
  return server;
}

ToolServer::ToolServer(ToolServer&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::exchange(other.to_, nullptr)),
      from_(std::exchange(other.from_, nullptr)) {}

ToolServer::~ToolServer() {
  if (to_ != nullptr) fclose(to_);
  if (from_ != nullptr) fclose(from_);
  if (pid_ <= 0) return;
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<std::string> ToolServer::Ask(const std::string& line) {
  const bool asked = fputs((line + "\n").c_str(), to_) >= 0 && fflush(to_) == 0;
  std::string answer;
  for (int c = 0; asked && (c = fgetc(from_)) != EOF;) {
    if (c == '\n') return answer;
    answer += static_cast<char>(c);
  }
  return Status::IoError("a program under pmemcheck has ended");
}

}  // namespace fencepost
