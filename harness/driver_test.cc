// SPDX-License-Identifier: BSD-3-Clause
// The driver against an engine in memory that can be told to misbehave: every fault that values can
// testify to must be found, and none where there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>

#include "harness/clock.h"
#include "harness/phase.h"
#include "workloads/properties.h"
#include "workloads/replay_file.h"

namespace fencepost {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What the engine does wrong, on every 100th operation that could show it.
enum class Defect {
  kNone,
  kLosesPut,
  kServesOldValue,
  kTearsValue,
  kSwapsValues,
  kKeepsDeleted,
  kLosesCompareAndPut,
  kFails
};

class FaultyMap final : public Engine, public ComparesAndPuts, public Defragments {
 public:
  explicit FaultyMap(Defect defect) : defect_(defect) {}

  Status Put(std::string_view key, std::string_view value) override {
    const std::lock_guard lock(mutex_);
    if (Now(Defect::kFails)) return Status::IoError("pwrite: planted, data");
    if (Now(Defect::kLosesPut)) {
      map_.erase(std::string(key));
      return Status::Ok();
    }
    if (Now(Defect::kServesOldValue) && map_.contains(std::string(key))) return Status::Ok();
    map_[std::string(key)] = value;
    return Status::Ok();
  }
  Status Get(std::string_view key, ValueVisitor visit) override {
    const std::lock_guard lock(mutex_);
    auto found = map_.find(std::string(key));
    if (found == map_.end()) return Status::NotFound();
    std::string value = found->second;
    if (Now(Defect::kTearsValue)) value.back() = static_cast<char>(value.back() ^ 1);
    if (Now(Defect::kSwapsValues)) value = map_.begin()->second;
    visit(value);
    return Status::Ok();
  }
  Status Delete(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    if (!map_.contains(std::string(key))) return Status::NotFound();
    if (!Now(Defect::kKeepsDeleted)) map_.erase(std::string(key));
    return Status::Ok();
  }
  Status Scan(std::string_view start, size_t limit, PairVisitor visit) override {
    const std::lock_guard lock(mutex_);
    for (auto at = map_.lower_bound(std::string(start)); at != map_.end() && limit > 0;
         ++at, --limit) {
      if (!visit(at->first, at->second)) break;
    }
    return Status::Ok();
  }
  Status ForEach(PairVisitor) override { return Status::Ok(); }
  Status Apply(std::span<const Write> batch) override {
    const std::lock_guard lock(mutex_);
    for (const Write& write : batch) {
      if (write.kind == Write::Kind::kPut)
        map_[std::string(write.key)] = write.value;
      else
        map_.erase(std::string(write.key));
    }
    return Status::Ok();
  }
  Result<bool> CompareAndPut(std::string_view key, std::string_view expected,
                             std::string_view value) override {
    const std::lock_guard lock(mutex_);
    auto found = map_.find(std::string(key));
    if (found == map_.end()) return Status::NotFound();
    if (found->second != expected) return false;
    if (!Now(Defect::kLosesCompareAndPut)) found->second = value;
    return true;
  }
  Result<uint64_t> Defragment() override { return uint64_t{0}; }
  ComparesAndPuts* compares_and_puts() override { return this; }
  Defragments* defragments() override { return this; }
  Status Sync() override { return Status::Ok(); }
  Result<EngineStats> Stats() override { return EngineStats{.count = map_.size()}; }
  Result<AuditReport> Audit() override { return AuditReport{}; }
  Medium medium() const override { return Medium::kNone; }
  Status Close() override { return Status::Ok(); }

 private:
  // Not before the load is over: faults are to be seen by a run.
  bool Now(Defect defect) {
    if (defect != defect_) return false;
    ++occasions_;
    return occasions_ > 200 && occasions_ % 100 == 0;
  }

  const Defect defect_;
  uint64_t occasions_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::string> map_;
};

const EngineRow kRow = {.name = "faulty",
                        .description = "a map in memory",
                        .open = nullptr,
                        .version = nullptr,
                        .capabilities = {.ordered = true, .atomic_batch = true},
                        .durabilities = {},
                        .options = {}};

WorkloadSpec Spec(const std::vector<std::string>& settings) {
  Properties properties;
  for (const char* setting : {"recordcount=200", "operationcount=20000", "fieldcount=1",
                              "fieldlength=64", "requestdistribution=uniform"}) {
    CHECK_OK(properties.Set(setting));
  }
  for (const std::string& setting : settings) CHECK_OK(properties.Set(setting));
  return ParseWorkload(properties).value();
}

struct Measured {
  PhaseResult load, run;
};

Measured LoadAndRun(const WorkloadSpec& spec, Defect defect, uint64_t max_failures = 0) {
  Clock::Calibrate();
  FaultyMap engine(defect);
  auto versions = VersionTable::Create(1 << 20, true, 0, spec.threads > 1).value();
  PhaseRequest request;
  request.engine = &engine;
  request.row = &kRow;
  request.spec = &spec;
  request.versions = versions.get();
  request.pin_threads = false;
  request.interval_s = 0.005;
  request.max_failures = max_failures;
  request.max_run_s = spec.max_execution_time_s;
  request.phase = Phase::kLoad;
  PhaseResult load = RunPhase(request).value();
  request.phase = Phase::kRun;
  return {std::move(load), RunPhase(request).value()};
}

const std::vector<std::string> kMixed = {"readproportion=0.5", "updateproportion=0.2",
                                         "insertproportion=0.1", "fencepost.deleteproportion=0.1",
                                         "fencepost.missproportion=0.1"};

TEST(Driver, CorrectEngineRaisesNoAlarm) {
  for (const char* threads : {"threadcount=1", "threadcount=3"}) {
    std::vector<std::string> settings = kMixed;
    settings.push_back(threads);
    const Measured measured = LoadAndRun(Spec(settings), Defect::kNone);
    EXPECT_EQ(measured.load.operations, 200u);
    EXPECT_EQ(measured.run.operations, 20000u);
    EXPECT_EQ(measured.run.verification.faults(), 0u);
    EXPECT_THAT(measured.run.fault_examples, IsEmpty());
    EXPECT_GT(measured.run.verification.reads_checked, 9000u);
    EXPECT_TRUE(measured.run.first_failure.ok());
    EXPECT_FALSE(measured.run.partial);
  }
}

TEST(Driver, EveryKindOfOperationIsCounted) {
  const Measured measured = LoadAndRun(
      Spec({"readproportion=0.3", "updateproportion=0.2", "scanproportion=0.1", "maxscanlength=5",
            "readmodifywriteproportion=0.1", "insertproportion=0.05",
            "fencepost.compareandputproportion=0.05", "fencepost.defragmentproportion=0.05",
            "fencepost.deleteproportion=0.05", "fencepost.missproportion=0.05",
            "fencepost.batchproportion=0.05", "threadcount=2"}),
      Defect::kNone);
  uint64_t total = 0;
  for (size_t k = 0; k < kOpKindCount; ++k) {
    const KindRecord* record = measured.run.kinds.Find(static_cast<OpKind>(k));
    ASSERT_NE(record, nullptr) << k;
    EXPECT_GT(record->service.count(), 100u) << OpKindName(static_cast<OpKind>(k));
    total += record->counts.ok + record->counts.not_found + record->counts.failed;
  }
  // A read-modify-write is one operation and is also counted under READ and UPDATE.
  const KindCounts rmw = measured.run.kinds.Find(OpKind::kReadModifyWrite)->counts;
  EXPECT_EQ(total, 20000u + rmw.ok * 2 + rmw.not_found);
  EXPECT_EQ(measured.run.verification.faults(), 0u);
}

TEST(Driver, LostPutIsFound) {
  const Measured measured = LoadAndRun(Spec(kMixed), Defect::kLosesPut);
  EXPECT_GT(measured.run.verification.lost, 0u);
  ASSERT_THAT(measured.run.fault_examples, Not(IsEmpty()));
  EXPECT_THAT(measured.run.fault_examples.front(), HasSubstr("lost"));
}

TEST(Driver, ACompareAndPutThatDidNotHappenIsFound) {
  const Measured measured =
      LoadAndRun(Spec({"readproportion=0.5", "fencepost.compareandputproportion=0.5"}),
                 Defect::kLosesCompareAndPut);
  EXPECT_GT(measured.run.verification.stale + measured.run.verification.lost, 0u);
}

TEST(Driver, StaleValueIsFound) {
  const Measured measured = LoadAndRun(Spec(kMixed), Defect::kServesOldValue);
  EXPECT_GT(measured.run.verification.stale, 0u);
  EXPECT_EQ(measured.run.verification.lost, 0u);
}

TEST(Driver, TornValueIsFound) {
  EXPECT_GT(LoadAndRun(Spec(kMixed), Defect::kTearsValue).run.verification.torn, 0u);
}

TEST(Driver, StampAloneDoesNotSeeTornBodies) {
  std::vector<std::string> settings = kMixed;
  settings.push_back("fencepost.verify=stamp");
  EXPECT_EQ(LoadAndRun(Spec(settings), Defect::kTearsValue).run.verification.faults(), 0u);
}

TEST(Driver, ForeignValueIsFound) {
  EXPECT_GT(LoadAndRun(Spec(kMixed), Defect::kSwapsValues).run.verification.foreign, 0u);
}

TEST(Driver, DeletedValueThatStaysIsFound) {
  EXPECT_GT(LoadAndRun(Spec(kMixed), Defect::kKeepsDeleted).run.verification.stale, 0u);
}

TEST(Driver, FaultsOfShortValuesAreFound) {
  std::vector<std::string> settings = kMixed;
  settings.push_back("fieldlength=8");
  EXPECT_EQ(LoadAndRun(Spec(settings), Defect::kNone).run.verification.faults(), 0u);
  EXPECT_GT(LoadAndRun(Spec(settings), Defect::kTearsValue).run.verification.faults(), 0u);
  EXPECT_GT(LoadAndRun(Spec(settings), Defect::kServesOldValue).run.verification.faults(), 0u);
}

TEST(Driver, VerificationOffLooksAtNothing) {
  std::vector<std::string> settings = kMixed;
  settings.push_back("fencepost.verify=off");
  const Measured measured = LoadAndRun(Spec(settings), Defect::kTearsValue);
  EXPECT_EQ(measured.run.verification.reads_checked, 0u);
}

TEST(Driver, FailureEndsTheRunAndKeepsWhatWasMeasured) {
  const Measured measured = LoadAndRun(Spec(kMixed), Defect::kFails);
  EXPECT_TRUE(measured.run.partial);
  EXPECT_TRUE(measured.run.failure_limit_reached);
  EXPECT_EQ(measured.run.first_failure.message(), "pwrite: planted, data");
  EXPECT_LT(measured.run.operations, 20000u);
  EXPECT_GT(measured.run.operations, 0u);
}

TEST(Driver, FailuresBelowTheLimitAreCountedAndJudged) {
  const Measured measured = LoadAndRun(Spec(kMixed), Defect::kFails, /*max_failures=*/1000);
  EXPECT_FALSE(measured.run.partial);
  EXPECT_EQ(measured.run.operations, 20000u);
  uint64_t failed = 0;
  for (OpKind kind : {OpKind::kUpdate, OpKind::kInsert}) {
    failed += measured.run.kinds.Find(kind)->counts.failed;
  }
  EXPECT_GT(failed, 10u);
  EXPECT_EQ(measured.run.verification.faults(), 0u)
      << "a failed write may or may not have happened";
}

TEST(Driver, OneSeedIsOneTrace) {
  const auto hash = [](const std::vector<std::string>& more) {
    std::vector<std::string> settings = kMixed;
    settings.insert(settings.end(), more.begin(), more.end());
    return LoadAndRun(Spec(settings), Defect::kNone).run.trace_hash.value();
  };
  const uint64_t reference = hash({"fencepost.seed=7", "threadcount=2"});
  EXPECT_EQ(reference, hash({"fencepost.seed=7", "threadcount=2"}));
  // Regenerated piece by piece, with pauses, it is the same trace.
  EXPECT_EQ(reference, hash({"fencepost.seed=7", "threadcount=2", "fencepost.trace_bytes=4096"}));
  EXPECT_NE(reference, hash({"fencepost.seed=8", "threadcount=2"}));
  EXPECT_NE(reference, hash({"fencepost.seed=7", "threadcount=1"}));
}

// A load builds every key; a run finds all, some or none of them in its table.
TEST(Driver, KeysAreTheSameWhereverTheyComeFrom) {
  for (const char* bytes : {"0", "6400", "64M"}) {
    const Measured measured = LoadAndRun(
        Spec({"readproportion=0.8", "insertproportion=0.1", "fencepost.missproportion=0.1",
              "requestdistribution=latest", std::string("fencepost.key_table_bytes=") + bytes}),
        Defect::kNone);
    EXPECT_EQ(measured.run.verification.faults(), 0u) << bytes;
    EXPECT_EQ(measured.run.verification.unknown, 0u) << bytes;
    const KindRecord* reads = measured.run.kinds.Find(OpKind::kRead);
    ASSERT_NE(reads, nullptr);
    EXPECT_GT(reads->counts.ok, 10000u);
    EXPECT_EQ(reads->counts.not_found, 0u) << bytes;
  }
}

TEST(Driver, LiveTraceRunsWithoutHash) {
  const Measured measured =
      LoadAndRun(Spec({"readproportion=0.9", "insertproportion=0.1", "requestdistribution=latest",
                       "fencepost.trace=live", "threadcount=2"}),
                 Defect::kNone);
  EXPECT_EQ(measured.run.operations, 20000u);
  EXPECT_FALSE(measured.run.trace_hash.has_value());
  EXPECT_EQ(measured.run.verification.faults(), 0u);
}

TEST(Driver, TimeEndsARunWithoutOperationCount) {
  const Measured measured = LoadAndRun(
      Spec({"operationcount=0", "maxexecutiontime=1", "threadcount=2", "fencepost.warmup=0.1s"}),
      Defect::kNone);
  EXPECT_GE(measured.run.run_s, 1.0);
  EXPECT_GT(measured.run.operations, 1000u);
  EXPECT_THAT(measured.run.intervals, Not(IsEmpty()));
}

TEST(Driver, WarmUpIsNotCounted) {
  const Measured measured =
      LoadAndRun(Spec({"fencepost.warmup=3000", "threadcount=2"}), Defect::kNone);
  EXPECT_EQ(measured.run.operations, 20000u);
}

TEST(Driver, OpenLoopKeepsItsRateAndMeasuresResponses) {
  for (const char* arrivals : {"fencepost.arrivals=constant", "fencepost.arrivals=poisson"}) {
    const Measured measured = LoadAndRun(
        Spec({"operationcount=1000", "target=5000", "threadcount=2", arrivals}), Defect::kNone);
    const KindRecord& reads = *measured.run.kinds.Find(OpKind::kRead);
    ASSERT_NE(reads.response, nullptr);
    EXPECT_EQ(reads.response->count(), reads.service.count());
    // Never faster than asked for (Poisson gaps add up to the mean within a few per cent).
    EXPECT_GT(measured.run.run_s, 0.16);
  }
}

TEST(Driver, IntervalsAddUpToTheWhole) {
  const Measured measured = LoadAndRun(Spec(kMixed), Defect::kNone);
  uint64_t operations = 0;
  for (const IntervalRow& row : measured.run.intervals) operations += row.operations;
  EXPECT_EQ(operations, 20000u);
}

// -- recorded traces

WorkloadSpec SpecOf(const std::string& trace, const std::vector<std::string>& settings = {}) {
  const std::string path = ::testing::TempDir() + "driver-replay-" + std::to_string(getpid());
  std::ofstream(path) << trace;
  Properties properties;
  CHECK_OK(properties.Set("fencepost.trace_file=" + path));
  for (const std::string& setting : settings) CHECK_OK(properties.Set(setting));
  WorkloadSpec spec = ParseWorkload(properties).value();
  std::filesystem::remove(path);
  return spec;
}

// 2,000 rounds of puts, gets, deletes and misses.
WorkloadSpec ReplaySpec(const std::vector<std::string>& settings = {}) {
  std::mt19937 random(1);
  const auto key = [&] { return "k%2C" + std::to_string(random() % 150); };
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    const int bytes = i % 5 == 0 ? i % 16 : 16 + i % 90;
    text += "put," + key() + "," + std::to_string(bytes) + "\n";
    text += "get," + key() + "\nget," + key() + ",40\n";
    if (i % 4 == 0) {
      const std::string gone = key();
      text += "delete," + gone + "\nget," + gone + "\n";
    }
    if (i % 9 == 0) text += "tryget,none" + std::to_string(i) + "\ndelete,none\n";
  }
  return SpecOf(text, settings);
}

TEST(Replay, CorrectEngineRaisesNoAlarmAndFindsWhatTheTraceSays) {
  for (const char* threads : {"threadcount=1", "threadcount=3"}) {
    for (const char* load : {"fencepost.trace_load=gets", "fencepost.trace_load=none"}) {
      const WorkloadSpec spec = ReplaySpec({threads, load});
      const Measured measured = LoadAndRun(spec, Defect::kNone);
      EXPECT_EQ(measured.load.operations, spec.insert_count);
      EXPECT_EQ(measured.run.operations, spec.replay_file->operation_count());
      EXPECT_EQ(measured.run.verification.faults(), 0u);
      EXPECT_EQ(measured.run.verification.unknown, 0u);
      EXPECT_THAT(measured.run.fault_examples, IsEmpty());
      for (const OpKind kind :
           {OpKind::kRead, OpKind::kMiss, OpKind::kInsert, OpKind::kUpdate, OpKind::kDelete}) {
        const KindRecord* record = measured.run.kinds.Find(kind);
        ASSERT_NE(record, nullptr);
        EXPECT_EQ(record->counts.ok, spec.replay_file->count(kind)) << OpKindName(kind);
        EXPECT_EQ(record->counts.not_found, 0u) << OpKindName(kind);
      }
    }
  }
}

TEST(Replay, ValuesHaveTheSizesOfTheTrace) {
  const WorkloadSpec spec = ReplaySpec();
  uint64_t written = 0, loaded = 0;
  const ReplayFile& file = *spec.replay_file;
  for (uint64_t i = 0; i < file.operation_count(); ++i) {
    const ReplayFile::Operation op = file.operation(i);
    if (op.kind == OpKind::kInsert || op.kind == OpKind::kUpdate) {
      written += file.key(op.number).size() + op.value_bytes;
    }
  }
  for (uint64_t n = 0; n < file.loaded_count(); ++n) {
    loaded += file.key(n).size() + file.load_bytes(n);
  }
  const Measured measured = LoadAndRun(spec, Defect::kNone);
  EXPECT_EQ(measured.load.user_bytes_written, loaded);
  // Deletes write their keys besides: those that found something.
  EXPECT_GE(measured.run.user_bytes_written, written);
  EXPECT_LT(measured.run.user_bytes_written, written + 10 * file.count(OpKind::kDelete));
}

TEST(Replay, EveryFaultIsFound) {
  EXPECT_GT(LoadAndRun(ReplaySpec(), Defect::kLosesPut).run.verification.lost, 0u);
  EXPECT_GT(LoadAndRun(ReplaySpec(), Defect::kServesOldValue).run.verification.stale, 0u);
  EXPECT_GT(LoadAndRun(ReplaySpec(), Defect::kSwapsValues).run.verification.foreign, 0u);
}

TEST(Replay, AMissThatFindsADeletedValueIsAFault) {
  const Measured measured = LoadAndRun(ReplaySpec(), Defect::kKeepsDeleted);
  EXPECT_GT(measured.run.verification.faults(), 0u);
  ASSERT_THAT(measured.run.fault_examples, Not(IsEmpty()));
  EXPECT_THAT(measured.run.fault_examples.front(), HasSubstr("k%2C"));
}

// Of an empty value only the number is known: here, that there must be none.
TEST(Replay, AMissThatFindsAnEmptyValueIsAFault) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "put,k,0\nget,k\ndelete,k\nget,k\n";
  const WorkloadSpec spec = SpecOf(text);
  EXPECT_EQ(LoadAndRun(spec, Defect::kNone).run.verification.faults(), 0u);
  EXPECT_GT(LoadAndRun(spec, Defect::kKeepsDeleted).run.verification.faults(), 0u);
}

TEST(Replay, AWarmupIsThePrefixOfTheFile) {
  for (const char* threads : {"threadcount=1", "threadcount=3"}) {
    const Measured measured = LoadAndRun(
        ReplaySpec({threads, "fencepost.warmup=1", "operationcount=1000"}), Defect::kNone);
    EXPECT_EQ(measured.run.operations, 1000u);
    EXPECT_EQ(measured.run.verification.faults(), 0u);
  }
}

// A thread whose share of the warm-up is nothing must not warm up for ever.
TEST(Driver, AWarmupOfFewerOperationsThanWorkersEnds) {
  std::vector<std::string> settings = kMixed;
  settings.insert(settings.end(), {"threadcount=3", "fencepost.warmup=1"});
  EXPECT_EQ(LoadAndRun(Spec(settings), Defect::kNone).run.operations, 20000u);
}

TEST(Replay, TheHashIsOfOperationsKeysAndSizes) {
  const auto hash = [](const std::vector<std::string>& settings) {
    return LoadAndRun(ReplaySpec(settings), Defect::kNone).run.trace_hash.value();
  };
  EXPECT_EQ(hash({}), hash({}));
  EXPECT_EQ(hash({}), hash({"fencepost.seed=7"}));
  EXPECT_NE(hash({}), hash({"operationcount=999"}));
}

}  // namespace
}  // namespace fencepost
