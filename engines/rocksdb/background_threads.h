// SPDX-License-Identifier: BSD-3-Clause
// RocksDB's background threads belong to the process and stay when a database is closed. One of
// these lives as long as an engine is open; the last one to go sends the threads home and waits
// for them. Internal to the rocksdb engine.
#ifndef FENCEPOST_ENGINES_ROCKSDB_BACKGROUND_THREADS_H_
#define FENCEPOST_ENGINES_ROCKSDB_BACKGROUND_THREADS_H_

namespace fencepost {

class BackgroundThreads {
 public:
  BackgroundThreads();
  ~BackgroundThreads();
  BackgroundThreads(const BackgroundThreads&) = delete;
  BackgroundThreads& operator=(const BackgroundThreads&) = delete;
};

// Whether the thread that asks is one of them.
bool IsBackgroundThread();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ROCKSDB_BACKGROUND_THREADS_H_
