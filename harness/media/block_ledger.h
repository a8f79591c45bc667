// SPDX-License-Identifier: BSD-3-Clause
// What a recorded run's writes and syncs cost on devices with blocks, behind a page cache that
// holds everything: a write costs nothing until it is synced, unless it goes around the cache.
//
// Threads: none.
// Not covered: reads (the page cache is warm); write-back that nobody asked for.
// Source: engines/media/block_model.h; what a sync writes: engines/media/dirty_file.h.
#ifndef FENCEPOST_HARNESS_MEDIA_BLOCK_LEDGER_H_
#define FENCEPOST_HARNESS_MEDIA_BLOCK_LEDGER_H_

#include <cstdint>
#include <map>
#include <vector>

#include "engines/media/dirty_file.h"
#include "faultinject/iotrace/io_event.h"

namespace fencepost {

// Of the operations of one kind.
struct BlockCount {
  uint64_t operations = 0;
  uint64_t writes = 0;  // calls, or changes of a mapping that a sync found
  uint64_t written_bytes = 0;
  uint64_t blocks = 0;  // of 4 KiB, that reached the device
  uint64_t syncs = 0;
  std::vector<double> ns;  // by device, in the order of BlockModels(): modelled
};

class BlockLedger {
 public:
  // In the order of the trace. `to`: who pays.
  void Add(const IoEvent& event, BlockCount* to);

 private:
  void Write(const IoEvent& event, BlockCount* to);
  void Sync(media::DirtyFile& file, BlockCount* to);
  void Pay(uint64_t blocks, BlockCount* to);

  std::map<InodeId, media::DirtyFile> files_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_MEDIA_BLOCK_LEDGER_H_
