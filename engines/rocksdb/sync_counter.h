// SPDX-License-Identifier: BSD-3-Clause
// A RocksDB file system that counts syncs and otherwise is the operating system's. Internal to the
// rocksdb engine. RocksDB's own statistics count those of the log only, and cost every operation.
#ifndef FENCEPOST_ENGINES_ROCKSDB_SYNC_COUNTER_H_
#define FENCEPOST_ENGINES_ROCKSDB_SYNC_COUNTER_H_

#include <atomic>
#include <cstdint>
#include <memory>

namespace rocksdb {
class FileSystem;
}

namespace fencepost {

// `syncs` goes up by one for each fsync or fdatasync of a file or a directory that succeeds.
std::shared_ptr<rocksdb::FileSystem> NewSyncCountingFileSystem(
    std::shared_ptr<std::atomic<uint64_t>> syncs);

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ROCKSDB_SYNC_COUNTER_H_
