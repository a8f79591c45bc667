// SPDX-License-Identifier: BSD-3-Clause
// A slowdown on purpose, to show that a comparison finds it: an engine each of whose calls takes
// longer by a fixed time, spun by the clock of the measurement.
//
// Invariants: what the engine answers is passed on unchanged; calls that no operation makes (Stats,
//   Sync, Settle, Audit, ForEach, Close) take no longer.
// Threads: as the engine's.
// Not covered: an operation that makes two calls (an UPDATE with fencepost.update=rmw) is slowed
//   twice. Beside the spin a call costs one virtual call more, a nanosecond or two. The spin's own
//   clock reading is measured and taken off; it cannot be shorter than two of them.
#ifndef FENCEPOST_HARNESS_INJECTED_SPIN_H_
#define FENCEPOST_HARNESS_INJECTED_SPIN_H_

#include <cstdint>
#include <memory>

#include "engines/engine.h"

namespace fencepost {

// `engine`, each call longer by `spin_ns`; itself if that is 0.
std::unique_ptr<Engine> WithInjectedSpin(std::unique_ptr<Engine> engine, uint64_t spin_ns);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_INJECTED_SPIN_H_
