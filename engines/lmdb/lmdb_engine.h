// SPDX-License-Identifier: BSD-3-Clause
// lmdb: LMDB 0.9 behind the engine contract. The path is a directory with data.mdb and lock.mdb.
//
// Durability:
//   power-fail     LMDB's own default: fdatasync of the pages, then an O_DSYNC write of the meta
//                  page, in every commit.
//   prefix         MDB_NOMETASYNC: the meta page is left to the next commit, so that a power loss
//                  takes back the last commit at most.
//   process-crash  MDB_NOSYNC: nothing is synced. Sync() makes all that is there durable until the
//                  next commit only: later commits reuse pages that the synced tree still needs.
// LMDB never syncs the directory that holds data.mdb, so a power loss soon after creation can take
// the whole file with acknowledged commits in it. The engine syncs the directory itself, unless
// lmdb.sync_directory=false.
//
// One opener: LMDB lets several processes share an environment; this engine does not, because a
// map that one process grows must be learnt by the others, and a run measures one process.
//
// Invariants:
//   1. mdb_env_set_mapsize runs with no transaction under way: its caller has write_mutex_ and
//      every reader slot.
//   2. After a sync that failed, nothing is written any more (kIoError): the kernel has dropped the
//      pages that it could not write, and a later sync would wrongly succeed. A refusal for want of
//      space inside a commit is no such failure: its pages belong to no tree and are written anew
//      before any tree refers to them.
// Threads: readers take a slot each (one atomic exchange on a line of its own) and reuse its
//   transaction; writers queue on a mutex, as LMDB has one writer.
// Syncs counted: two a commit for power-fail (fdatasync, O_DSYNC write), one for prefix, none for
//   process-crash; and one for each Sync(), for Close and for each synced directory.
// Not covered: values are limited by LMDB to 4 GiB - 1, a batch by MDB_TXN_FULL; LMDB checks its
//   meta pages only, so a data.mdb that was truncated or damaged further on can end the process.
// Source: lmdb.h and mdb.c of LMDB 0.9.24.
#ifndef FENCEPOST_ENGINES_LMDB_LMDB_ENGINE_H_
#define FENCEPOST_ENGINES_LMDB_LMDB_ENGINE_H_

#include <memory>
#include <string>

#include "engines/engine.h"
#include "engines/engine_options.h"

namespace fencepost {

inline constexpr uint64_t kLmdbMaxKeyBytes = 511;
inline constexpr uint64_t kLmdbMaxValueBytes = 0xffffffff;

inline constexpr OptionSpec kLmdbOptions[] = {
    {"map_bytes", "bytes", "64M, or more by the workload", "size of the map at opening"},
    {"max_map_bytes", "bytes", "1T", "size that the map may grow to"},
    {"writemap", "bool", "false",
     "write through the map (MDB_WRITEMAP); the file is then allocated in full"},
    {"sync_directory", "bool", "true", "fsync the directory after creating the store"},
};

// engine.cache_bytes has no effect: LMDB reads through the page cache.
Result<std::unique_ptr<Engine>> OpenLmdb(const EngineOptions& options);
std::string LmdbVersion();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_LMDB_LMDB_ENGINE_H_
