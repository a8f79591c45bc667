// SPDX-License-Identifier: BSD-3-Clause
// How stores to a pool become durable, decided before libpmem decides it.
//
// libpmem asks once per process, at its first pmem_is_pmem, whether PMEM_IS_PMEM_FORCE is set. On a
// tmpfs it must be (DRAM stands in for persistent memory there, and msync would do nothing); on DAX
// it need not be; on a disk it must not be, or flushes of the CPU cache would be taken for
// durability. So: one process runs pools on a tmpfs or on a disk, not both.
//
// Threads: any. The environment is changed for the moment of the decision and then put back.
// Not covered: another thread that reads the environment in just that moment.
// Source: libpmem(7), PMEM_IS_PMEM_FORCE; pmem_is_pmem_init in libpmem 1.12.
#ifndef FENCEPOST_ENGINES_PMEM_PMEM_ENVIRONMENT_H_
#define FENCEPOST_ENGINES_PMEM_PMEM_ENVIRONMENT_H_

#include <filesystem>
#include <string_view>

#include "engines/medium.h"
#include "engines/status.h"

namespace fencepost::pmem {

enum class PmemMode : unsigned char {
  kHardware,       // DAX: flush instructions make stores durable
  kForcedOnTmpfs,  // flush instructions run, but the medium is DRAM
  kMsync,          // page cache: msync makes stores durable
};

// "hardware", "forced-on-tmpfs", "msync".
std::string_view PmemModeName(PmemMode mode);

// Makes libpmem decide what a pool on `medium` needs. REQUIRES: called before a pool on `path` is
// opened; `path` is only for the message. kUnsupported if libpmem has already decided otherwise in
// this process.
Result<PmemMode> PreparePmem(Medium medium, const std::filesystem::path& path);

// The same of a pool that is open already, whoever opened it. kUnsupported if it is on a disk, and
// libpmem only flushes: because of a pool on a tmpfs that this process had before; not if the
// environment has PMEM_IS_PMEM_FORCE: then its user wants that, on whatever medium.
Result<PmemMode> PmemModeOfOpen(Medium medium, const std::filesystem::path& path);

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_PMEM_ENVIRONMENT_H_
