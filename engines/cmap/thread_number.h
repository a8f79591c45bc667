// SPDX-License-Identifier: BSD-3-Clause
// ThreadNumber: by which threads are spread over what each has of its own.
#ifndef FENCEPOST_ENGINES_CMAP_THREAD_NUMBER_H_
#define FENCEPOST_ENGINES_CMAP_THREAD_NUMBER_H_

#include <atomic>
#include <cstddef>

namespace fencepost::cmap {

// The calling thread's: 0, 1, ... in the order in which they first ask.
inline size_t ThreadNumber() {
  static constinit std::atomic<size_t> next{0};
  thread_local const size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_THREAD_NUMBER_H_
