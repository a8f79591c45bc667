// SPDX-License-Identifier: BSD-3-Clause
// The modelled medium of a session: makes the engine's accesses take as long as a model says, and
// knows what it charged in the part of a phase that is measured.
//
// Threads: Measure, Measured: while no operation is under way, or that of one phase's rendezvous.
// Source: engines/pmem/delay_injector.h (memory), engines/media/file_delays.h (files).
#ifndef FENCEPOST_HARNESS_MODELLED_MEDIUM_H_
#define FENCEPOST_HARNESS_MODELLED_MEDIUM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engines/engine_options.h"
#include "engines/media/file_delays.h"
#include "engines/pmem/delay_injector.h"

namespace fencepost {

// One of the two, by what the medium is of.
struct Injection {
  std::string model;
  std::optional<pmem::InjectionReport> memory;
  std::optional<media::FileInjection> files;
  uint64_t cache_bytes = 0;  // of files: what the simulated page cache holds
};

class ModelledMedium {
 public:
  // REQUIRES: `options` names a medium that there is a model of. `options` is given what the engine
  // needs. It outlives the engine.
  explicit ModelledMedium(EngineOptions* options);

  // From here on.
  void Measure();
  Injection Measured() const;

 private:
  Injection Sum() const;

  const std::string model_;
  std::unique_ptr<pmem::DelayInjector> memory_;
  std::shared_ptr<media::FileDelays> files_;
  Injection before_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_MODELLED_MEDIUM_H_
