// SPDX-License-Identifier: BSD-3-Clause
// pmemkv: adapter to an installed libpmemkv, built only where pkg-config finds it. The path is a
// pool file; the engine of pmemkv is `cmap`, its concurrent hash map, unless told otherwise.
//
// Durability: power-fail. Every put and remove of pmemkv's persistent engines is a transaction.
// The pool has a fixed size, given at creation: pmemkv.pool_bytes, or four times what the workload
//   says that it will store, at least 64 MiB.
// Threads: any number, but ForEach keeps writers out, since pmemkv's iteration does not lock the
//   elements that it passes. It costs each write a shared lock, some 20 ns.
// Not covered: Apply, Scan, Audit and counters of flushes and fences, which its C API does not
//   have for cmap.
// Source: libpmemkv.h and cmap.cc of pmemkv 1.5.
#ifndef FENCEPOST_ENGINES_PMEMKV_PMEMKV_ENGINE_H_
#define FENCEPOST_ENGINES_PMEMKV_PMEMKV_ENGINE_H_

#include <memory>
#include <string>

#include "engines/engine.h"
#include "engines/engine_options.h"

namespace fencepost {

inline constexpr OptionSpec kPmemkvOptions[] = {
    {"engine", "string", "cmap", "pmemkv's own engine: one that is persistent and takes a path"},
    {"pool_bytes", "bytes", "64M, or more by the workload", "size of the pool at creation"},
};

// engine.cache_bytes has no effect: values are read where they lie.
Result<std::unique_ptr<Engine>> OpenPmemkv(const EngineOptions& options);
std::string PmemkvVersion();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_PMEMKV_PMEMKV_ENGINE_H_
