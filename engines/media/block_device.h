// SPDX-License-Identifier: BSD-3-Clause
// A device with blocks in virtual time: when a request is done that is made now, while others use
// the device too.
//
// Invariants:
//   1. A request takes no less than on an idle device (block_model.h).
//   2. All requests share one bucket of bandwidth: in no time span is more moved than it allows.
// Threads: none; the threads that are simulated are times.
// Not covered: how many requests the device works at besides its bandwidth; its order of them.
// Source: engines/media/block_model.h.
#ifndef FENCEPOST_ENGINES_MEDIA_BLOCK_DEVICE_H_
#define FENCEPOST_ENGINES_MEDIA_BLOCK_DEVICE_H_

#include <algorithm>
#include <cstdint>

#include "engines/media/block_model.h"

namespace fencepost::media {

class BlockDevice {
 public:
  explicit BlockDevice(const BlockModel& model) : model_(model) {}

  // When it is done, if it is made at `now_ns`.
  double Read(double now_ns, uint64_t blocks) {
    return Done(now_ns, model_.ReadNs(blocks), model_.read_bytes_per_ns, blocks);
  }
  double Write(double now_ns, uint64_t blocks) {
    return Done(now_ns, model_.WriteNs(blocks), model_.write_bytes_per_ns, blocks);
  }

 private:
  double Done(double now_ns, double alone_ns, double bytes_per_ns, uint64_t blocks) {
    const double moving_ns = static_cast<double>(blocks * kBlockBytes) / bytes_per_ns;
    busy_until_ns_ = std::max(busy_until_ns_, now_ns) + moving_ns;
    return std::max(now_ns + alone_ns, busy_until_ns_);
  }

  const BlockModel& model_;
  double busy_until_ns_ = 0;
};

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_BLOCK_DEVICE_H_
