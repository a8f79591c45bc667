// SPDX-License-Identifier: BSD-3-Clause
// What became of a pool when it was mapped, seen and not assumed: whether libpmem takes it for
// persistent memory, whether the kernel keeps the file's metadata with each new page (MAP_SYNC),
// and which instruction libpmem flushes with.
//
// Threads: one at a time; while the instruction is looked for no other may use SIGTRAP.
// Not covered: under Valgrind, and under a debugger, the instruction is "unknown".
// Source: Linux, Documentation/filesystems/proc.rst, VmFlags "sf"; Intel SDM volume 2, CLFLUSH,
//   CLFLUSHOPT, CLWB.
#ifndef FENCEPOST_ENGINES_PMEM_PMEM_FACTS_H_
#define FENCEPOST_ENGINES_PMEM_PMEM_FACTS_H_

#include <filesystem>
#include <istream>
#include <optional>
#include <string>

namespace fencepost::pmem {

struct PmemFacts {
  bool is_pmem = false;   // as pmem_is_pmem answers for the whole mapping
  bool forced = false;    // it would so of any memory (PMEM_IS_PMEM_FORCE)
  bool map_sync = false;  // the mapping is MAP_SYNC
  std::string
      flush_instruction;  // "clwb", "clflushopt", "clflush"; "none": cached stores are durable
};

// Of the pool at `path`, which this process has mapped; none where it has not.
std::optional<PmemFacts> ObservePmem(const std::filesystem::path& path);

// The first mapping of `path` in what /proc/self/smaps says.
struct PoolMapping {
  uintptr_t begin = 0, end = 0;
  bool map_sync = false;
};
std::optional<PoolMapping> FindPoolMapping(std::istream& smaps, const std::string& path);

// Steps through one flush of libpmem, an instruction at a time, and says which one it was.
std::string ObservedFlushInstruction();

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_PMEM_FACTS_H_
