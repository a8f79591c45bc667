// SPDX-License-Identifier: BSD-3-Clause
// The files that a run leaves: its directory, whole files, CSV.
//
// Invariants: a reader sees a file of WriteFileAtomically() whole or not at all, and after a crash
//   the old one, the new one, or none.
// Threads: any; two runs that start in the same second get different directories.
// Source: RFC 4180 (CSV).
#ifndef FENCEPOST_HARNESS_RUN_FILES_H_
#define FENCEPOST_HARNESS_RUN_FILES_H_

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// Writes `contents` to a temporary file beside `path`, syncs it, and renames it to `path`. On an
// error (kIoError, kFull) `path` is as it was and the temporary file is gone.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view contents);

// Now, as in ISO 8601: "2026-01-31T12:34:56Z".
std::string UtcTimestamp();

// Lower case, with every run of other than letters and digits made one '-': "Zipfian, 0.99" becomes
// "zipfian-0-99". "run" if nothing is left.
std::string Slug(std::string_view text);

// 20231114T221320Z-lmdb-workloada-<suffix>: sorts by time; `what` is made a slug.
std::string RunId(std::time_t start_time_s, std::string_view what, std::string_view suffix);

struct RunDirectory {
  std::string run_id;
  std::filesystem::path path;  // results_root / run_id
};

// Makes a new directory with a random suffix under `results_root`, which is made if it is absent.
Result<RunDirectory> CreateRunDirectory(const std::filesystem::path& results_root,
                                        std::time_t start_time_s, std::string_view what);

// Builds a CSV text: a header line, then rows of as many fields.
class CsvTable {
 public:
  explicit CsvTable(const std::vector<std::string>& columns);
  // REQUIRES: as many fields as columns.
  void AddRow(const std::vector<std::string>& fields);
  // Lines end with LF. Fields with a comma, a quote or a line break are quoted.
  const std::string& text() const { return text_; }

 private:
  void AppendLine(const std::vector<std::string>& fields);

  size_t column_count_;
  std::string text_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_RUN_FILES_H_
