// SPDX-License-Identifier: BSD-3-Clause
// canary-delegate: a table of slots in which a helper thread does part of every change, so that
// bugs between two threads happen on each run and in one way only.
//
// The caller writes the record and makes it durable; the helper stores the slot and makes that
// durable; the caller acknowledges. The two take turns strictly. A helper lives from its change to
// the next one, so there is none while a pool is opened.
//
// Invariants:
//   1. One of the two threads runs at a time. The turn is handed over by plain stores: a locked
//      instruction would be a fence, and would make the bugs correct.
//   2. A helper touches the pool only in its turns.
// Threads: CanaryEngine's lock for callers.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_pool.h"
#include "engines/canaries/canary_records.h"
#include "engines/canaries/canary_structure.h"

namespace fencepost::canary {
namespace {

enum class Bug : size_t { kNone, kOtherThreadsFence, kCallersFence, kReadOfUnpersisted, kCount };

constexpr std::string_view kName = "canary-delegate";
constexpr Planting kPlantings[] = {
    {kName, "other-threads-fence", "other thread's fence", 'C',
     "the caller stores and flushes, the helper fences: an acknowledged change may be lost until "
     "the caller's next fence"},
    {kName, "callers-fence", "other thread's fence", 'D',
     "the helper stores and flushes the slot, the caller fences: an acknowledged change may be "
     "lost until the helper's end"},
    {kName, "read-of-unpersisted", "read of unpersisted", 'C',
     "the caller acknowledges what the helper has stored and not flushed; it is flushed by the "
     "next change"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct Layout {
  PoolHeader header;
  alignas(kLineBytes) uint64_t slots[kRecordCount];  // number of a record + 1
  RecordArray records;
};
constexpr uint64_t kMagic = 0x6167656c65447943;

// A thread that takes turns with the one that made it.
class Helper {
 public:
  Helper() : shared_(std::make_shared<Shared>()) {
    // Detached: joining a thread is not possible in a process forked meanwhile, ending it is.
    std::thread([shared = shared_] { shared->Run(); }).detach();
  }
  ~Helper() { shared_->ended.store(true, std::memory_order_release); }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  // Has the helper do it, and waits.
  void Do(FunctionRef<void()> step) {
    shared_->step = &step;
    shared_->is_helpers_turn.store(true, std::memory_order_release);
    while (shared_->is_helpers_turn.load(std::memory_order_acquire)) std::this_thread::yield();
  }

 private:
  struct Shared {
    std::atomic<bool> is_helpers_turn{false};
    std::atomic<bool> ended{false};
    FunctionRef<void()>* step = nullptr;

    void Run() {
      constexpr int kYieldsBeforeSleep = 100;
      for (int waited = 0; !ended.load(std::memory_order_acquire); ++waited) {
        if (is_helpers_turn.load(std::memory_order_acquire)) {
          (*step)();
          is_helpers_turn.store(false, std::memory_order_release);
          waited = 0;
        } else if (waited < kYieldsBeforeSleep) {
          std::this_thread::yield();
        } else {
          // Not by the C library: a function that can be cancelled takes locked instructions.
          constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 200'000};
          syscall(SYS_nanosleep, &kPause, nullptr);
        }
      }
    }
  };
  std::shared_ptr<Shared> shared_;
};

class DelegateEngine final : public CanaryEngine {
 public:
  DelegateEngine(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : CanaryEngine(options.path, pool->medium()),
        pool_(std::move(pool)),
        layout_(*static_cast<Layout*>(pool_->base())),
        records_(layout_.records),
        slots_(kRecordCount),
        bug_(bug) {}
  ~DelegateEngine() override { (void)Close(); }

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return index_.size(); }
  Result<AuditReport> DoAudit() override;
  Status DoClose() override;

  void BeginChange();
  void PersistRecord(uint64_t record, std::string_view key, std::string_view value);
  void PublishSlot(uint64_t slot, uint64_t word);
  uint64_t RecordOf(uint64_t slot) const { return layout_.slots[slot] - 1; }

  std::unique_ptr<RawPool> pool_;
  Layout& layout_;
  Records records_;
  FreeNumbers slots_;
  const Bug bug_;
  std::map<std::string, uint64_t, std::less<>> index_;  // key to slot
  std::unique_ptr<Helper> helper_;                      // of the last change
  const uint64_t* unflushed_ = nullptr;                 // by the last change, with a bug
};

Status DelegateEngine::Recover() {
  for (uint64_t slot = 0; slot < kRecordCount; ++slot) {
    if (layout_.slots[slot] == 0) continue;
    if (!records_.Claim(RecordOf(slot))) return CorruptPool(path(), "a slot that holds no pair");
    if (!index_.emplace(records_.KeyOf(RecordOf(slot)), slot).second) {
      return CorruptPool(path(), "a key that is there twice");
    }
    CHECK(slots_.Claim(slot));
  }
  return Status::Ok();
}

Result<std::string_view> DelegateEngine::DoGet(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return Status::NotFound();
  return records_.ValueOf(RecordOf(found->second));
}

void DelegateEngine::DoForEach(PairVisitor visit) {
  for (const auto& [key, slot] : index_) {
    if (!visit(key, records_.ValueOf(RecordOf(slot)))) return;
  }
}

Status DelegateEngine::DoPut(std::string_view key, std::string_view value) {
  auto found = index_.find(key);
  const std::optional<uint64_t> record = records_.Take();
  if (!record) return Full();
  const bool is_new = found == index_.end();
  if (is_new) found = index_.emplace(key, *slots_.Take()).first;  // as many slots as records
  const uint64_t slot = found->second;
  const uint64_t old_word = layout_.slots[slot];
  BeginChange();
  PersistRecord(*record, key, value);
  PublishSlot(slot, *record + 1);
  if (!is_new) records_.Give(old_word - 1);
  return Status::Ok();
}

Status DelegateEngine::DoDelete(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return Status::NotFound();
  const uint64_t slot = found->second;
  const uint64_t record = RecordOf(slot);
  index_.erase(found);
  slots_.Give(slot);
  BeginChange();
  PublishSlot(slot, 0);
  records_.Give(record);
  return Status::Ok();
}

// The new helper is made before the first store: making a thread takes locked instructions.
void DelegateEngine::BeginChange() {
  if (unflushed_ != nullptr) PersistWord(unflushed_);
  unflushed_ = nullptr;
  helper_ = std::make_unique<Helper>();
}

void DelegateEngine::PersistRecord(uint64_t record, std::string_view key, std::string_view value) {
  records_.Write(record, key, value);
  if (bug_ == Bug::kOtherThreadsFence) {
    helper_->Do([] { Drain(); });
  } else {
    Drain();
  }
}

void DelegateEngine::PublishSlot(uint64_t slot, uint64_t word) {
  uint64_t* const at = &layout_.slots[slot];
  switch (bug_) {
    case Bug::kOtherThreadsFence:
      StoreWord(at, word);
      FlushWord(at);
      helper_->Do([] { Drain(); });
      return;
    case Bug::kCallersFence:
      helper_->Do([&] {
        StoreWord(at, word);
        FlushWord(at);
      });
      Drain();
      return;
    case Bug::kReadOfUnpersisted:
      helper_->Do([&] { StoreWord(at, word); });
      unflushed_ = at;
      return;
    default:
      helper_->Do([&] {
        StoreWord(at, word);
        PersistWord(at);
      });
  }
}

Result<AuditReport> DelegateEngine::DoAudit() {
  const auto reachable = static_cast<uint64_t>(std::count_if(
      std::begin(layout_.slots), std::end(layout_.slots), [](uint64_t word) { return word != 0; }));
  const uint64_t taken = records_.taken_count();
  return AuditReport{taken * sizeof(Record), reachable * sizeof(Record), taken, reachable};
}

Status DelegateEngine::DoClose() {
  if (pool_ == nullptr) return Status::Ok();
  if (unflushed_ != nullptr) PersistWord(unflushed_);
  helper_.reset();
  pool_.reset();
  return Status::Ok();
}

Result<std::unique_ptr<Engine>> OpenDelegate(const EngineOptions& options) {
  ASSIGN_OR_RETURN(const size_t bug, FindBug(options, kPlantings));
  ASSIGN_OR_RETURN(auto pool, RawPool::Open(options, kMagic, sizeof(Layout), [](void*) {}));
  auto engine = std::make_unique<DelegateEngine>(std::move(pool), options, static_cast<Bug>(bug));
  RETURN_IF_ERROR(engine->Recover());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace

constinit const Structure kDelegateStructure = {
    .name = kName,
    .description = "canary: slot table in which a helper thread does part of each change",
    .open = OpenDelegate,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
