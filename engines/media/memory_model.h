// SPDX-License-Identifier: BSD-3-Clause
// The parameters of a medium that is memory, computed from published tables.
//
// Invariants:
//   1. Every parameter comes from a table whose role is kFitted, or from 02, 06 or 17, as said
//      beside it; none was chosen by looking at a table that is held out.
// Threads: any.
// Not covered: power, temperature, wear, the 50 us outliers of table 03.
// Source: engines/media/published.h.
#ifndef FENCEPOST_ENGINES_MEDIA_MEMORY_MODEL_H_
#define FENCEPOST_ENGINES_MEDIA_MEMORY_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace fencepost::media {

inline constexpr uint64_t kLineBytes = 64;

// How much longer a module takes for the same when so many threads are at it at once; 1 for one.
class ContentionCurve {
 public:
  ContentionCurve() = default;
  explicit ContentionCurve(std::vector<double> factors) : factors_(std::move(factors)) {}
  // REQUIRES: threads >= 1. Beyond the last thread that was measured it stays what it was.
  double At(size_t threads) const {
    if (factors_.empty()) return 1;
    return factors_[threads > factors_.size() ? factors_.size() - 1 : threads - 1];
  }

 private:
  std::vector<double> factors_;
};

struct MemoryModel {
  std::string_view name;
  size_t modules = 1;  // interleaved by 4 KiB
  uint64_t block_bytes = kLineBytes;
  size_t buffer_blocks = 0;  // of the write-combining buffer of a module; 0: it has none

  // One access of an idle machine, a 64-byte line.
  double read_random_ns = 0;
  double read_near_ns = 0;  // of a block that was read just now (Optane), of the next line (DRAM)
  double ntstore_ns = 0;    // until it is durable: what a fence waits for
  double clwb_ns = 0;

  // How long a module is busy.
  double read_block_ns = 0;
  double write_block_ns = 0;
  double read_delays_writes_ns = 0;  // each line read
  ContentionCurve read_contention;
  ContentionCurve write_contention;

  // What one thread can do: a line at most every so often.
  double read_line_ns = 0;
  double ntstore_line_ns = 0;
  double clwb_line_ns = 0;

  uint64_t block_lines() const { return block_bytes / kLineBytes; }
  // A line of a sequential read, on average: table 02's figure.
  double read_near_mean_ns() const {
    const auto lines = static_cast<double>(block_lines());
    if (block_lines() == 1) return read_near_ns;
    return (read_random_ns + (lines - 1) * read_near_ns) / lines;
  }
};

// "dram": 6 DDR4 DIMMs, as one (they are interleaved by less than what is accessed here); "optane":
// 6 modules; "optane-module": one of them alone; "optane-remote": 6 modules of the other socket.
// Null if there is no such memory.
const MemoryModel* FindMemoryModel(std::string_view name);

// The write amplification that a module's buffer has of itself: what table 09 shows of a region
// that fits into it. Metadata of the module, by the study's guess.
inline constexpr double kWriteOverhead = 1.036;

// Reads that a core has under way: the superqueue of a Skylake core (Intel 64 and IA-32
// Architectures Optimization Reference Manual).
inline constexpr size_t kReadsInFlight = 16;

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_MEMORY_MODEL_H_
