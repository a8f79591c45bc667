// SPDX-License-Identifier: BSD-3-Clause
// A RocksDB file system that watches what RocksDB does with its files and otherwise is the
// operating system's. Internal to the rocksdb engine. RocksDB's own statistics count the syncs of
// the log only, and cost every operation; which log an append failed on it does not tell at all.
#ifndef FENCEPOST_ENGINES_ROCKSDB_WATCHED_FILE_SYSTEM_H_
#define FENCEPOST_ENGINES_ROCKSDB_WATCHED_FILE_SYSTEM_H_

#include <atomic>
#include <cstdint>
#include <memory>

namespace rocksdb {
class FileSystem;
}

namespace fencepost {

struct FileActivity {
  std::atomic<uint64_t> syncs{0};       // of files and directories, those that succeeded
  std::atomic<uint64_t> newest_log{0};  // the number in the name of the log created last
  std::atomic<uint64_t> failed_log{0};  // of the log that refused bytes last; 0: none did
};

std::shared_ptr<rocksdb::FileSystem> NewWatchedFileSystem(std::shared_ptr<FileActivity> activity);

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ROCKSDB_WATCHED_FILE_SYSTEM_H_
