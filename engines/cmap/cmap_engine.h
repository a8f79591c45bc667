// SPDX-License-Identifier: BSD-3-Clause
// cmap: a concurrent hash map in a libpmemobj pool, on persistent memory or what stands in for it.
//
// Every acknowledged write survives power loss (class power-fail); every change, batches included,
// is all or nothing. Defragment moves pairs beside other operations. options.path is the pool file;
// folders above it are made. README.md describes the layout and why it is safe. Threads: any
// number. Not covered: scans; shrinking the table or the pool.
#ifndef FENCEPOST_ENGINES_CMAP_CMAP_ENGINE_H_
#define FENCEPOST_ENGINES_CMAP_CMAP_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "engines/engine.h"
#include "engines/engine_options.h"
#include "engines/status.h"

struct pmemoid;

namespace fencepost {

inline constexpr uint64_t kCmapMaxKeyBytes = (uint64_t{16} << 20) - 1;
// libpmemobj's largest object, less a key and a header.
inline constexpr uint64_t kCmapMaxValueBytes = 0x3FFDFFFC0 - kCmapMaxKeyBytes - 10;

inline constexpr OptionSpec kCmapOptions[] = {
    {"pool_bytes", "bytes", "from the workload, at least 64M",
     "size of the pool file; at least 8M; of a pool that exists, what it was made with"},
    {"initial_buckets", "count", "1024",
     "buckets of 7 pairs to begin with, a power of two from 16 to 16M; the table grows by itself"},
    {"hash_seed", "count", "0", "seed of the hash function; one seed, one layout"},
    {"check", "quick|full", "quick",
     "at opening, quick: headers and every link of the index; full: also every record and "
     "allocation, as an audit does"},
};

// Opens the pool, or makes it. Besides the errors of pmem::Pool: kInvalidArgument if a tuning
// option contradicts what an existing pool was made with; kUnsupported if this process uses libpmem
// on another kind of medium already (engines/pmem/pmem_environment.h).
Result<std::unique_ptr<Engine>> OpenCmap(const EngineOptions& options);

// Opens the map that `link`, a PMEMoid in a libpmemobj pool that the program has open, refers to;
// if the link is null, makes a map there first and lets it refer to it, both or neither whatever
// happens. The pool stays the program's, which closes it after the engine. No audit: kUnsupported.
// kInvalidArgument: the link is in no open pool. kCorrupt: it refers to no cmap.
// REQUIRES: nobody else has this map open.
Result<std::unique_ptr<Engine>> OpenLinkedCmap(pmemoid* link);

std::string CmapVersion();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_CMAP_CMAP_ENGINE_H_
