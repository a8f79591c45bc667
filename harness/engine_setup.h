// SPDX-License-Identifier: BSD-3-Clause
// From properties to an engine's options: engine.path, engine.durability, engine.cache_bytes, and
// the tuning under each engine's own prefix.
#ifndef FENCEPOST_HARNESS_ENGINE_SETUP_H_
#define FENCEPOST_HARNESS_ENGINE_SETUP_H_

#include <span>
#include <string>

#include "engines/engine_table.h"
#include "harness/placement.h"
#include "workloads/properties.h"
#include "workloads/workload.h"

namespace fencepost {

// What every engine has, under "engine.".
std::span<const OptionSpec> CommonEngineOptions();

// What goes with a modelled medium, under "medium.".
std::span<const OptionSpec> MediumOptions();

// A row of the engine table or, for `check` and `crash`, of the canaries'. kInvalidArgument, naming
// the engines there are, if there is none.
Result<const EngineRow*> FindEngineOrCanary(std::string_view name);

// kInvalidArgument for an unknown name under `engine.`, under any engine's prefix, or `medium`.
// Tuning of other engines is checked and put aside, so that one file can serve a whole matrix.
Result<EngineOptions> MakeEngineOptions(const EngineRow& row, const Properties& properties,
                                        const WorkloadSpec& spec, Placement placement,
                                        std::string_view leaf);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ENGINE_SETUP_H_
