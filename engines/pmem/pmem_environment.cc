// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pmem_environment.h"

#include <fmt/format.h>
#include <libpmem.h>

#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>

namespace fencepost::pmem {
namespace {

constexpr const char* kForceVariable = "PMEM_IS_PMEM_FORCE";

// What libpmem believes of plain memory: it is persistent only if that is forced. The first call in
// a process also is libpmem's decision.
bool ForcedByLibpmem() {
  const char on_the_stack = 0;
  return pmem_is_pmem(&on_the_stack, 1) != 0;
}

// Decides with the variable set (or absent), whatever the process inherited, and puts it back: it
// is not our business what a child process does.
bool DecideWith(bool force) {
  const char* inherited = std::getenv(kForceVariable);
  const std::optional<std::string> before =
      inherited != nullptr ? std::optional<std::string>(inherited) : std::nullopt;
  if (force) {
    setenv(kForceVariable, "1", 1);
  } else {
    unsetenv(kForceVariable);
  }
  const bool forced = ForcedByLibpmem();
  if (before) {
    setenv(kForceVariable, before->c_str(), 1);
  } else {
    unsetenv(kForceVariable);
  }
  return forced;
}

}  // namespace

std::string_view PmemModeName(PmemMode mode) {
  switch (mode) {
    case PmemMode::kHardware:
      return "hardware";
    case PmemMode::kForcedOnTmpfs:
      return "forced-on-tmpfs";
    case PmemMode::kMsync:
      return "msync";
  }
  return "unknown";
}

Result<PmemMode> PreparePmem(Medium medium, const std::filesystem::path& path) {
  static std::mutex mutex;
  static std::optional<bool> decided_forced;
  const std::lock_guard<std::mutex> lock(mutex);
  if (!decided_forced) decided_forced = DecideWith(medium == Medium::kTmpfs);

  switch (medium) {
    case Medium::kDax:
      return PmemMode::kHardware;
    case Medium::kTmpfs:
      if (*decided_forced) return PmemMode::kForcedOnTmpfs;
      return Status::Unsupported(fmt::format(
          "libpmem: this process has already decided that only DAX is persistent memory (it used "
          "libpmem on another medium first); a pool on tmpfs needs a process of its own: {}",
          path.string()));
    case Medium::kPageCache:
    case Medium::kBlock:
    case Medium::kNone:
      break;
  }
  if (!*decided_forced) return PmemMode::kMsync;
  return Status::Unsupported(fmt::format(
      "libpmem: this process has already decided that all memory is persistent (it used a pool on "
      "tmpfs first), so msync would be skipped; a pool on a disk needs a process of its own: {}",
      path.string()));
}

Result<PmemMode> PmemModeOfOpen(Medium medium, const std::filesystem::path& path) {
  if (medium == Medium::kDax) return PmemMode::kHardware;
  if (!ForcedByLibpmem()) return PmemMode::kMsync;
  if (medium == Medium::kTmpfs || std::getenv(kForceVariable) != nullptr) {
    return PmemMode::kForcedOnTmpfs;
  }
  return Status::Unsupported(fmt::format(
      "libpmem: this process has already decided that all memory is persistent (it used a pool on "
      "tmpfs first), so nothing is made durable in a pool on a disk: {}",
      path.string()));
}

}  // namespace fencepost::pmem
