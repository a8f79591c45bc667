// SPDX-License-Identifier: BSD-3-Clause
// Flipped reads: a medium that gives back another bit than was written, one bit at a time.
//
// A recovery from the whole tree is watched first (FileWatch): bits are drawn from what it reads,
// as many of each file, spread over it; each is flipped in a tree of its own, in which every read
// of that bit gives the same, and recovered from. Where reads cannot be watched any byte may be
// drawn.
//
// Invariants:
//   1. The bits depend on the tree, what the recovery reads, the seed and the count only; each is
//      drawn once.
//   2. The whole tree is recovered without a finding, or nothing is concluded.
// Threads: one owner; see TreePool.
// Not covered: several bits at once; a read that is wrong once and right the next time; sizes and
//   names.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FLIPPED_READS_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FLIPPED_READS_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/explorer.h"
#include "faultinject/explore/judge.h"
#include "faultinject/explore/recovery.h"
#include "faultinject/iotrace/file_tree.h"

namespace fencepost {

struct FlippedBit {
  std::string file;   // from the root of the tree
  uint64_t byte = 0;  // in the file
  uint32_t bit = 0;   // of the byte, from 0, which counts 1
  auto operator<=>(const FlippedBit&) const = default;

  std::string Text() const;  // "bit 3 of byte 4711 of 000004.log"
};

// kCorrupt if the tree has no such byte.
Status FlipIn(FileTree* tree, const FlippedBit& flipped);

struct FlipOptions {
  uint64_t count = 1000;
  uint64_t seed = 1;
  std::vector<std::string> passed_over =
      {};                   // names, with * for any part, of files that do not count
  CrashPoint point = {};    // where the tree is of, for the judge
  uint64_t stop_after = 0;  // groups of findings; 0: no limit
  double max_seconds = 0;   // 0: no limit
  // Whether an outcome is a refusal: the program says that it cannot go on.
  std::function<bool(const Outcome& outcome)> is_refusal = {};
};

// Findings of one kind from one kind of file. The example is the first that was drawn.
struct FlipGroup {
  Finding finding;
  FlippedBit flipped;
  uint64_t occurrences = 0;
};

struct FlipResult {
  uint64_t files = 0;       // that the recovery reads
  uint64_t bytes_read = 0;  // of them, each once
  uint64_t drawn = 0;       // bits
  uint64_t flipped = 0;     // of these: recovered from
  uint64_t refused = 0;
  uint64_t failed = 0;    // with a finding; all others changed nothing
  uint64_t outcomes = 0;  // distinct
  std::string unwatched;  // why it is not known what the recovery reads; empty if it is
  std::string stopped;    // empty if it came to its end
  double seconds = 0;
  std::vector<FlipGroup> groups;
};

// kCorrupt if the whole tree is not recovered from as it should be.
Result<FlipResult> ExploreFlippedReads(const FileTree& tree, const FlipOptions& options,
                                       const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                                       const ExploreHooks& hooks);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FLIPPED_READS_H_
