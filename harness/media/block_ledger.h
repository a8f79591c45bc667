// SPDX-License-Identifier: BSD-3-Clause
// What a recorded run's writes and syncs cost on devices with blocks, behind a page cache that
// holds everything: a write costs nothing until it is synced, unless it goes around the cache.
//
// Invariants:
//   1. A block is written once for each sync that finds it dirty, however often it was written to.
// Threads: none.
// Not covered: reads (the page cache is warm); write-back that nobody asked for; what a file system
//   writes besides data: a sync of a file that has grown, or of names, is one block of its journal.
// Source: engines/media/block_model.h.
#ifndef FENCEPOST_HARNESS_MEDIA_BLOCK_LEDGER_H_
#define FENCEPOST_HARNESS_MEDIA_BLOCK_LEDGER_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engines/media/block_model.h"
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
  BlockLedger();

  // In the order of the trace. `to`: who pays.
  void Add(const IoEvent& event, BlockCount* to);

 private:
  struct File {
    std::set<uint64_t> dirty;  // numbers of blocks
    bool grown = false;        // or new, renamed, allocated: more than its data is to be written
    uint64_t bytes = 0;
  };

  void Write(const IoEvent& event, BlockCount* to);
  void Sync(File& file, BlockCount* to);
  void Pay(uint64_t blocks, BlockCount* to);

  std::map<InodeId, File> files_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_MEDIA_BLOCK_LEDGER_H_
