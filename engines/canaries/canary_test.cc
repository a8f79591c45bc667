// SPDX-License-Identifier: BSD-3-Clause
// What can be said of the canaries without crashing them: each structure keeps the contract of
// engine.h, each planted bug works as long as nothing crashes, no garbage harms recovery, and every
// known bug has its planting. Garbage and known bugs of those on files are in canary_file_test.cc.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "engines/canaries/canary_table.h"
#include "engines/conformance.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

const EngineRow& RowOf(std::string_view structure) {
  for (const EngineRow& row : CanaryEngines()) {
    if (row.name == structure) return row;
  }
  internal::CheckFailed(__FILE__, __LINE__, "there is such a canary", structure);
}

bool OnFiles(const EngineRow& row) { return !row.capabilities.path_is_file; }

std::string TestName(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

// A structure with one bug, or with none.
struct Canary {
  const EngineRow* row = nullptr;
  std::string bug = "none";
};

void PrintTo(const Canary& canary, std::ostream* out) {
  *out << canary.row->name << ".bug=" << canary.bug;
}

std::vector<Canary> Correct() {
  std::vector<Canary> canaries;
  for (const EngineRow& row : CanaryEngines()) canaries.push_back({&row});
  return canaries;
}

std::vector<Canary> CorrectPools() {
  std::vector<Canary> canaries = Correct();
  std::erase_if(canaries, [](const Canary& canary) { return OnFiles(*canary.row); });
  return canaries;
}

std::vector<Canary> All() {
  std::vector<Canary> canaries = Correct();
  for (const Planting& planting : Plantings()) {
    canaries.push_back({&RowOf(planting.structure), std::string(planting.bug)});
  }
  return canaries;
}

std::string CanaryName(const testing::TestParamInfo<Canary>& info) {
  return TestName(fmt::format("{}_{}", info.param.row->name, info.param.bug));
}

class CanaryTest : public testing::TestWithParam<Canary> {
 protected:
  // Nothing here depends on a sync, so those on files need no slow medium either.
  CanaryTest() : scratch_(MediumFor(RowOf("canary-log"))) {}

  EngineOptions Options() const {
    EngineOptions options;
    options.path = store();
    options.tuning = Tuning(std::string(GetParam().row->name), {{"bug", GetParam().bug}});
    return options;
  }
  const Capabilities& can() const { return GetParam().row->capabilities; }
  fs::path store() const { return scratch_.path() / "store"; }
  Result<std::unique_ptr<Engine>> TryOpen() const { return OpenEngine(*GetParam().row, Options()); }
  std::unique_ptr<Engine> Open() const {
    auto engine = TryOpen();
    CHECK_OK(engine);
    return std::move(engine).value();
  }
  void ExpectNoLeak(Engine* engine) const {
    if (!can().audit) {
      EXPECT_EQ(engine->Audit().status().code(), StatusCode::kUnsupported);
      return;
    }
    const auto report = engine->Audit();
    ASSERT_TRUE(report.ok()) << report.message();
    EXPECT_EQ(report->allocated_objects, report->reachable_objects);
    EXPECT_EQ(report->allocated_bytes, report->reachable_bytes);
  }

 private:
  ScratchDirectory scratch_;
};

// Every bug, too: it shows in a crash or nowhere.
class EveryCanary : public CanaryTest {};
INSTANTIATE_TEST_SUITE_P(All, EveryCanary, testing::ValuesIn(All()), CanaryName);

TEST_P(EveryCanary, WorksUnlessItCrashes) {
  constexpr int kRounds = 8;
  constexpr int kStepsPerRound = 250;
  Model model;
  std::mt19937_64 random(1);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    auto engine = Open();
    ExpectHolds(engine.get(), can(), model);
    // Growing, shrinking, growing again: splits and rehashes, then reuse of what was freed.
    const uint64_t deletes_in_8 = round % 4 == 2 ? 5 : 2;
    for (int step = 0; step < kStepsPerRound; ++step) {
      const std::string key = fmt::format("user{}", 1000000007 * (random() % 400));
      if (random() % 8 < deletes_in_8) {
        const Status status = engine->Delete(key);
        ASSERT_EQ(status.code(), model.erase(key) == 1 ? StatusCode::kOk : StatusCode::kNotFound)
            << status.message();
      } else {
        std::string value = TestBytes(random(), 16 + random() % 385);
        const Status status = engine->Put(key, value);
        ASSERT_TRUE(status.ok()) << step << ": " << status.message();
        model[key] = std::move(value);
      }
    }
    ExpectHolds(engine.get(), can(), model);
    ExpectNoLeak(engine.get());
    EXPECT_TRUE(engine->Close().ok());
  }
  EXPECT_GT(model.size(), 100u);
}

// Keys like the workload's: user and 19 digits.
TEST_P(EveryCanary, TakesThreeHundredPairsAndRefusesWhatDoesNotFit) {
  Model model;
  auto engine = Open();
  Status status;
  for (uint64_t i = 0; status.ok() && i < 20'000; ++i) {
    const std::string key = fmt::format("user{:019}", i * 376'633);
    const std::string value = TestBytes(i, i % 10 == 0 ? 464 : 400);
    status = engine->Put(key, value);
    if (status.ok()) model[key] = value;
  }
  EXPECT_EQ(status.code(), StatusCode::kFull) << status.message();
  EXPECT_GE(model.size(), 300u);
  ExpectHolds(engine.get(), can(), model);
  ASSERT_TRUE(engine->Delete(model.begin()->first).ok());
  model.erase(model.begin());
  ExpectHolds(engine.get(), can(), model);
  engine.reset();
  ExpectHolds(Open().get(), can(), model);
}

class CorrectCanary : public CanaryTest {};
INSTANTIATE_TEST_SUITE_P(All, CorrectCanary, testing::ValuesIn(Correct()), CanaryName);

TEST_P(CorrectCanary, BinaryKeysAndValuesOfAllLengths) {
  auto engine = Open();
  Model model;
  for (const size_t key_bytes : {1u, 2u, 8u, 23u, 31u, 32u}) {
    for (const size_t value_bytes : {0u, 1u, 15u, 16u, 63u, 64u, 65u, 463u, 464u}) {
      const std::string key = TestBytes(value_bytes * 100 + key_bytes, key_bytes);
      model[key] = TestBytes(key_bytes, value_bytes);
      ASSERT_TRUE(engine->Put(key, model[key]).ok());
    }
  }
  ExpectHolds(engine.get(), can(), model);
  engine.reset();
  ExpectHolds(Open().get(), can(), model);
}

TEST_P(CorrectCanary, LengthsOutsideTheRowAreInvalid) {
  auto engine = Open();
  const std::string long_key(can().max_key_bytes + 1, 'k');
  const std::string long_value(can().max_value_bytes + 1, 'v');
  for (const std::string& key : {std::string(), long_key}) {
    EXPECT_EQ(engine->Put(key, "v").code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(engine->Get(key, [](auto) {}).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(engine->Delete(key).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(engine->Put("key", long_value).code(), StatusCode::kInvalidArgument);
  ExpectHolds(engine.get(), can(), {});
}

TEST_P(CorrectCanary, WhatTheRowDoesNotSayIsUnsupported) {
  auto engine = Open();
  const auto visit = [](auto, auto) { return true; };
  EXPECT_EQ(engine->Scan("", 1, visit).code(), StatusCode::kUnsupported);
  EXPECT_EQ(engine->Apply({}).code(), StatusCode::kUnsupported);
  EXPECT_TRUE(engine->Sync().ok());
}

TEST_P(CorrectCanary, DestructionWithoutCloseKeepsEverythingAndCloseTwiceIsOk) {
  CHECK_OK(Open()->Put("key", "value"));
  auto engine = Open();
  ExpectHolds(engine.get(), can(), {{"key", "value"}});
  EXPECT_TRUE(engine->Close().ok());
  EXPECT_TRUE(engine->Close().ok());
}

TEST_P(CorrectCanary, ForEachStopsWhenTheVisitorSaysSo) {
  auto engine = Open();
  for (uint64_t i = 0; i < 50; ++i) CHECK_OK(engine->Put(TestKey(i), "v"));
  int visits = 0;
  EXPECT_TRUE(engine->ForEach([&](auto, auto) { return ++visits < 7; }).ok());
  EXPECT_EQ(visits, 7);
}

TEST_P(CorrectCanary, DurableWritesAreCounted) {
  auto engine = Open();
  const auto before = engine->Stats().value();
  for (uint64_t i = 0; i < 10; ++i) CHECK_OK(engine->Put(TestKey(i), TestBytes(i, 100)));
  const auto after = engine->Stats().value();
  if (OnFiles(*GetParam().row)) {
    EXPECT_GE(after.syncs - before.syncs, 10u);
  } else {
    EXPECT_GE(after.fences - before.fences, 10u);
    EXPECT_GE(after.flushed_lines - before.flushed_lines, 20u);
  }
  EXPECT_GE(after.storage_bytes, 10u * 100);
  EXPECT_EQ(engine->medium(), MediumOf(store()).value());
}

TEST_P(CorrectCanary, ThreadsDoNotDisturbEachOther) {
  constexpr uint64_t kThreads = 3, kKeys = 40;
  auto engine = Open();
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 3 * kKeys; ++i) {
        CHECK_OK(engine->Put(TestKey(t * kKeys + i % kKeys), TestBytes(i, 64)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Model model;
  for (uint64_t k = 0; k < kThreads * kKeys; ++k) {
    model[TestKey(k)] = TestBytes(2 * kKeys + k % kKeys, 64);
  }
  ExpectHolds(engine.get(), can(), model);
}

TEST_P(CorrectCanary, AbsentPoolIsNotFoundUnlessItMayBeCreated) {
  EngineOptions options = Options();
  options.create_if_missing = false;
  EXPECT_EQ(OpenEngine(*GetParam().row, options).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(fs::exists(store()));
}

TEST_P(CorrectCanary, APoolThatWasNotFinishedIsMadeAnew) {
  if (OnFiles(*GetParam().row)) GTEST_SKIP() << "keeps its store in a directory";
  fs::path creating = store();
  creating += ".creating";
  std::ofstream(creating, std::ios::binary) << TestBytes(1, 100'000);
  auto engine = Open();
  ExpectHolds(engine.get(), can(), {});
  EXPECT_FALSE(fs::exists(creating));
}

TEST_P(CorrectCanary, UnknownBugIsInvalidAndLeavesNothing) {
  EngineOptions options = Options();
  options.tuning = Tuning(std::string(GetParam().row->name), {{"bug", "no-such-bug"}});
  const auto engine = OpenEngine(*GetParam().row, options);
  EXPECT_EQ(engine.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(engine.message()), testing::HasSubstr("no-such-bug"));
  EXPECT_THAT(std::string(engine.message()), testing::HasSubstr("none|"));
  EXPECT_FALSE(fs::exists(store()));
}

// Garbage: recovery ends, and either refuses or leaves a store that can be used.
class CanaryGarbage : public CanaryTest {
 protected:
  // Of a pool with some pairs.
  std::string SomePool() {
    {
      auto engine = Open();
      for (uint64_t i = 0; i < 200; ++i) {
        CHECK_OK(engine->Put(TestKey(i % 120), TestBytes(i, i % 400)));
      }
      CHECK_OK(engine->Close());
    }
    std::ifstream file(store(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(std::string_view bytes) const { std::ofstream(store(), std::ios::binary) << bytes; }
  void ExpectCorrupt(std::string_view bytes) const {
    Write(bytes);
    const auto engine = TryOpen();
    EXPECT_EQ(engine.status().code(), StatusCode::kCorrupt) << engine.message();
  }
  // Whether it was accepted.
  bool UseIt(std::string_view bytes) const {
    Write(bytes);
    auto engine = TryOpen();
    if (!engine.ok()) {
      EXPECT_EQ(engine.status().code(), StatusCode::kCorrupt) << engine.message();
      return false;
    }
    uint64_t visits = 0;
    CHECK_OK((*engine)->ForEach([&](auto, auto) { return ++visits < 100'000; }));
    EXPECT_LT(visits, 100'000u);
    for (uint64_t i = 0; i < 200; ++i) {
      const Status status = (*engine)->Put(TestKey(i), TestBytes(i, i % 400));
      EXPECT_TRUE(status.ok() || status.code() == StatusCode::kFull) << status.message();
      (void)(*engine)->Delete(TestKey(i / 2));
    }
    return true;
  }
};
INSTANTIATE_TEST_SUITE_P(All, CanaryGarbage, testing::ValuesIn(CorrectPools()), CanaryName);

TEST_P(CanaryGarbage, WhatIsNoPoolIsCorrupt) {
  const std::string pool = SomePool();
  ExpectCorrupt("");
  ExpectCorrupt(std::string(pool.size(), '\0'));
  ExpectCorrupt(pool.substr(0, pool.size() / 2));
  ExpectCorrupt(pool.substr(0, 1));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    ExpectCorrupt(TestBytes(seed, pool.size()));
    ExpectCorrupt(TestBytes(seed, 1 + seed * 4096));
  }
  Write(pool);
  EXPECT_TRUE(TryOpen().ok());
}

// Of the raw canaries only: what libpmemobj makes of a damaged heap is not theirs.
TEST_P(CanaryGarbage, DamagedPoolsEndRecoveryInOneWayOrTheOther) {
  const std::string pool = SomePool();
  if (pool.size() > size_t{4} << 20) GTEST_SKIP() << "on libpmemobj";
  constexpr size_t kHeaderBytes = 64;
  int refused = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::string damaged = pool;
    const size_t metadata_bytes = std::min<size_t>(pool.size(), size_t{48} << 10);
    const size_t count = seed % 4 == 3 ? 2000 : 1 + seed % 40;
    for (size_t i = 0; i < count; ++i) {
      // Whole words: small numbers, words of other places, random ones. Mostly in the index.
      const size_t range = random() % 8 == 0 ? damaged.size() : metadata_bytes;
      const size_t at = kHeaderBytes + random() % (range - kHeaderBytes - 8) / 8 * 8;
      const size_t from = random() % (range - 8) / 8 * 8;
      const uint64_t random_word = random();
      const uint64_t small = random() % 600;
      switch (random() % 3) {
        case 0:
          std::copy_n(damaged.begin() + static_cast<std::ptrdiff_t>(from), 8,
                      damaged.begin() + static_cast<std::ptrdiff_t>(at));
          break;
        case 1:
          std::copy_n(reinterpret_cast<const char*>(&small), 8, &damaged[at]);
          break;
        default:
          std::copy_n(reinterpret_cast<const char*>(&random_word), 8, &damaged[at]);
      }
    }
    refused += UseIt(damaged) ? 0 : 1;
  }
  EXPECT_GT(refused, 100);
}

// Without a crash a bug shows in what is flushed and fenced, where it is in that.
class CanaryCosts : public testing::Test {
 protected:
  // Lines and fences of puts of new keys whose entries take several lines, after a first one.
  static EngineStats CostOf(std::string_view structure, const std::string& bug) {
    const EngineRow& row = RowOf(structure);
    const ScratchDirectory scratch(MediumFor(row));
    EngineOptions options;
    options.path = scratch.path() / "store";
    options.tuning = Tuning(std::string(structure), {{"bug", bug}});
    auto engine = OpenEngine(row, options);
    CHECK_OK(engine);
    CHECK_OK((*engine)->Put("first", "value"));
    const EngineStats before = (*engine)->Stats().value();
    for (uint64_t i = 0; i < kPuts; ++i) CHECK_OK((*engine)->Put(TestKey(i), TestBytes(i, 200)));
    EngineStats cost = (*engine)->Stats().value();
    cost.flushed_lines -= before.flushed_lines;
    cost.fences -= before.fences;
    return cost;
  }
  static constexpr uint64_t kPuts = 4;
};

TEST_F(CanaryCosts, BugsOfClassPCostMore) {
  const EngineStats correct = CostOf("canary-log", "none");
  for (const char* bug : {"double-flush", "flush-of-clean-line"}) {
    EXPECT_EQ(CostOf("canary-log", bug).flushed_lines, correct.flushed_lines + kPuts) << bug;
    EXPECT_EQ(CostOf("canary-log", bug).fences, correct.fences) << bug;
  }
  EXPECT_EQ(CostOf("canary-log", "fence-without-flush").flushed_lines, correct.flushed_lines);
  EXPECT_EQ(CostOf("canary-log", "fence-without-flush").fences, correct.fences + kPuts);
  // libpmemobj flushes the log's entry.
  EXPECT_GT(CostOf("canary-tx", "log-of-unchanged-range").flushed_lines,
            CostOf("canary-tx", "none").flushed_lines);
}

TEST_F(CanaryCosts, MissingFlushesAndFencesAreMissing) {
  const EngineStats correct = CostOf("canary-log", "none");
  EXPECT_EQ(correct.fences, 2 * kPuts);
  const uint64_t entry_lines = (16 + TestKey(0).size() + 200 + 63) / 64;
  EXPECT_EQ(correct.flushed_lines, (entry_lines + 1) * kPuts);
  EXPECT_EQ(CostOf("canary-log", "missing-flush").flushed_lines, kPuts);
  EXPECT_EQ(CostOf("canary-log", "short-flush").flushed_lines, entry_lines * kPuts);
  EXPECT_EQ(CostOf("canary-log", "missing-barrier").fences, kPuts);
  EXPECT_EQ(CostOf("canary-log", "missing-fence").fences, 0u);
  EXPECT_LT(CostOf("canary-level", "token-with-slot").fences,
            CostOf("canary-level", "none").fences);
}

TEST(CanaryTable, RowsAreCompleteAndTheirOptionListsThePlantings) {
  std::set<std::string_view> names;
  for (const EngineRow& row : CanaryEngines()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.name.starts_with("canary-")) << row.name;
    EXPECT_FALSE(row.version().empty());
    ASSERT_EQ(row.options.size(), 1u) << row.name;
    EXPECT_EQ(row.options[0].name, "bug");
    EXPECT_EQ(row.options[0].default_value, "none");
    std::string choices = "none";
    for (const Planting& planting : Plantings()) {
      if (planting.structure == row.name) choices += fmt::format("|{}", planting.bug);
    }
    EXPECT_EQ(row.options[0].type, choices);
    EXPECT_EQ(FindEngine(row.name).status().code(), StatusCode::kInvalidArgument)
        << row.name << " would be benchmarked";
  }
  for (const Planting& planting : Plantings()) {
    EXPECT_TRUE(names.contains(planting.structure)) << planting.structure;
    EXPECT_FALSE(planting.what.empty()) << planting.bug;
    EXPECT_EQ(planting.bug_class == '-', planting.bug.starts_with("control-")) << planting.bug;
    EXPECT_NE(std::string_view("DOASLCPR-").find(planting.bug_class), std::string_view::npos);
  }
}

TEST(CanaryTable, EveryKnownBugIsPlanted) {
  std::multiset<std::string_view> planted;
  for (const Planting& planting : Plantings()) planted.insert(planting.row);
  for (const std::string_view known : {"flag-first",
                                       "token-first",
                                       "same-line prefix",
                                       "split without log",
                                       "insert without undo",
                                       "count not logged",
                                       "logged too late",
                                       "no recovery call",
                                       "inverted recovery",
                                       "resize order",
                                       "local depth",
                                       "lock in memory",
                                       "two-token move",
                                       "wrong flush range",
                                       "root split orphan",
                                       "missing fence",
                                       "drain-less log",
                                       "leak on crash",
                                       "read of unpersisted",
                                       "other thread's fence",
                                       "double flush",
                                       "flush of clean line",
                                       "fence without flush",
                                       "overwrite before persist",
                                       "log of unchanged range",
                                       "a store that is never read by recovery",
                                       "a checksum-protected torn write",
                                       "a deliberately volatile cache in the pool"}) {
    EXPECT_GE(planted.count(known), 1u) << known;
  }
}

}  // namespace
}  // namespace fencepost
