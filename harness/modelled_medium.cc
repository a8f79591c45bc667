// SPDX-License-Identifier: BSD-3-Clause
#include "harness/modelled_medium.h"

#include "engines/media/block_model.h"
#include "engines/media/memory_model.h"
#include "engines/status.h"

namespace fencepost {

ModelledMedium::ModelledMedium(EngineOptions* options) : model_(options->modelled_medium) {
  if (const media::BlockModel* device = media::FindBlockModel(model_); device != nullptr) {
    files_ = std::make_shared<media::FileDelays>(*device, options->modelled_cache_bytes);
    options->file_delays = files_;
  } else {
    const media::MemoryModel* const memory = media::FindMemoryModel(model_);
    CHECK(memory != nullptr);
    memory_ = std::make_unique<pmem::DelayInjector>(*memory);
  }
  Measure();
}

Injection ModelledMedium::Sum() const {
  Injection sum{.model = model_, .memory = {}, .files = {}};
  if (memory_) sum.memory = memory_->Report();
  if (files_) {
    sum.files = files_->Report();
    sum.cache_bytes = files_->cache_bytes();
  }
  return sum;
}

void ModelledMedium::Measure() { before_ = Sum(); }

Injection ModelledMedium::Measured() const {
  Injection measured = Sum();
  if (measured.memory) measured.memory = *measured.memory - *before_.memory;
  if (measured.files) measured.files = *measured.files - *before_.files;
  return measured;
}

}  // namespace fencepost
