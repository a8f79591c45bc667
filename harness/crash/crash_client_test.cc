// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "faultinject/explore/scratch_folder.h"
#include "harness/crash/crash_test_util.h"
#include "harness/crash/recovered_store.h"

namespace fencepost {
namespace {

using testing::HasSubstr;
using Kind = HistoryOp::Kind;
using Answer = HistoryOp::Outcome;

WorkloadSpec Spec(const std::vector<std::string>& settings) {
  Properties properties;
  for (const char* setting : {"recordcount=20", "operationcount=300", "fieldcount=1",
                              "fieldlength=64", "requestdistribution=uniform"}) {
    CHECK_OK(properties.Set(setting));
  }
  for (const std::string& setting : settings) CHECK_OK(properties.Set(setting));
  return ParseWorkload(properties).value();
}

const std::vector<std::string> kOfEverything = {"readproportion=0.1",
                                                "fencepost.compareandputproportion=0.1",
                                                "fencepost.defragmentproportion=0.05",
                                                "updateproportion=0.15",
                                                "insertproportion=0.15",
                                                "readmodifywriteproportion=0.1",
                                                "fencepost.deleteproportion=0.15",
                                                "fencepost.missproportion=0.1",
                                                "fencepost.batchproportion=0.1",
                                                "fencepost.batchsize=4"};

// A MapEngine for several threads.
class LockedEngine : public MapEngine {
 public:
  using MapEngine::MapEngine;
  Status Put(std::string_view key, std::string_view value) override {
    const std::lock_guard lock(mutex_);
    return MapEngine::Put(key, value);
  }
  Status Get(std::string_view key, ValueVisitor visit) override {
    const std::lock_guard lock(mutex_);
    return MapEngine::Get(key, visit);
  }
  Status Delete(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    return MapEngine::Delete(key);
  }
  Status Apply(std::span<const Write> batch) override {
    const std::lock_guard lock(mutex_);
    return MapEngine::Apply(batch);
  }
  Result<bool> CompareAndPut(std::string_view key, std::string_view expected,
                             std::string_view value) override {
    const std::lock_guard lock(mutex_);
    return MapEngine::CompareAndPut(key, expected, value);
  }
  Result<uint64_t> Defragment() override {
    const std::lock_guard lock(mutex_);
    return MapEngine::Defragment();
  }

 private:
  std::mutex mutex_;
};

// A load and a run of it against a map; what was written down.
class CrashClientTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<ScratchFolder> scratch = ScratchFolder::Make(testing::TempDir());
    ASSERT_TRUE(scratch.ok()) << scratch.message();
    scratch_.emplace(std::move(*scratch));
  }

  Status Load(const WorkloadSpec& spec) {
    MapEngine engine(&store_);
    return CrashClient(spec, &engine, nullptr).Run(Phase::kLoad);
  }

  // Operations get the positions 2i and 2i + 1, in their order.
  History RunAndRead(const WorkloadSpec& spec) {
    const auto path = scratch_->path() / "history.jsonl";
    LockedEngine engine(&store_);
    {
      Result<HistoryWriter> writer = HistoryWriter::Create(path);
      CHECK_OK(writer);
      run_status_ = RunCrashClients(spec, &engine, &*writer);
    }
    OpSpans spans;
    // A read-modify-write is two, and threads have shares that differ.
    for (uint64_t id = 1; id <= 4 * spec.operation_count; ++id) spans[id] = {2 * id, 2 * id + 1};
    Result<History> history = ReadHistory(path, spans);
    CHECK_OK(history);
    return *history;
  }

  std::optional<ScratchFolder> scratch_;
  MapStore store_;
  Status run_status_;
};

StoreContents Tokens(const std::map<std::string, std::string>& pairs) {
  StoreContents tokens;
  for (const auto& [key, value] : pairs) {
    const ValueReading reading = ReadValue(KeyHash(key), value, VerifyLevel::kFull);
    EXPECT_EQ(reading.fault, ValueFault::kNone) << key;
    tokens[key] = VersionToken(reading.version);
  }
  return tokens;
}

TEST_F(CrashClientTest, ALoadGivesEachRecordVersionOne) {
  ASSERT_TRUE(Load(Spec({})).ok());
  EXPECT_EQ(store_.pairs.size(), 20u);
  for (const auto& [key, token] : Tokens(store_.pairs)) EXPECT_EQ(token, "v1") << key;
}

TEST_F(CrashClientTest, ALoadThatFailsIsNotOk) {
  store_.answer = [](const std::string&) { return Status::Full("no space"); };
  EXPECT_EQ(Load(Spec({})).code(), StatusCode::kFull);
}

TEST_F(CrashClientTest, TheHistoryIsWhatTheEngineSaw) {
  const WorkloadSpec spec = Spec(kOfEverything);
  ASSERT_TRUE(Load(spec).ok());
  store_.calls.clear();
  StoreContents model = Tokens(store_.pairs);
  const History history = RunAndRead(spec);
  ASSERT_TRUE(run_status_.ok()) << run_status_.message();
  ASSERT_EQ(history.operations.size(), store_.calls.size());
  for (size_t i = 0; i < history.operations.size(); ++i) {
    const HistoryOp& op = history.operations[i];
    const std::string& call = store_.calls[i];
    EXPECT_EQ(op.id, i + 1);
    const auto replaced =
        op.replaces ? model.find(op.writes.at(0).key) : model.end();  // by a compare-and-put
    EXPECT_EQ(op.outcome,
              op.replaces && replaced == model.end() ? Answer::kRefused : Answer::kDone);
    if (op.kind == Kind::kRead) {
      EXPECT_EQ(call, "get " + op.key);
      const auto there = model.find(op.key);
      EXPECT_EQ(op.found, there == model.end() ? std::nullopt : std::optional(there->second));
    } else if (op.writes.empty()) {
      EXPECT_EQ(call, "defragment");
    } else if (op.replaces) {
      EXPECT_EQ(call, "replace " + op.writes.at(0).key);
      if (replaced == model.end()) continue;
      EXPECT_EQ(op.replaces, replaced->second);
    } else if (op.writes.size() > 1) {
      EXPECT_EQ(call, "apply " + std::to_string(op.writes.size()));
    } else {
      const KeyWrite& write = op.writes.at(0);
      EXPECT_EQ(call, (write.value ? "put " : "delete ") + write.key);
    }
    for (const KeyWrite& write : op.writes) {
      if (write.value) {
        model[write.key] = *write.value;
      } else {
        model.erase(write.key);
      }
    }
  }
  EXPECT_EQ(model, Tokens(store_.pairs)) << "the history leads to what the engine holds";
}

TEST_F(CrashClientTest, EveryKindOfOperationIsCarriedOut) {
  const WorkloadSpec spec = Spec(kOfEverything);
  ASSERT_TRUE(Load(spec).ok());
  const History history = RunAndRead(spec);
  uint64_t reads = 0, misses = 0, puts = 0, deletes = 0, batches = 0, replaced = 0,
           defragmented = 0;
  for (const HistoryOp& op : history.operations) {
    reads += op.kind == Kind::kRead && op.found ? 1 : 0;
    misses += op.kind == Kind::kRead && !op.found ? 1 : 0;
    batches += op.writes.size() > 1 ? 1 : 0;
    replaced += op.replaces ? 1 : 0;
    defragmented += op.kind == Kind::kWrite && op.writes.empty() ? 1 : 0;
    if (op.writes.size() != 1) continue;
    puts += op.writes[0].value && !op.replaces ? 1 : 0;
    deletes += op.writes[0].value ? 0 : 1;
  }
  for (const uint64_t count : {reads, misses, puts, deletes, batches, replaced, defragmented})
    EXPECT_GT(count, 5u);
  EXPECT_EQ(store_.pairs.contains(""), false);
}

TEST_F(CrashClientTest, NoTwoWritesOfAKeyHaveOneValue) {
  const WorkloadSpec spec = Spec(kOfEverything);
  ASSERT_TRUE(Load(spec).ok());
  std::set<std::pair<std::string, std::string>> written;
  for (const auto& pair : Tokens(store_.pairs)) written.insert(pair);
  for (const HistoryOp& op : RunAndRead(spec).operations) {
    for (const KeyWrite& write : op.writes) {
      if (!write.value) continue;
      EXPECT_TRUE(written.emplace(write.key, *write.value).second)
          << write.key << " = " << *write.value << ", operation " << op.id;
    }
  }
}

TEST_F(CrashClientTest, TheSameSeedIsTheSameOperations) {
  const auto calls = [&](const std::vector<std::string>& more) {
    std::vector<std::string> settings = kOfEverything;
    settings.insert(settings.end(), more.begin(), more.end());
    const WorkloadSpec spec = Spec(settings);
    store_ = MapStore();
    CHECK_OK(Load(spec));
    RunAndRead(spec);
    return store_.calls;
  };
  EXPECT_EQ(calls({"fencepost.seed=5"}), calls({"fencepost.seed=5"}));
  EXPECT_NE(calls({"fencepost.seed=5"}), calls({"fencepost.seed=6"}));
}

TEST_F(CrashClientTest, WhatTheEngineAnsweredIsWrittenDownAsItsOutcome) {
  const WorkloadSpec spec = Spec({"updateproportion=1", "readproportion=0"});
  ASSERT_TRUE(Load(spec).ok());
  const std::pair<Status, Answer> cases[] = {{Status::Ok(), Answer::kDone},
                                             {Status::NotFound(), Answer::kDone},
                                             {Status::Full("f"), Answer::kRefused},
                                             {Status::InvalidArgument("i"), Answer::kRefused},
                                             {Status::Unsupported("u"), Answer::kRefused},
                                             {Status::IoError("e"), Answer::kUnknown},
                                             {Status::Corrupt("c"), Answer::kUnknown},
                                             {Status::Busy("b"), Answer::kUnknown},
                                             {Status::Internal("n"), Answer::kUnknown}};
  for (const auto& [answer, outcome] : cases) {
    store_.answer = [&answer = answer](const std::string& call) {
      return call == "put" ? answer : Status::Ok();
    };
    const History history = RunAndRead(spec);
    EXPECT_TRUE(run_status_.ok()) << "an operation that fails is part of the history";
    ASSERT_EQ(history.operations.size(), 300u);
    for (const HistoryOp& op : history.operations) {
      ASSERT_EQ(op.outcome, outcome) << answer.message();
    }
  }
}

TEST_F(CrashClientTest, AVersionThatWasRefusedIsNotGivenAgain) {
  const WorkloadSpec spec = Spec({"updateproportion=1", "readproportion=0", "recordcount=1"});
  ASSERT_TRUE(Load(spec).ok());
  bool refuses = false;
  store_.answer = [&](const std::string& call) {
    if (call != "put") return Status::Ok();
    refuses = !refuses;
    return refuses ? Status::Full("no space") : Status::Ok();
  };
  uint32_t version = 1;
  for (const HistoryOp& op : RunAndRead(spec).operations) {
    EXPECT_EQ(op.writes.at(0).value, VersionToken(++version));
  }
}

TEST_F(CrashClientTest, AValueThatIsNotWholeIsReadAsItsFault) {
  const WorkloadSpec spec = Spec({"readproportion=1", "updateproportion=0"});
  ASSERT_TRUE(Load(spec).ok());
  for (auto& [key, value] : store_.pairs) value.back() = static_cast<char>(value.back() + 1);
  for (const HistoryOp& op : RunAndRead(spec).operations) EXPECT_EQ(op.found, "torn");
}

TEST_F(CrashClientTest, ARunGoesOnFromWhatAnotherClientLoaded) {
  const WorkloadSpec spec = Spec({"updateproportion=1", "readproportion=0"});
  ASSERT_TRUE(Load(spec).ok());
  std::map<std::string, uint32_t> last;
  for (const HistoryOp& op : RunAndRead(spec).operations) {
    const KeyWrite& write = op.writes.at(0);
    const uint32_t before = last.contains(write.key) ? last[write.key] : 1;
    EXPECT_EQ(write.value, VersionToken(before + 1)) << write.key;
    last[write.key] = before + 1;
  }
}

// Of several threads: what each asks for.
class CrashClientsTest : public CrashClientTest {
 protected:
  static WorkloadSpec OfThreads(unsigned threads) {
    std::vector<std::string> settings = kOfEverything;
    settings.push_back("threadcount=" + std::to_string(threads));
    return Spec(settings);
  }
  // By thread, in its order: ids ascend.
  std::map<uint32_t, std::vector<HistoryOp>> RunByThread(const WorkloadSpec& spec) {
    std::map<uint64_t, HistoryOp> by_id;
    for (const HistoryOp& op : RunAndRead(spec).operations) {
      EXPECT_TRUE(by_id.emplace(op.id, op).second) << op.id;
    }
    std::map<uint32_t, std::vector<HistoryOp>> by_thread;
    for (const auto& [id, op] : by_id) by_thread[op.thread].push_back(op);
    return by_thread;
  }
};

TEST_F(CrashClientsTest, TheOperationsAreSharedOut) {
  ASSERT_TRUE(Load(OfThreads(3)).ok());
  const auto by_thread = RunByThread(OfThreads(3));
  ASSERT_TRUE(run_status_.ok()) << run_status_.message();
  ASSERT_EQ(by_thread.size(), 3u);
  for (const auto& [thread, operations] : by_thread) {
    ASSERT_GE(operations.size(), 100u) << thread;
    for (size_t i = 0; i < operations.size(); ++i) {
      EXPECT_EQ(operations[i].id, 1 + thread + 3 * i) << "no number of another thread's";
    }
  }
}

TEST_F(CrashClientsTest, NoTwoWritesOfAKeyHaveOneValueWhicheverThreadWrites) {
  ASSERT_TRUE(Load(OfThreads(3)).ok());
  std::set<std::pair<std::string, std::string>> written;
  std::map<std::string, std::set<uint32_t>> writers;
  for (const auto& pair : Tokens(store_.pairs)) written.insert(pair);
  for (const auto& [thread, operations] : RunByThread(OfThreads(3))) {
    for (const HistoryOp& op : operations) {
      for (const KeyWrite& write : op.writes) {
        if (!write.value) continue;
        writers[write.key].insert(thread);
        EXPECT_TRUE(written.emplace(write.key, *write.value).second)
            << write.key << " = " << *write.value << ", operation " << op.id;
      }
    }
  }
  EXPECT_TRUE(std::any_of(writers.begin(), writers.end(), [](const auto& key) {
    return key.second.size() == 3;
  })) << "keys are shared, or this says nothing";
}

TEST_F(CrashClientsTest, WhatAThreadAsksForDoesNotDependOnTheOthers) {
  const auto asked = [&] {
    store_ = MapStore();
    CHECK_OK(Load(OfThreads(3)));
    std::vector<std::string> all;
    for (const auto& [thread, operations] : RunByThread(OfThreads(3))) {
      for (const HistoryOp& op : operations) {
        all.push_back(fmt::format("{} get {}", op.id, op.key));
        for (const KeyWrite& write : op.writes) {
          all.back() += fmt::format(" put {} {}", write.key, write.value.value_or("-"));
        }
      }
    }
    return all;
  };
  EXPECT_EQ(asked(), asked());
}

TEST_F(CrashClientsTest, AThreadThatCannotGoOnFailsTheRun) {
  const WorkloadSpec spec = OfThreads(2);
  ASSERT_TRUE(Load(spec).ok());
  Result<HistoryWriter> writer = HistoryWriter::Create("/dev/full");
  ASSERT_TRUE(writer.ok()) << writer.message();
  LockedEngine engine(&store_);
  EXPECT_FALSE(RunCrashClients(spec, &engine, &*writer).ok());
}

TEST(CheckCrashWorkload, RefusesWhatItCannotTake) {
  const auto refused = [](const std::vector<std::string>& settings) {
    const Status status = CheckCrashWorkload(Spec(settings));
    return std::string(status.ok() ? "" : status.message());
  };
  EXPECT_EQ(refused({}), "");
  EXPECT_EQ(refused(kOfEverything), "");
  EXPECT_EQ(refused({"fieldlength=16"}), "");
  EXPECT_THAT(refused({"fieldlength=15"}), HasSubstr("16 bytes"));
  EXPECT_EQ(refused({"fieldlength=8", "fieldcount=2"}), "");
  EXPECT_THAT(refused({"fieldlengthdistribution=uniform", "minfieldlength=1"}),
              HasSubstr("minfieldlength"));
  EXPECT_EQ(refused({"threadcount=64"}), "");
  EXPECT_THAT(refused({"threadcount=65"}), HasSubstr("at most 64 threads"));
  EXPECT_THAT(refused({"fencepost.trace=live"}), HasSubstr("fencepost.trace=built"));
  EXPECT_THAT(refused({"scanproportion=0.1"}), HasSubstr("scanproportion=0"));
  EXPECT_THAT(refused({"operationcount=0", "maxexecutiontime=1"}), HasSubstr("operationcount"));
  WorkloadSpec histogram = Spec({});
  histogram.field_length_distribution = LengthDistribution::kHistogram;
  EXPECT_THAT(std::string(CheckCrashWorkload(histogram).message()), HasSubstr("histogram"));
}

}  // namespace
}  // namespace fencepost
