// SPDX-License-Identifier: BSD-3-Clause
// The store: files, redo log, buffer pool and tree put together as an Engine.
//
// A write: under the writer lock, change private copies of pages (MiniTransaction), reserve space,
// append one log record, and copy the pages into the pool under the tree latch. Then, outside both,
// wait for the log as the durability class asks: so concurrent committers share a sync and readers
// never wait for one that they do not depend on.
//
// Invariants:
//   1. What is appended to the log has been installed before the next append: the pool is always
//      the state after some record.
//   2. In class power-fail no call returns before all that its answer depends on is durable, reads
//      included: a value that was seen cannot be lost.
//   3. A checkpoint (log durable, dirty pages written, data file synced, next epoch begun) happens
//      only between two writes.
//   4. Every failure before the append leaves the store as it was. A failure to write or sync after
//      it poisons the log: reads go on, every later write is kIoError.
// Threads: any number; Close alone.
#ifndef FENCEPOST_ENGINES_FILESTORE_STORE_H_
#define FENCEPOST_ENGINES_FILESTORE_STORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engines/engine.h"
#include "engines/engine_options.h"
#include "engines/filestore/btree.h"
#include "engines/filestore/buffer_pool.h"
#include "engines/filestore/mini_transaction.h"
#include "engines/filestore/redo_log.h"
#include "engines/filestore/storage.h"
#include "engines/filestore/tree_latch.h"
#include "engines/status.h"

namespace fencepost::filestore {

struct StoreOptions {
  bool create_if_missing = true;
  Durability durability = Durability::kPowerFail;
  uint64_t cache_bytes = uint64_t{64} << 20;
  uint64_t log_bytes = uint64_t{64} << 20;
  size_t log_buffer_bytes = size_t{1} << 20;
  bool direct = false;
  Medium medium = Medium::kPageCache;
};

class Store final : public Engine {
 public:
  // Opens, creates or recovers. `storage` is taken even if it fails.
  static Result<std::unique_ptr<Store>> Open(std::unique_ptr<Storage> storage,
                                             const StoreOptions& options);
  ~Store() override;

  Status Put(std::string_view key, std::string_view value) override;
  Status Get(std::string_view key, ValueVisitor visit) override;
  Status Delete(std::string_view key) override;
  Status Scan(std::string_view start, size_t limit, PairVisitor visit) override;
  Status ForEach(PairVisitor visit) override;
  Status Apply(std::span<const Write> batch) override;
  Status Sync() override;
  Status Settle() override;
  Result<EngineStats> Stats() override;
  Result<AuditReport> Audit() override;
  Medium medium() const override { return options_.medium; }
  Status Close() override;

 private:
  struct LeafCursor;

  Store(std::unique_ptr<Storage> storage, const StoreOptions& options);

  // Opening: store_open.cc
  Status OpenFiles();
  Status Create();
  Status WriteNewFiles(uint64_t store_id);
  void RemoveLeftovers();
  Status CheckIdentity(uint64_t* store_id);
  Status Recover();
  Status LoadMeta();

  // REQUIRES writer_mutex_.
  Status Commit(Lsn* lsn);
  Status MakeRoom();
  Status Checkpoint(bool sync);

  // Waits for what the class promises of a write.
  Status AwaitWrite(Lsn lsn);
  // ... and of an answer that depends on `lsn`.
  Status AwaitRead(Lsn lsn);
  Status CheckReadable() const;
  // Visits the pairs of one leaf from `start` on; false: the visitor has had enough.
  Result<bool> VisitLeaf(LeafCursor* cursor, size_t* limit, PairVisitor visit);

  bool promises_power_loss() const { return options_.durability != Durability::kProcessCrash; }

  const std::unique_ptr<Storage> storage_;
  const StoreOptions options_;
  std::unique_ptr<File> data_;
  std::unique_ptr<File> log_file_;
  std::optional<RedoLog> log_;
  std::optional<BufferPool> pool_;

  std::mutex writer_mutex_;
  std::optional<MiniTransaction> transaction_;  // these four: guarded by writer_mutex_
  std::string record_;
  uint64_t data_bytes_ = 0;  // allocated to the data file
  bool closed_ = false;

  TreeLatch latch_;
  Meta meta_{};                              // guarded by latch_, as are
  Lsn root_lsn_ = 0;                         // the record that last changed which page is the root
  Lsn meta_lsn_ = 0;                         // the record that last changed the meta page
  std::atomic<bool> half_installed_{false};  // an Install failed: the pool is no state at all
};

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_STORE_H_
