// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/tick_clock.h"

#include <chrono>

namespace fencepost::media {

double MeasureTicksPerNs() {
  using Clock = std::chrono::steady_clock;
  constexpr auto kLong = std::chrono::milliseconds(10);
  const auto begin = Clock::now();
  const uint64_t begin_ticks = NowTicks();
  auto end = begin;
  while (end - begin < kLong) end = Clock::now();
  const uint64_t ticks = NowTicks() - begin_ticks;
  return static_cast<double>(ticks) / std::chrono::duration<double, std::nano>(end - begin).count();
}

}  // namespace fencepost::media
