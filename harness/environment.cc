// SPDX-License-Identifier: BSD-3-Clause
#include "harness/environment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/pinning.h"
#include "harness/valgrind_probe.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCpu0 = "/sys/devices/system/cpu/cpu0";

// The first line of a file; `fallback` if it cannot be read or is empty.
std::string ReadLine(const fs::path& path, std::string fallback) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) && !line.empty() ? line : std::move(fallback);
}

// Of "always [madvise] never" the word in brackets.
std::string ReadChoice(const fs::path& path) {
  const std::string line = ReadLine(path, "");
  const size_t open = line.find('['), close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "unknown";
  return line.substr(open + 1, close - open - 1);
}

// "512K" or "32M" in bytes; 0 if it is neither.
uint64_t ParseSize(const std::string& text) {
  std::istringstream in(text);
  uint64_t number = 0;
  char unit = 0;
  if (!(in >> number)) return 0;
  in >> unit;
  constexpr uint64_t kKiB = 1024;
  if (unit == 'K') return number * kKiB;
  if (unit == 'M') return number * kKiB * kKiB;
  return number;
}

std::vector<CacheFacts> ReadCaches() {
  std::vector<CacheFacts> caches;
  for (int index = 0;; ++index) {
    const fs::path folder = fs::path(kCpu0) / "cache" / fmt::format("index{}", index);
    const std::string level = ReadLine(folder / "level", "");
    if (level.empty()) return caches;
    std::string type = ReadLine(folder / "type", "unknown");
    if (type[0] >= 'A' && type[0] <= 'Z') type[0] = static_cast<char>(type[0] - 'A' + 'a');
    caches.push_back({.level = static_cast<unsigned>(ParseSize(level)),
                      .type = type,
                      .size_bytes = ParseSize(ReadLine(folder / "size", "")),
                      .line_bytes = static_cast<unsigned>(
                          ParseSize(ReadLine(folder / "coherency_line_size", ""))),
                      .shared_cpus = ReadLine(folder / "shared_cpu_list", "")});
  }
}

std::string OsName() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kKey = "PRETTY_NAME=";
    if (!line.starts_with(kKey)) continue;
    std::string name = line.substr(kKey.size());
    std::erase(name, '"');
    return name;
  }
  return "unknown";
}

std::string Kernel() {
  utsname name;
  if (uname(&name) != 0) return "unknown";
  return fmt::format("{} {}", name.sysname, name.release);
}

std::string Turbo() {
  const std::string no_turbo = ReadLine("/sys/devices/system/cpu/intel_pstate/no_turbo", "");
  if (!no_turbo.empty()) return no_turbo == "0" ? "on" : "off";
  const std::string boost = ReadLine("/sys/devices/system/cpu/cpufreq/boost", "");
  if (!boost.empty()) return boost == "1" ? "on" : "off";
  return "unknown";
}

std::string Aslr() {
  const std::string setting = ReadLine("/proc/sys/kernel/randomize_va_space", "");
  if (setting == "0") return "off";
  if (setting == "1") return "partial";
  return setting == "2" ? "full" : "unknown";
}

// Names of the entries of `folder` that begin with one of `prefixes`, sorted.
std::vector<std::string> EntriesOf(const fs::path& folder,
                                   const std::vector<std::string_view>& prefixes) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    for (const std::string_view prefix : prefixes) {
      if (name.starts_with(prefix)) names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> PmemDevices() {
  std::vector<std::string> devices = EntriesOf("/dev", {"pmem", "dax"});
  for (std::string& device : devices) device.insert(0, "/dev/");
  return devices;
}

void ReadMounts(MachineFacts* facts) {
  const Result<std::vector<FileSystem>> mounts = MountedFileSystems();
  if (!mounts.ok()) return;
  for (const FileSystem& mount : *mounts) {
    if (mount.dax) facts->dax_mounts.push_back(mount);
    if (mount.type == "tmpfs" && !mount.read_only &&
        access(mount.mount_point.c_str(), W_OK | X_OK) == 0) {
      facts->tmpfs_mounts.push_back(mount);
    }
  }
}

// Asks for a ring of no entries, which no kernel grants: the error tells whether it would.
std::string IoUring() {
  errno = 0;
  syscall(SYS_io_uring_setup, 0u, nullptr);
  if (errno == ENOSYS) return "not in this kernel";
  if (errno == EPERM || errno == EACCES) return "not permitted";
  return "yes";
}

std::string FindInPath(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder.empty() ? "." : folder) / program;
    std::error_code error;
    if (fs::is_regular_file(candidate, error) && access(candidate.c_str(), X_OK) == 0) {
      return candidate.string();
    }
  }
  return "";
}

// Reads what a child writes until it is done or `timeout_ms` go by without a byte.
std::string ReadAll(int fd, int timeout_ms) {
  std::string text;
  for (;;) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, timeout_ms) <= 0) return text;
    char buffer[256];
    const ssize_t bytes = read(fd, buffer, sizeof buffer);
    if (bytes <= 0) return text;
    text.append(buffer, static_cast<size_t>(bytes));
  }
}

// The first line that `program --version` prints; "unknown" if it does not within a few seconds.
std::string VersionOf(const std::string& program) {
  constexpr int kTimeoutMs = 5000;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "unknown";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  std::string name = program, option = "--version";
  char* arguments[] = {name.data(), option.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  if (error == 0) {
    text = ReadAll(ends[0], kTimeoutMs);
    kill(child, SIGKILL);  // of no effect on one that has ended by itself
    waitpid(child, nullptr, 0);
  }
  close(ends[0]);
  text.resize(std::min(text.size(), text.find('\n')));
  return text.empty() ? "unknown" : text;
}

}  // namespace

MachineFacts ReadMachineFacts() {
  MachineFacts facts;
  facts.cpu = ReadCpuFacts();
  facts.online_cpu_count = static_cast<size_t>(std::max(0L, sysconf(_SC_NPROCESSORS_ONLN)));
  if (const Result<std::vector<int>> cpus = AllowedCpus(); cpus.ok()) {
    facts.allowed_cpu_count = cpus->size();
  }
  facts.caches = ReadCaches();
  facts.memory_bytes = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES))) *
                       static_cast<uint64_t>(std::max(0L, sysconf(_SC_PAGESIZE)));
  facts.kernel = Kernel();
  facts.os_name = OsName();
  facts.governor = ReadLine(fs::path(kCpu0) / "cpufreq/scaling_governor", "none");
  facts.turbo = Turbo();
  facts.aslr = Aslr();
  const fs::path huge_pages = "/sys/kernel/mm/transparent_hugepage";
  facts.transparent_huge_pages = ReadChoice(huge_pages / "enabled");
  facts.transparent_huge_pages_shmem = ReadChoice(huge_pages / "shmem_enabled");
  facts.pmem_devices = PmemDevices();
  facts.nd_devices = EntriesOf("/sys/bus/nd/devices", {""});
  ReadMounts(&facts);
  facts.io_uring = IoUring();
  facts.can_drop_page_cache = access("/proc/sys/vm/drop_caches", W_OK) == 0;
  facts.runs_under_valgrind = RunsUnderValgrind();
  facts.valgrind_path = FindInPath("valgrind");
  if (!facts.valgrind_path.empty()) facts.valgrind_version = VersionOf(facts.valgrind_path);
  facts.build = GetBuildInfo();
  return facts;
}

}  // namespace fencepost
