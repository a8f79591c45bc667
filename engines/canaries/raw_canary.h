// SPDX-License-Identifier: BSD-3-Clause
// RawCanary: what the canaries on a RawPool share: the pool with its layout, the planted bug, and
// opening. RecordCanary: of these, the ones whose pairs are Records.
//
// Threads: CanaryEngine's lock.
#ifndef FENCEPOST_ENGINES_CANARIES_RAW_CANARY_H_
#define FENCEPOST_ENGINES_CANARIES_RAW_CANARY_H_

#include <memory>
#include <utility>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_pool.h"
#include "engines/canaries/canary_records.h"
#include "engines/canaries/canary_structure.h"

namespace fencepost::canary {

template <typename LayoutType, typename BugType>
class RawCanary : public CanaryEngine {
 public:
  using Layout = LayoutType;
  using Bug = BugType;

 protected:
  RawCanary(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : CanaryEngine(options.path, pool->medium()),
        layout_(*static_cast<Layout*>(pool->base())),
        bug_(bug),
        pool_(std::move(pool)) {}

  // While the pool is still mapped.
  virtual void BeforeClose() {}

  Status DoClose() final {
    if (pool_) BeforeClose();
    pool_.reset();
    return Status::Ok();
  }

  Layout& layout_;
  const Bug bug_;

 private:
  std::unique_ptr<RawPool> pool_;
};

template <typename LayoutType, typename BugType>
class RecordCanary : public RawCanary<LayoutType, BugType> {
 protected:
  RecordCanary(std::unique_ptr<RawPool> pool, const EngineOptions& options, BugType bug)
      : RawCanary<LayoutType, BugType>(std::move(pool), options, bug),
        records_(this->layout_.records) {}

  uint64_t DoCount() override { return records_.taken_count(); }

  // A record that is taken and that no visit shows has leaked.
  Result<AuditReport> DoAudit() override {
    uint64_t reachable = 0;
    this->DoForEach([&](auto, auto) { return ++reachable > 0; });
    const uint64_t taken = records_.taken_count();
    return AuditReport{taken * sizeof(Record), reachable * sizeof(Record), taken, reachable};
  }

  Records records_;
};

// Opens the pool, or makes it as `initialise` says (RawPool::Open), and recovers the structure.
template <typename Canary>
Result<std::unique_ptr<Engine>> OpenRawCanary(
    const EngineOptions& options, std::span<const Planting> plantings, uint64_t magic,
    FunctionRef<void(typename Canary::Layout&)> initialise) {
  using Layout = typename Canary::Layout;
  ASSIGN_OR_RETURN(const size_t bug, FindBug(options, plantings));
  ASSIGN_OR_RETURN(auto pool, RawPool::Open(options, magic, sizeof(Layout), [&](void* base) {
                     initialise(*static_cast<Layout*>(base));
                   }));
  auto engine =
      std::make_unique<Canary>(std::move(pool), options, static_cast<typename Canary::Bug>(bug));
  RETURN_IF_ERROR(engine->Recover());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_RAW_CANARY_H_
