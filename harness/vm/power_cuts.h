// SPDX-License-Identifier: BSD-3-Clause
// Power cuts: a virtual machine is ended at a seeded instant while an engine runs in it, booted
// again on the same NVDIMM and disk, and what the engine then recovers is judged against what its
// client had been told; round after round.
//
// What a killed machine loses is what it had in its memory: the page cache, the kernel, the
// process. What its processor has stored to the NVDIMM is there, in caches or not (as with eADR),
// and so is what has reached its disk, flushed or not.
//
// The history leaves the guest as it happens, line by line, through a port that the machine's end
// cannot empty: it is the truth about what was acknowledged.
//
// Not covered: the seed draws the instant, and the machine decides what the run has done by then.
//   Stores that were not flushed; writes that the disk had taken and not made durable.
#ifndef FENCEPOST_HARNESS_VM_POWER_CUTS_H_
#define FENCEPOST_HARNESS_VM_POWER_CUTS_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/crash/engine_recording.h"
#include "harness/vm/guest_host.h"

namespace fencepost {

enum class Cut : unsigned char {
  kKill,      // the machine is gone at once
  kFreeze,    // it stands still for a moment, and is gone
  kPanic,     // its kernel panics (sysrq)
  kRecovery,  // it is gone, and again in the recovery from that
};
std::string_view CutName(Cut cut);  // "kill", "freeze", "panic", "recovery"
// "all", or names with commas between them, each once.
Result<std::vector<Cut>> ParseCuts(std::string_view text);

struct PowerCutSettings {
  GuestSettings guest;
  std::vector<Cut> cuts;  // taken in turn
  uint64_t rounds = 100;
  uint64_t seed = 1;
  double timeout_s = 60;  // of a recovery
  unsigned operations_after = 12;
  bool quiet = false;
};

// The report, to be written into `folder`, where what each failed round left is kept: its store, as
// it was before it was recovered, and its history. kIoError if the guest fails without being ended.
Result<nlohmann::json> RunPowerCuts(const CrashSubject& subject,
                                    const std::filesystem::path& folder,
                                    const PowerCutSettings& settings,
                                    const std::vector<std::string>& command);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_POWER_CUTS_H_
