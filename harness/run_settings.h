// SPDX-License-Identifier: BSD-3-Clause
// Settings of the harness itself: the properties under "fencepost." that are not about which
// operations a workload has.
#ifndef FENCEPOST_HARNESS_RUN_SETTINGS_H_
#define FENCEPOST_HARNESS_RUN_SETTINGS_H_

#include <cstdint>
#include <span>

#include "engines/status.h"
#include "workloads/properties.h"
#include "workloads/workload.h"

namespace fencepost {

// What happens to the store between a load and a run of one call.
enum class Reopen : unsigned char {
  kNone,   // it stays open
  kClose,  // it is closed and opened again
  kKill,   // the process that loaded it is killed, and it is opened again
};
std::string_view Name(Reopen reopen);

struct RunSettings {
  bool pin_threads = true;
  double interval_s = 0.25;
  uint64_t max_failures = 0;
  double max_not_found = 0.01;
  bool relaxed_load = false;
  bool measure_floor = true;
  Reopen reopen = Reopen::kNone;
  uint64_t spin_ns = 0;  // a slowdown on purpose, of every call of the engine
};

// The names, for ParseWorkload to know and for documentation.
std::span<const PropertySpec> HarnessProperties();

Result<RunSettings> ParseRunSettings(const Properties& properties);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_RUN_SETTINGS_H_
