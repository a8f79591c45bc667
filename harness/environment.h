// SPDX-License-Identifier: BSD-3-Clause
// What this machine is, for the manifest of a run and for `doctor`.
//
// Nothing here fails: what cannot be found out is said to be "unknown", empty or 0, since a fact
// that is missing must not keep a run from being measured.
//
// Threads: any.
// Not covered: what an engine or a path adds (library versions, the medium of a path).
// Source: proc(5), sysfs; the kernel's documentation of each file named in environment.cc.
#ifndef FENCEPOST_HARNESS_ENVIRONMENT_H_
#define FENCEPOST_HARNESS_ENVIRONMENT_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engines/medium.h"
#include "harness/build_info.h"
#include "harness/cpu_facts.h"

namespace fencepost {

struct CacheFacts {
  unsigned level = 0;
  std::string type;  // "data", "instruction", "unified"
  uint64_t size_bytes = 0;
  unsigned line_bytes = 0;
  std::string shared_cpus;  // the CPUs that share it with CPU 0, as in "0-1"
};

struct MachineFacts {
  CpuFacts cpu;
  size_t online_cpu_count = 0;
  size_t allowed_cpu_count = 0;    // to this process
  std::vector<CacheFacts> caches;  // of CPU 0
  uint64_t memory_bytes = 0;

  std::string kernel;                  // "Linux 6.1.0-13-amd64"
  std::string os_name;                 // "Debian GNU/Linux 12 (bookworm)"
  std::string governor;                // of CPU 0; "none" where the kernel does not set frequencies
  std::string turbo;                   // "on", "off", "unknown"
  std::string aslr;                    // "off", "partial", "full", "unknown"
  std::string transparent_huge_pages;  // "always", "madvise", "never", "unknown"
  std::string transparent_huge_pages_shmem;  // for tmpfs: "always", "within_size", ..., "unknown"

  std::vector<std::string> pmem_devices;  // /dev/pmem*, /dev/dax*
  std::vector<std::string> nd_devices;    // names in /sys/bus/nd/devices
  std::vector<FileSystem> dax_mounts;
  std::vector<FileSystem> tmpfs_mounts;  // those that this process may write to

  std::string io_uring;              // "yes", or why not: "not in this kernel", "not permitted"
  bool can_drop_page_cache = false;  // may write to /proc/sys/vm/drop_caches
  bool runs_under_valgrind = false;
  std::string valgrind_path;     // empty where there is none in PATH
  std::string valgrind_version;  // "valgrind-3.19.0"

  BuildInfo build;
};

// Takes some milliseconds, of which most is `valgrind --version`.
MachineFacts ReadMachineFacts();

// The same fields under the same names.
nlohmann::json ToJson(const MachineFacts& facts);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ENVIRONMENT_H_
