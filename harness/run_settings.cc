// SPDX-License-Identifier: BSD-3-Clause
#include "harness/run_settings.h"

namespace fencepost {
namespace {

constexpr PropertySpec kProperties[] = {
    {"fencepost.pin", "bool", "true", "pin each thread to a CPU of its own"},
    {"fencepost.interval", "seconds", "0.25", "length of an interval of the series"},
    {"fencepost.maxfailures", "count", "0", "more failed operations than this end the run"},
    {"fencepost.maxnotfound", "fraction", "0.01",
     "a larger share of operations that find nothing where a value should be fails the run"},
    {"fencepost.load", "full|relaxed", "full",
     "relaxed: load at the engine's weakest durability, then one Sync"},
    {"fencepost.reopen", "none|close|kill", "none",
     "between a load and a run of one call: nothing; close the store and open it again; load it in "
     "a process that is killed, and open it again"},
    {"fencepost.floor", "bool", "true", "measure the harness itself (blackhole) before a run"},
    {"fencepost.spin_ns", "ns", "0",
     "a slowdown on purpose: every call of the engine spins so much longer; each result says so"},
};

}  // namespace

std::string_view Name(Reopen reopen) {
  constexpr std::string_view kNames[] = {"none", "close", "kill"};
  return kNames[static_cast<size_t>(reopen)];
}

std::span<const PropertySpec> HarnessProperties() { return kProperties; }

Result<RunSettings> ParseRunSettings(const Properties& properties) {
  RunSettings settings;
  ASSIGN_OR_RETURN(settings.pin_threads, properties.Bool("fencepost.pin", settings.pin_threads));
  ASSIGN_OR_RETURN(settings.interval_s,
                   properties.Double("fencepost.interval", settings.interval_s));
  if (settings.interval_s < 0.001 || settings.interval_s > 3600) {
    return properties.Error("fencepost.interval", "must be from 0.001 to 3600 s");
  }
  ASSIGN_OR_RETURN(settings.max_failures,
                   properties.Uint64("fencepost.maxfailures", settings.max_failures));
  ASSIGN_OR_RETURN(settings.max_not_found,
                   properties.Double("fencepost.maxnotfound", settings.max_not_found));
  if (settings.max_not_found < 0 || settings.max_not_found > 1) {
    return properties.Error("fencepost.maxnotfound", "must be from 0 to 1");
  }
  ASSIGN_OR_RETURN(const std::string load, properties.String("fencepost.load", "full"));
  if (load != "full" && load != "relaxed") {
    return properties.Error("fencepost.load", "must be full or relaxed");
  }
  settings.relaxed_load = load == "relaxed";
  ASSIGN_OR_RETURN(const std::string reopen, properties.String("fencepost.reopen", "none"));
  if (reopen == "close") {
    settings.reopen = Reopen::kClose;
  } else if (reopen == "kill") {
    settings.reopen = Reopen::kKill;
  } else if (reopen != "none") {
    return properties.Error("fencepost.reopen", "must be none, close or kill");
  }
  ASSIGN_OR_RETURN(settings.measure_floor,
                   properties.Bool("fencepost.floor", settings.measure_floor));
  ASSIGN_OR_RETURN(settings.spin_ns, properties.Uint64("fencepost.spin_ns", settings.spin_ns));
  constexpr uint64_t kMaxSpinNs = 1'000'000'000;
  if (settings.spin_ns > kMaxSpinNs) {
    return properties.Error("fencepost.spin_ns", "must be at most 1000000000, a second");
  }
  return settings;
}

}  // namespace fencepost
