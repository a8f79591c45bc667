// SPDX-License-Identifier: BSD-3-Clause
#include "harness/pinning.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace fencepost {
namespace {

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

// A set with room for CPUs 0 to `capacity` - 1.
struct CpuSet {
  explicit CpuSet(size_t capacity) : bytes(CPU_ALLOC_SIZE(capacity)), bits(CPU_ALLOC(capacity)) {
    CHECK(bits != nullptr);
    CPU_ZERO_S(bytes, bits.get());
  }
  size_t bytes;
  std::unique_ptr<cpu_set_t, FreeCpuSet> bits;
};

}  // namespace

Result<std::vector<int>> AllowedCpus() {
  // The kernel says EINVAL for as long as the set is smaller than its own.
  constexpr size_t kFirstCapacity = 1024, kLastCapacity = 1 << 20;
  for (size_t capacity = kFirstCapacity; capacity <= kLastCapacity; capacity *= 2) {
    CpuSet set(capacity);
    if (sched_getaffinity(0, set.bytes, set.bits.get()) == 0) {
      std::vector<int> cpus;
      for (size_t cpu = 0; cpu < capacity; ++cpu) {
        if (CPU_ISSET_S(cpu, set.bytes, set.bits.get())) cpus.push_back(static_cast<int>(cpu));
      }
      return cpus;
    }
    if (errno != EINVAL) break;
  }
  return Status::IoError(fmt::format("sched_getaffinity: {}", std::strerror(errno)));
}

Status PinThisThread(const std::vector<int>& cpus, size_t k) {
  if (k >= cpus.size()) {
    return Status::InvalidArgument(
        fmt::format("pin: CPU number {} of the {} that are allowed", k, cpus.size()));
  }
  return AllowThisThread({cpus[k]});
}

Status AllowThisThread(const std::vector<int>& cpus) {
  if (cpus.empty()) return Status::InvalidArgument("pin: no CPU is given");
  CpuSet set(static_cast<size_t>(*std::max_element(cpus.begin(), cpus.end())) + 1);
  for (int cpu : cpus) CPU_SET_S(static_cast<size_t>(cpu), set.bytes, set.bits.get());
  if (sched_setaffinity(0, set.bytes, set.bits.get()) == 0) return Status::Ok();
  return Status::IoError(
      fmt::format("sched_setaffinity: {}: CPU {}", std::strerror(errno), fmt::join(cpus, ", ")));
}

}  // namespace fencepost
