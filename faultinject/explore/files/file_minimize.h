// SPDX-License-Identifier: BSD-3-Clause
// Minimising a violation in files: which writes, sizes and names had to survive, and did not?
//
// Of what a failing state has lost, a smallest set is searched that alone, with everything else
// survived, still fails in the same way: first whole events, then single sectors of them.
// Source: Zeller, Hildebrandt, Simplifying and isolating failure-inducing input, TSE 2002 (ddmin).
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_MINIMIZE_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_MINIMIZE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "faultinject/explore/files/file_explorer.h"

namespace fencepost {

// A piece of an event that had to survive and did not.
struct MissingPiece {
  PieceId id;
  std::string what;   // PosixModel::Describe
  std::string place;  // the same for the same kind of thing in any file of that kind of name
  std::optional<uint64_t> operation;
  std::string cover;  // which sync should have covered it, in words
};

struct FileMinimalViolation {
  FileFindingGroup group;             // with the minimal state, its outcome and finding
  std::vector<MissingPiece> missing;  // empty: it fails with everything survived
  bool minimal = false;               // false: the search was cut short, fewer may do
  uint64_t recoveries = 0;            // that the search took
};

// Minimises each group, with at most `max_recoveries` for each. Once interrupted() says so (it may
// be null), the rest stays as it was found.
Result<std::vector<FileMinimalViolation>> MinimizeFiles(
    const FileRun& run, const FileExploreOptions& options, const PoolOptions& pool,
    Recoverer* recoverer, Judge* judge, std::vector<FileFindingGroup> groups,
    uint64_t max_recoveries, const std::function<bool()>& interrupted = {});

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_MINIMIZE_H_
