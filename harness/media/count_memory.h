// SPDX-License-Identifier: BSD-3-Clause
// What operations of a persistent-memory engine read, flush and fence, and what each would take on
// media that are modelled: counted, not timed; the same command gives the same numbers.
//
// Which lines share a place in the simulated cache, and which module a line is of, depends on the
// pool's address: CountMemory gives the same each time only if that is fixed (PMEM_MMAP_HINT,
// libpmem(7), which libpmem reads when it is loaded).
//
// Not covered: engines that do not tell what they read; more than one thread.
// Source: engines/pmem/access_counter.h.
#ifndef FENCEPOST_HARNESS_MEDIA_COUNT_MEMORY_H_
#define FENCEPOST_HARNESS_MEDIA_COUNT_MEMORY_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engines/pmem/access_counter.h"
#include "engines/status.h"
#include "harness/media/tool_loads.h"
#include "harness/run_request.h"

namespace fencepost {

struct MemoryCount {
  std::string_view operation;  // "get", "put", ...
  pmem::AccessCounts counts;   // by what the engine tells of its reads
  // By what its instructions load.
  struct Loads {
    ToolLoads counts;
    std::vector<pmem::AccessCounts::OnMedium> media;
  };
  std::optional<Loads> loads = {};
};

struct MemoryCounts {
  std::string engine;
  std::string workload;
  uint64_t record_count = 0;
  uint64_t cache_bytes = 0;
  std::vector<std::string_view> media;
  std::vector<MemoryCount> kinds = {};  // of which there was at least one
};

// Loads, runs and counts the run. `plan` is of a scratch place, which the caller removes.
// `loads`: also by instructions; REQUIRES that this process runs under the tool for that.
// kInvalidArgument: not one thread, or no number of operations.
Result<MemoryCounts> CountMemory(const RunPlan& plan, uint64_t cache_bytes, bool loads);

std::string CountsText(const MemoryCounts& counts);
nlohmann::json CountsJson(const MemoryCounts& counts);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_MEDIA_COUNT_MEMORY_H_
