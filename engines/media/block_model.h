// SPDX-License-Identifier: BSD-3-Clause
// Storage behind a block interface: what a read of blocks, a write of blocks and a sync cost.
//
// Invariants:
//   1. Deterministic; a request costs its first block's latency and the bandwidth of the others.
// Threads: any.
// Not covered: queues (a request finds an idle device), garbage collection, the 99.999th
// percentile;
//   the kernel's way to the device, which a live run pays itself.
// Source: beside each number in block_model.cc.
#ifndef FENCEPOST_ENGINES_MEDIA_BLOCK_MODEL_H_
#define FENCEPOST_ENGINES_MEDIA_BLOCK_MODEL_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace fencepost::media {

inline constexpr uint64_t kBlockBytes = 4096;

struct BlockModel {
  std::string_view name;
  double read_ns = 0;   // 4 KiB at random, nothing else under way
  double write_ns = 0;  // until it is durable: both devices acknowledge from a protected buffer
  double read_bytes_per_ns = 0;
  double write_bytes_per_ns = 0;
  std::string_view source;

  // One request of that many blocks that lie together; 0 blocks cost nothing.
  double ReadNs(uint64_t blocks) const { return Request(read_ns, read_bytes_per_ns, blocks); }
  double WriteNs(uint64_t blocks) const { return Request(write_ns, write_bytes_per_ns, blocks); }

 private:
  static double Request(double first_ns, double bytes_per_ns, uint64_t blocks) {
    if (blocks == 0) return 0;
    return first_ns + static_cast<double>((blocks - 1) * kBlockBytes) / bytes_per_ns;
  }
};

// "nand-ssd", "optane-ssd".
std::span<const BlockModel> BlockModels();
// Null if there is no such device.
const BlockModel* FindBlockModel(std::string_view name);

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_BLOCK_MODEL_H_
