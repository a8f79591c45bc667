// SPDX-License-Identifier: BSD-3-Clause
// ReadWatch: which bytes of given lines does this process read before it has written them?
//
// The pages that hold watched bytes are protected in every mapping of the images. An access faults;
// its instruction is decoded, the bytes are noted, and the instruction is stepped over with the
// page open. A page whose watched bytes were all read or written stays open; so does one that
// faults too often: then its lines count as read. System calls that read an image or are given a
// pointer into one are seen through a seccomp filter.
//
// Invariants:
//   1. No byte is missed: where it cannot be said what an instruction or a call reads, every line
//      still watched counts as read.
//   2. What the process sees is what it would see without the watch, but for time.
//   3. Same images, same process state: the same log.
// Threads: the one that has called Install. What starts another is told as a reason (ReadLog::why).
// Not covered: reading by a mapping of /proc/self/mem, by another process, or by a call of
//   io_uring; sanitized programs, whose memory functions are not those that run elsewhere.
// Source: mprotect and single steps as in Jaaru's and debuggers' watchpoints; seccomp(2).
#ifndef FENCEPOST_FAULTINJECT_WATCH_READ_WATCH_H_
#define FENCEPOST_FAULTINJECT_WATCH_READ_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// A line of an image: which one (in the order of KeepImageMappings), and offset / 64.
struct WatchedLine {
  size_t image = 0;
  uint64_t number = 0;
  uint64_t bytes = ~uint64_t{0};  // that matter: bit i is byte i
  uint32_t contents = 1;          // how many it may have: what taking it as read would cost
  auto operator<=>(const WatchedLine&) const = default;
};

// Bytes of a watched line that matter and were read, and had not been read or written before.
struct LineRead {
  uint32_t line = 0;  // index in what was watched
  uint64_t bytes = 0;
  bool operator==(const LineRead&) const = default;
};

struct ReadLog {
  std::vector<LineRead> reads;  // in the order of the accesses
  // Lines that were taken as read because their page faulted too often; each is in `reads`.
  std::vector<uint32_t> crowded;
  uint64_t faults = 0;
  // Why the watch could not follow, e.g. "starts a thread"; empty if it could. Then `reads` says
  // nothing.
  std::string why;
};

// Where a watch notes what it sees: in memory shared with another process, it outlives the one that
// is watched.
struct WatchBuffer {
  static constexpr size_t kMostLines = 4096;
  static constexpr size_t kMostReads = kMostLines * 64;  // each has a byte that none before it has

  WatchedLine lines[kMostLines];
  uint64_t line_count;
  uint64_t read_count;
  uint64_t crowded_count;
  uint64_t faults;
  char why[128];
  LineRead reads[kMostReads];
  uint32_t crowded[kMostLines];

  // REQUIRES: at most kMostLines lines, sorted and distinct.
  void Watch(std::span<const WatchedLine> watched);
  ReadLog Log() const;
};

class ReadWatch {
 public:
  // Whether this program can watch at all.
  static bool Supported();
  // Once in a process, after KeepImageMappings: signal handlers, and the filter of calls. From then
  // on the process cannot run other programs. kUnsupported, kIoError.
  static Status Install();
  // Watches the buffer's lines until End. REQUIRES: installed; no watch is on.
  static void Begin(WatchBuffer* buffer);
  static void End();

  // A page that goes on faulting is opened at one of these faults, if the lines that are not
  // decided have few states between them; and at the last in any case.
  static constexpr uint32_t kFaultsALook = 64, kMostFaults = 20'000;
  static constexpr double kFewStates = 16;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_READ_WATCH_H_
