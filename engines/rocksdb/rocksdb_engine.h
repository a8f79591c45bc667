// SPDX-License-Identifier: BSD-3-Clause
// rocksdb: RocksDB 7 behind the engine contract. The path is a directory.
//
// Durability:
//   power-fail  WriteOptions.sync: the log is synced before a write returns. In RocksDB's default
//               write path a write becomes visible to readers only after that sync, so nobody reads
//               what a power loss can still take back.
//   prefix      sync off: a write is in the page cache when it returns. As RocksDB switches to a
//               new log without syncing the old one, a power loss between the switch and the flush
//               of the old memtable can leave a hole instead of a prefix (facebook/rocksdb 10560,
//               12489): that is RocksDB's to answer for, and for a crash test to find.
//   buffered    manual_wal_flush: the log is in the process's memory until 1 MiB has gathered
//               (writable_file_max_buffer_size), or until Sync or Close.
// rocksdb.wal_bytes_per_sync starts the writing of the log to the medium each time that so much of
// it has gathered (sync_file_range). That smooths the writes out and makes nothing durable: no
// class gains by it. There is no process-crash row: without its log RocksDB promises nothing for
// the death of a process, and with it the weakest class is `prefix`.
//
// What differs from RocksDB's defaults, and why:
//   compression none   as all engines here; unequal compression makes unequal work
//   block cache        engine.cache_bytes, which 0 turns off. Memtables (2 x 64 MiB at most, by
//                      default) and the index and filter blocks of open tables come on top of it;
//                      all of them count in EngineStats.cache_bytes
//   statistics dumps   off: they are periodic work that no operation asked for
//   info log           warnings only, two files of it
// rocksdb.options is laid over that and can change all but what the durability class rests on.
//
// Delete reads first: RocksDB's own is blind, and the contract wants kNotFound for an absent key.
// It costs a point lookup with its value, and deletes of one key queue on a striped lock, so that
// only one of them finds it.
//
// Full medium: RocksDB stops all writes after a failure (a background error). A write that is
// refused for want of space is tried once more, after DB::Resume, if there is space again. Where
// the write that failed was the first one of a log, RocksDB 7.8 cannot leave that log (and Debian's
// build of it aborts on the attempt): the store stays full, and says so, until it is opened again.
// A delete needs space too: it is a record in the log, and compaction gives back what it covers.
//
// Threads: RocksDB's. Its background threads belong to the process; they are sent home when the
//   last engine closes.
// storage_bytes holds what RocksDB allocates ahead: 1.1 memtables for a log, 4 MiB for a manifest.
// Syncs are counted at RocksDB's file system interface: logs, tables, manifests and directories.
// Not covered: Audit; pairs are counted by RocksDB's estimate.
#ifndef FENCEPOST_ENGINES_ROCKSDB_ROCKSDB_ENGINE_H_
#define FENCEPOST_ENGINES_ROCKSDB_ROCKSDB_ENGINE_H_

#include <memory>
#include <string>

#include "engines/engine.h"
#include "engines/engine_options.h"

namespace fencepost {

// What RocksDB's authors recommend as the largest.
inline constexpr uint64_t kRocksdbMaxKeyBytes = uint64_t{8} << 20;
inline constexpr uint64_t kRocksdbMaxValueBytes = uint64_t{3} << 30;

inline constexpr OptionSpec kRocksdbOptions[] = {
    {"compression", "none|snappy|lz4|zstd|zlib", "none", "of table blocks, on every level"},
    {"bloom_bits", "count", "0", "bits a key of bloom filter; 10 err in about 1 % of misses"},
    {"wal_bytes_per_sync", "bytes", "0",
     "start writing the log back each time so much of it has gathered; makes nothing durable"},
    {"options", "string", "",
     "RocksDB options, e.g. write_buffer_size=16777216;max_background_jobs=4"},
};

Result<std::unique_ptr<Engine>> OpenRocksdb(const EngineOptions& options);
std::string RocksdbVersion();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ROCKSDB_ROCKSDB_ENGINE_H_
