// SPDX-License-Identifier: BSD-3-Clause
// What became of a pool when it was mapped, seen and not assumed: whether libpmemobj takes it for
// persistent memory, whether the kernel keeps the file's metadata with each new page (MAP_SYNC),
// and which instruction libpmemobj flushes with.
//
// pmem_is_pmem does not tell: of a mapping that libpmemobj has made itself, with MAP_SYNC, libpmem
// knows nothing and says no, while libpmemobj flushes it as persistent memory.
//
// Threads: one at a time; while the instruction is looked for no other may use SIGTRAP.
// Not covered: under Valgrind, and under a debugger, the instruction is "unknown".
// Source: Linux, Documentation/filesystems/proc.rst, VmFlags "sf"; Intel SDM volume 2, CLFLUSH,
//   CLFLUSHOPT, CLWB.
#ifndef FENCEPOST_ENGINES_PMEM_PMEM_FACTS_H_
#define FENCEPOST_ENGINES_PMEM_PMEM_FACTS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <istream>
#include <optional>
#include <string>

namespace fencepost::pmem {

struct PmemFacts {
  bool is_pmem = false;           // stores to it are made durable by the processor, without msync
  bool forced = false;            // so are those to any memory (PMEM_IS_PMEM_FORCE)
  bool map_sync = false;          // the mapping is MAP_SYNC
  std::string flush_instruction;  // as ObservedFlush has it
};

// Of the libpmemobj pool at `path`, which this process has open; none where it has not.
std::optional<PmemFacts> ObservePmem(const std::filesystem::path& path);

// The first mapping of `path` in what /proc/self/smaps says.
struct PoolMapping {
  uintptr_t begin = 0, end = 0;
  bool map_sync = false;
};
std::optional<PoolMapping> FindPoolMapping(std::istream& smaps, const std::string& path);

// The file that is mapped at `address`; empty if none is.
std::filesystem::path MappedFile(const void* address);

// Whether the first mapping of `path` in this process is MAP_SYNC.
bool IsMapSync(const std::filesystem::path& path);

// Steps through a flush, an instruction at a time, and says what did it: "clwb", "clflushopt",
// "clflush", "msync" (a system call), "none" (cached stores are durable), or "unknown".
std::string ObservedFlush(const std::function<void()>& flush);

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_PMEM_FACTS_H_
