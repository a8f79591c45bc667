// SPDX-License-Identifier: BSD-3-Clause
// Where in a trace the power goes out.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_CRASH_POINT_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_CRASH_POINT_H_

#include <cstdint>
#include <string_view>

namespace fencepost {

struct CrashPoint {
  enum class Before : unsigned char { kFence, kClflush, kSync, kResize, kOperation, kStore, kEnd };
  uint64_t index = 0;  // from 0
  uint64_t event = 0;  // the first event that has not happened
  Before before = Before::kEnd;
  uint32_t thread = 0;  // of that event
  uint32_t stack = 0;   // where the program was; equal for equal places
};

// "a fence", "the end", ...
std::string_view CrashPointName(CrashPoint::Before before);

// When each operation was under way, by event.
struct OperationSpan {
  static constexpr uint64_t kOpen = UINT64_MAX;
  uint64_t begin = kOpen;
  uint64_t end = kOpen;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_CRASH_POINT_H_
