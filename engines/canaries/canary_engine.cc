// SPDX-License-Identifier: BSD-3-Clause
#include "engines/canaries/canary_engine.h"

#include <fmt/format.h>

#include <mutex>
#include <thread>

#include "engines/store_directory.h"

namespace fencepost::canary {
namespace {

using Guard = std::lock_guard<SpinLock>;

Status CheckLengths(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return Status::InvalidArgument(
        fmt::format("a key of {} bytes: a canary takes 1 to {}", key.size(), kMaxKeyBytes));
  }
  if (value.size() > kMaxValueBytes) {
    return Status::InvalidArgument(fmt::format("a value of {} bytes: a canary takes at most {}",
                                               value.size(), kMaxValueBytes));
  }
  return Status::Ok();
}

}  // namespace

void SpinLock::lock() {
  while (held_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
}

Status CanaryEngine::Put(std::string_view key, std::string_view value) {
  RETURN_IF_ERROR(CheckLengths(key, value));
  const Guard guard(lock_);
  return DoPut(key, value);
}

Status CanaryEngine::Get(std::string_view key, ValueVisitor visit) {
  RETURN_IF_ERROR(CheckLengths(key, {}));
  const Guard guard(lock_);
  ASSIGN_OR_RETURN(const std::string_view value, DoGet(key));
  visit(value);
  return Status::Ok();
}

Status CanaryEngine::Delete(std::string_view key) {
  RETURN_IF_ERROR(CheckLengths(key, {}));
  const Guard guard(lock_);
  return DoDelete(key);
}

Status CanaryEngine::Scan(std::string_view, size_t, PairVisitor) {
  return Status::Unsupported("a canary has no scan");
}

Status CanaryEngine::ForEach(PairVisitor visit) {
  const Guard guard(lock_);
  DoForEach(visit);
  return Status::Ok();
}

Status CanaryEngine::Apply(std::span<const Write>) {
  return Status::Unsupported("a canary has no batches");
}

Result<EngineStats> CanaryEngine::Stats() {
  const Guard guard(lock_);
  const pmem::FlushCounters counters = pmem::ReadFlushCounters() - counters_at_open_;
  return EngineStats{.count = DoCount(),
                     .storage_bytes = OccupiedBytes(path_),
                     .flushed_lines = counters.flushed_lines,
                     .fences = counters.fences,
                     .syncs = counters.msyncs + DoSyncs()};
}

Result<AuditReport> CanaryEngine::Audit() {
  const Guard guard(lock_);
  return DoAudit();
}

Result<AuditReport> CanaryEngine::DoAudit() {
  return Status::Unsupported("this canary has no allocations of its own to audit");
}

Status CanaryEngine::Close() {
  const Guard guard(lock_);
  return DoClose();
}

Status CanaryEngine::Full() const {
  return Status::Full(fmt::format("the store has no room for another pair: {}", path_.string()));
}

uint64_t HashOf(std::string_view key) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : key) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

}  // namespace fencepost::canary
