// SPDX-License-Identifier: BSD-3-Clause
// TraceHash: a fingerprint of the operations that were executed.
//
// Two runs with one fingerprint executed the same operations. Each thread hashes its own words;
// CombineTraceHashes() makes one number of all threads', in thread order.
//
// Threads: none; one TraceHash a thread.
// Not covered: resistance against an adversary.
// Source: xxHash's XXH3, 64 bits.
#ifndef FENCEPOST_WORKLOADS_TRACE_HASH_H_
#define FENCEPOST_WORKLOADS_TRACE_HASH_H_

#include <cstdint>
#include <memory>
#include <span>

namespace fencepost {

class TraceHash {
 public:
  TraceHash();
  ~TraceHash();
  TraceHash(TraceHash&&) noexcept;
  TraceHash& operator=(TraceHash&&) noexcept;

  void Update(std::span<const uint64_t> words);
  // Of all words so far; independent of how they were cut into calls.
  uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint64_t CombineTraceHashes(std::span<const uint64_t> per_thread);

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_TRACE_HASH_H_
