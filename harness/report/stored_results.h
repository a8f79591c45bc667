// SPDX-License-Identifier: BSD-3-Clause
// Results that an earlier invocation left, found and read again.
#ifndef FENCEPOST_HARNESS_REPORT_STORED_RESULTS_H_
#define FENCEPOST_HARNESS_REPORT_STORED_RESULTS_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// `name` as a path, or as an id below `results`. kInvalidArgument if there is no such folder.
Result<std::filesystem::path> FindResult(const std::string& name, const std::string& results);

// The JSON object in folder/document, whose "schema" is `schema`. kInvalidArgument, naming the
// file, if it cannot be read, is no JSON or of another schema.
Result<nlohmann::json> ReadDocument(const std::filesystem::path& folder,
                                    const std::string& document, std::string_view schema);

// The JSON object in a file; an empty one if there is none, or the file is not there.
nlohmann::json ReadObject(const std::filesystem::path& path);

// Runs of one cell, or the only run of a folder.
struct StoredCell {
  std::vector<nlohmann::json> summaries;  // of whole runs, at least one
  std::string placement;                  // "default", "tmpfs", "disk"
};

struct StoredRuns {
  std::vector<StoredCell> cells;
  nlohmann::json manifest;           // of the first run
  std::vector<std::string> remarks;  // cells that were skipped, failed or cut short
};

// A bench's folder, or a run's. kInvalidArgument if it is neither, or has no whole run.
Result<StoredRuns> ReadStoredRuns(const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_REPORT_STORED_RESULTS_H_
