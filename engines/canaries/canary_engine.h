// SPDX-License-Identifier: BSD-3-Clause
// CanaryEngine: what all canaries have in common, so that a structure's file shows its stores,
// flushes and fences and little else.
//
// Threads: any; one lock. It is a spin lock that is released by a plain store: releasing a mutex is
// a locked instruction, hence a fence on x86, and would hide a fence that is missing by design.
#ifndef FENCEPOST_ENGINES_CANARIES_CANARY_ENGINE_H_
#define FENCEPOST_ENGINES_CANARIES_CANARY_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "engines/engine.h"
#include "engines/function_ref.h"
#include "engines/pmem/flush_counters.h"

namespace fencepost::canary {

inline constexpr uint64_t kMaxKeyBytes = 32;
inline constexpr uint64_t kMaxValueBytes = 464;

class SpinLock {
 public:
  void lock();
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

class CanaryEngine : public Engine {
 public:
  Status Put(std::string_view key, std::string_view value) final;
  Status Get(std::string_view key, ValueVisitor visit) final;
  Status Delete(std::string_view key) final;
  Status Scan(std::string_view start, size_t limit, PairVisitor visit) final;
  Status ForEach(PairVisitor visit) final;
  Status Apply(std::span<const Write> batch) final;
  Status Sync() override { return Status::Ok(); }
  Result<EngineStats> Stats() final;
  Result<AuditReport> Audit() final;
  Medium medium() const final { return medium_; }
  Status Close() final;

 protected:
  CanaryEngine(std::filesystem::path path, Medium medium)
      : path_(std::move(path)), medium_(medium), counters_at_open_(pmem::ReadFlushCounters()) {}

  // All with the lock held, and with keys and values of lengths that are allowed.
  virtual Status DoPut(std::string_view key, std::string_view value) = 0;
  virtual Result<std::string_view> DoGet(std::string_view key) = 0;
  virtual Status DoDelete(std::string_view key) = 0;
  virtual void DoForEach(PairVisitor visit) = 0;
  virtual uint64_t DoCount() = 0;
  virtual Result<AuditReport> DoAudit();
  virtual Status DoClose() = 0;             // twice is no error
  virtual uint64_t DoSyncs() { return 0; }  // fsyncs and fdatasyncs since it was opened

  Status Locked(FunctionRef<Status()> step) {
    lock_.lock();
    Status status = step();
    lock_.unlock();
    return status;
  }

  // Other callers may do what they came for while `step` runs. With the lock held.
  void Unlocked(FunctionRef<void()> step) {
    lock_.unlock();
    step();
    lock_.lock();
  }

  Status Full() const;
  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_;
  const Medium medium_;
  const pmem::FlushCounters counters_at_open_;
  SpinLock lock_;
};

// What hashing means to the canaries: FNV-1a, its bits mixed.
uint64_t HashOf(std::string_view key);

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_ENGINE_H_
