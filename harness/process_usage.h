// SPDX-License-Identifier: BSD-3-Clause
// What this process has used so far: CPU time, memory, faults, switches and I/O.
//
// Threads: any; the figures are those of the whole process, all its threads together.
// Not covered: child processes. CPU time is as fine as the kernel's accounting, which may be a
//   timer tick of 1 to 10 ms a thread.
// Source: getrusage(2), proc(5): /proc/self/status, /proc/self/io, /proc/self/clear_refs.
#ifndef FENCEPOST_HARNESS_PROCESS_USAGE_H_
#define FENCEPOST_HARNESS_PROCESS_USAGE_H_

#include <cstdint>
#include <optional>

#include "engines/status.h"

namespace fencepost {

// /proc/self/io.
struct ProcessIo {
  uint64_t read_call_bytes = 0;      // rchar: by read calls, page cache and pipes included
  uint64_t write_call_bytes = 0;     // wchar
  uint64_t read_call_count = 0;      // syscr
  uint64_t write_call_count = 0;     // syscw
  uint64_t storage_read_bytes = 0;   // read_bytes: fetched from a block device
  uint64_t storage_write_bytes = 0;  // write_bytes: on their way to one when the page was dirtied
};

struct ProcessUsage {
  double user_cpu_s = 0;
  double system_cpu_s = 0;
  uint64_t rss_bytes = 0;       // VmRSS
  uint64_t peak_rss_bytes = 0;  // VmHWM, since the start or the last ResetPeakRss()
  uint64_t minor_fault_count = 0;
  uint64_t major_fault_count = 0;
  uint64_t voluntary_switch_count = 0;
  uint64_t involuntary_switch_count = 0;
  std::optional<ProcessIo> io;  // nothing where the kernel does not account for I/O
};

// kIoError if /proc or getrusage does not answer.
Result<ProcessUsage> ReadProcessUsage();

// What was used from `before` to `after`. Memory is a level and not a flow: both figures of it are
// those of `after`.
ProcessUsage UsageBetween(const ProcessUsage& before, const ProcessUsage& after);

// Lets peak_rss_bytes begin anew at the present level. kIoError where the kernel does not let us.
Status ResetPeakRss();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_PROCESS_USAGE_H_
