// SPDX-License-Identifier: BSD-3-Clause
// blackhole: an engine that stores nothing, so that a run of it measures the harness.
//
// Get hands back a buffer of the workload's value size in which the first bytes are patched from
// the key, as the least that a real engine must do. It promises nothing (durability `none`), so
// what the driver verifies is computed, timed and not judged.
#ifndef FENCEPOST_ENGINES_BLACKHOLE_BLACKHOLE_ENGINE_H_
#define FENCEPOST_ENGINES_BLACKHOLE_BLACKHOLE_ENGINE_H_

#include <memory>
#include <string>

#include "engines/engine.h"
#include "engines/engine_options.h"

namespace fencepost {

Result<std::unique_ptr<Engine>> OpenBlackhole(const EngineOptions& options);
std::string BlackholeVersion();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_BLACKHOLE_BLACKHOLE_ENGINE_H_
