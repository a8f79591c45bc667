// SPDX-License-Identifier: BSD-3-Clause
#include "harness/process_usage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace fencepost {
namespace {

// The lines "name: number ..." of a file in /proc; empty if it cannot be read.
std::map<std::string, uint64_t> ReadNamedNumbers(const char* path) {
  std::map<std::string, uint64_t> numbers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream rest(line.substr(colon + 1));
    if (uint64_t number = 0; rest >> number) numbers.emplace(line.substr(0, colon), number);
  }
  return numbers;
}

std::optional<ProcessIo> ReadProcessIo() {
  std::map<std::string, uint64_t> numbers = ReadNamedNumbers("/proc/self/io");
  if (!numbers.contains("rchar")) return std::nullopt;
  return ProcessIo{.read_call_bytes = numbers["rchar"],
                   .write_call_bytes = numbers["wchar"],
                   .read_call_count = numbers["syscr"],
                   .write_call_count = numbers["syscw"],
                   .storage_read_bytes = numbers["read_bytes"],
                   .storage_write_bytes = numbers["write_bytes"]};
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

Result<ProcessUsage> ReadProcessUsage() {
  rusage used;
  if (getrusage(RUSAGE_SELF, &used) != 0) {
    return Status::IoError(fmt::format("getrusage: {}", std::strerror(errno)));
  }
  std::map<std::string, uint64_t> status = ReadNamedNumbers("/proc/self/status");
  if (!status.contains("VmRSS") || !status.contains("VmHWM")) {
    return Status::IoError("read: no VmRSS and VmHWM in /proc/self/status");
  }
  constexpr uint64_t kKiB = 1024;
  return ProcessUsage{.user_cpu_s = Seconds(used.ru_utime),
                      .system_cpu_s = Seconds(used.ru_stime),
                      .rss_bytes = status["VmRSS"] * kKiB,
                      .peak_rss_bytes = status["VmHWM"] * kKiB,
                      .minor_fault_count = static_cast<uint64_t>(used.ru_minflt),
                      .major_fault_count = static_cast<uint64_t>(used.ru_majflt),
                      .voluntary_switch_count = static_cast<uint64_t>(used.ru_nvcsw),
                      .involuntary_switch_count = static_cast<uint64_t>(used.ru_nivcsw),
                      .io = ReadProcessIo()};
}

ProcessUsage UsageBetween(const ProcessUsage& before, const ProcessUsage& after) {
  ProcessUsage used = after;
  used.user_cpu_s -= before.user_cpu_s;
  used.system_cpu_s -= before.system_cpu_s;
  used.minor_fault_count -= before.minor_fault_count;
  used.major_fault_count -= before.major_fault_count;
  used.voluntary_switch_count -= before.voluntary_switch_count;
  used.involuntary_switch_count -= before.involuntary_switch_count;
  if (!before.io || !after.io) {
    used.io.reset();
    return used;
  }
  used.io->read_call_bytes -= before.io->read_call_bytes;
  used.io->write_call_bytes -= before.io->write_call_bytes;
  used.io->read_call_count -= before.io->read_call_count;
  used.io->write_call_count -= before.io->write_call_count;
  used.io->storage_read_bytes -= before.io->storage_read_bytes;
  used.io->storage_write_bytes -= before.io->storage_write_bytes;
  return used;
}

Status ResetPeakRss() {
  const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return Status::IoError(fmt::format("open: {}: /proc/self/clear_refs", std::strerror(errno)));
  }
  // 5 means: reset the peak, and leave the reference bits of the pages alone.
  const bool written = write(fd, "5", 1) == 1;
  const int error = errno;
  close(fd);
  if (written) return Status::Ok();
  return Status::IoError(fmt::format("write: {}: /proc/self/clear_refs", std::strerror(error)));
}

}  // namespace fencepost
