// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/trace_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fencepost {

struct TraceHash::State {
  State() { XXH3_64bits_reset(&xxh3); }
  XXH3_state_t xxh3;
};

TraceHash::TraceHash() : state_(std::make_unique<State>()) {}
TraceHash::~TraceHash() = default;
TraceHash::TraceHash(TraceHash&&) noexcept = default;
TraceHash& TraceHash::operator=(TraceHash&&) noexcept = default;

void TraceHash::Update(std::span<const uint64_t> words) {
  XXH3_64bits_update(&state_->xxh3, words.data(), words.size_bytes());
}

uint64_t TraceHash::digest() const { return XXH3_64bits_digest(&state_->xxh3); }

uint64_t CombineTraceHashes(std::span<const uint64_t> per_thread) {
  return XXH3_64bits(per_thread.data(), per_thread.size_bytes());
}

}  // namespace fencepost
