// SPDX-License-Identifier: BSD-3-Clause
// A RocksDB file system whose calls take as long as a device that is modelled would have made them
// take. Without a modelled medium it is not there at all. Internal to the rocksdb engine.
//
// Direct I/O is charged as such, and made through the page cache of what stands in for the device,
// tmpfs, which knows none.
// Threads: RocksDB's; what its own ones wait for is told apart.
// Not covered: the info log, which is not synced; random read-write files and mappings of memory,
//   which the engine does not use.
// Source: engines/media/file_delays.h.
#ifndef FENCEPOST_ENGINES_ROCKSDB_DELAYED_FILE_SYSTEM_H_
#define FENCEPOST_ENGINES_ROCKSDB_DELAYED_FILE_SYSTEM_H_

#include <memory>

#include "engines/media/file_delays.h"

namespace rocksdb {
class FileSystem;
}

namespace fencepost {

std::shared_ptr<rocksdb::FileSystem> NewDelayedFileSystem(
    std::shared_ptr<rocksdb::FileSystem> files, std::shared_ptr<media::FileDelays> delays);

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ROCKSDB_DELAYED_FILE_SYSTEM_H_
