// SPDX-License-Identifier: BSD-3-Clause
// What one get and one put take on the way between a program and the medium, counted: system calls,
// buffers, copies, bytes at the device, lines of persistent memory.
//
// Each store is loaded, then the same operations run on it in phases:
//   get         of a pair that was read before
//   get-cold    the first get after opening, the store's files out of the page cache
//   put         a value of the same size over an old one; acknowledged means durable
//   write-back  what the puts left to be done later (Settle), charged to them
//   get-step    as get, an instruction at a time: the lines of the store's mapped file that are
//               touched
// Counts are means of an operation. The client is a forked child under CallTracer; the copies are
// counted in it by copy_counters.
// Threads: none here.
// Not covered: what the kernel allocates and copies in itself; the journal of the file system,
// which
//   a kernel thread writes (so device bytes are what the process itself has dirtied).
// Source: figures 1-1 and 1-2 of Programming Persistent Memory (Scargall, 2020), for what is
// counted.
#ifndef FENCEPOST_HARNESS_BOOK_PATH_COSTS_H_
#define FENCEPOST_HARNESS_BOOK_PATH_COSTS_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engines/engine_table.h"

namespace fencepost {

struct PathCostsOptions {
  EngineOptions engine;               // its path is a place of the caller's own
  std::filesystem::path counts_file;  // what the client counts of itself goes there
  uint64_t pairs = 200;
  uint64_t value_bytes = 64;
  uint64_t operations = 100;  // of each warm phase
  uint64_t cold_operations = 10;
  uint64_t step_operations = 2;
};

// Per operation.
struct PathCosts {
  std::string phase;  // "get", "get-cold", "put", "write-back", "get-step"
  uint64_t operations = 0;
  double system_calls = 0;
  double read_calls = 0, read_call_bytes = 0;    // bytes copied by the kernel to the program
  double write_calls = 0, write_call_bytes = 0;  // and from it
  double blocks_written = 0;                     // of 4 KiB, touched by write calls
  double sync_calls = 0;
  double page_faults = 0;
  double allocations = 0, allocated_bytes = 0;
  double copies = 0, copied_bytes = 0;  // in the program
  double device_bytes_read = 0, device_bytes_written = 0;
  double lines_flushed = 0, fences = 0;
  double instructions = 0, lines_read = 0, lines_written = 0;  // of get-step
  double unknown_instructions = 0;
  std::string calls;  // "pwrite64 1, fdatasync 1"
};

// kUnsupported where ptrace is not permitted.
Result<std::vector<PathCosts>> MeasurePathCosts(const EngineRow& row,
                                                const PathCostsOptions& options);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_PATH_COSTS_H_
