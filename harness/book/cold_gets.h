// SPDX-License-Identifier: BSD-3-Clause
// The first get after a store was opened: with its files out of the page cache (cold), or in it.
//
// Each sample is one get of a pair that is there, in a store that was closed, evicted and opened
// again just before: nothing that the engine itself keeps in DRAM has the pair, but for what
// opening brought in. The value that was read is checked, outside of what is timed. Threads: none.
// Not covered: a cold persistent memory: tmpfs cannot be evicted. Its samples are first gets after
//   opening, pages not mapped yet.
#ifndef FENCEPOST_HARNESS_BOOK_COLD_GETS_H_
#define FENCEPOST_HARNESS_BOOK_COLD_GETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engines/engine_table.h"
#include "harness/stats/stats.h"

namespace fencepost {

struct ColdGetsOptions {
  EngineOptions engine;  // its path is a place of the caller's own
  uint64_t pairs = 1000;
  uint64_t value_bytes = 100;
  size_t samples = 25;
};

struct ColdGets {
  Medium medium = Medium::kNone;
  bool evicted = false;          // false: the medium has no page cache to be evicted from
  double resident_share = 0;     // of the files' pages, after eviction, at most
  Estimate cold_ns;              // or, where nothing can be evicted, the first get after opening
  Estimate reopened_ns;          // the first get after opening, files in the page cache
  double device_bytes_read = 0;  // a cold sample, opening excluded, by /proc/self/io
};

// The key and the value of pair `number`, the same wherever they are made.
std::string BookKey(uint64_t number);
std::string BookValue(uint64_t number, uint64_t version, uint64_t bytes);

// Puts the pairs 0 to `pairs`, version 0, many at a time: one sync for each would be most of the
// time. REQUIRES: the engine's row says `atomic_batch`.
Status LoadBookPairs(Engine& engine, uint64_t pairs, uint64_t value_bytes);

// Loads the store and measures. kCorrupt if a get has found another value than was put.
Result<ColdGets> MeasureColdGets(const EngineRow& row, const ColdGetsOptions& options);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_COLD_GETS_H_
