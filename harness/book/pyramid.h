// SPDX-License-Identifier: BSD-3-Clause
// The pyramid of memory and storage, as far as it can be measured on one machine: what it takes to
// get at one register, one cache line, one block.
//
// Loads are a chase of pointers through a set of lines in random order, each line once a round: no
// load can start before the one before it has ended, and no prefetcher can guess the next. The set
// has half the size of the cache that is meant (a sixteenth of the last one, which others may
// share, where that is four times the one above), or four times the largest for memory.
//
// A value is the median of batches, each a mean over many steps: of what is stable, and not of one
// step. Its interval is of the batches. What does not wait for a device is timed by the thread's
// own CPU time, and a note says if others had much of the CPU meanwhile. Threads: none. Pin the
// caller. Not covered: bandwidth, several accesses at once; a disk's own cache, or a hypervisor's:
// a block
//   that was read with O_DIRECT may have come from there, and a sync may have ended there.
// Source: the levels and their order are those of the memory-storage hierarchy in chapter 1 of
//   Programming Persistent Memory (Scargall, 2020); Drepper, What every programmer should know
//   about memory (2007), section 3.3 (the chase).
#ifndef FENCEPOST_HARNESS_BOOK_PYRAMID_H_
#define FENCEPOST_HARNESS_BOOK_PYRAMID_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "harness/environment.h"
#include "harness/stats/stats.h"

namespace fencepost {

struct PyramidOptions {
  std::filesystem::path disk;  // a folder of the caller's, for files of some 100 MiB
  std::filesystem::path pmem;  // the same in persistent memory or tmpfs; empty: there is none
  double seconds_per_point = 0.5;
  size_t batches = 11;
  uint64_t memory_bytes_max = UINT64_MAX;  // of the largest set
};

struct PyramidPoint {
  std::string name;   // "l1", "dram", "block-read", ...: stable
  std::string label;  // for people
  std::string medium;
  Estimate ns;             // of one access
  uint64_t set_bytes = 0;  // chased or read at random; 0: none
  uint64_t steps = 0;      // of all batches
  std::string note;        // what a reader must know
};

struct Pyramid {
  std::vector<PyramidPoint> points;
  std::vector<PyramidPoint> curve;  // one load, by the size of the set: all named "curve"
  std::vector<std::string> absent;  // one line for each point that cannot be measured here
};

// Sizes of the sets for each level, by what the machine says of its caches.
struct PyramidSets {
  uint64_t l1_bytes = 0;  // 0: there is no such cache, or nobody says so
  uint64_t l2_bytes = 0;
  uint64_t l3_bytes = 0;
  uint64_t dram_bytes = 0;
  uint64_t largest_cache_bytes = 0;
};
PyramidSets ChooseSets(const std::vector<CacheFacts>& caches, uint64_t memory_bytes_max);

// The order in which a chase visits `count` places: `next[i]` follows i, and all are one ring.
std::vector<uint32_t> RandomRing(uint32_t count, uint64_t seed);

// kIoError for a disk that fails; what this machine does not have is in `absent` and no error.
// `say` is told each point as it is begun. Stops early, with what it has, once Interrupted().
Result<Pyramid> MeasurePyramid(const PyramidOptions& options, const MachineFacts& machine,
                               const std::function<void(const std::string&)>& say);

// The files of the two, for a program that draws: units are in the columns' names.
std::string PyramidCsv(const Pyramid& pyramid);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_PYRAMID_H_
