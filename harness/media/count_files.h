// SPDX-License-Identifier: BSD-3-Clause
// What operations of an engine that keeps its data in files write and sync, and what that would
// take on devices that are modelled: counted from a recording of its system calls.
//
// Not covered: reads: the page cache is warm. Background threads' work is shown for itself.
// Source: harness/media/block_ledger.h, harness/crash/file_recording.h.
#ifndef FENCEPOST_HARNESS_MEDIA_COUNT_FILES_H_
#define FENCEPOST_HARNESS_MEDIA_COUNT_FILES_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engines/status.h"
#include "harness/media/block_ledger.h"
#include "harness/run_request.h"

namespace fencepost {

struct FileCount {
  std::string operation;  // "write", "read", "sync"; "background": no operation's
  BlockCount counts;
};

struct FileCounts {
  std::string engine;
  std::string workload;
  std::string durability;
  uint64_t record_count = 0;
  std::vector<FileCount> kinds = {};
};

// Loads, records the run and counts. Workloads as `fencepost crash` takes them.
Result<FileCounts> CountFiles(const WorkloadFlags& flags, const std::string& engine);

std::string CountsText(const FileCounts& counts);
nlohmann::json CountsJson(const FileCounts& counts);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_MEDIA_COUNT_FILES_H_
