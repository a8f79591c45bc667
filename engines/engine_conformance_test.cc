// SPDX-License-Identifier: BSD-3-Clause
// The contract of engine.h, for every engine of the table in every durability that it has.
// Threads, crashes, full media and bad paths are in the files beside this one.
#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "engines/conformance.h"

namespace fencepost {
namespace {

class EngineContract : public ConformanceTest {};
INSTANTIATE_TEST_SUITE_P(All, EngineContract, testing::ValuesIn(AllCases()), CaseName);

TEST_P(EngineContract, BinaryKeysAndValuesOfManyLengths) {
  auto engine = Open();
  Model model;
  for (size_t value_bytes : {0u, 1u, 15u, 16u, 63u, 64u, 65u, 1000u, 4095u, 4096u, 5000u, 70000u}) {
    for (size_t key_bytes : {1u, 2u, 8u, 16u, 23u, 100u, 511u, 3000u}) {
      if (key_bytes < can().min_key_bytes || key_bytes > can().max_key_bytes) continue;
      if (value_bytes > 5000 && key_bytes != 16) continue;
      std::string key = TestBytes(value_bytes * 10000 + key_bytes, key_bytes);
      std::string value = TestBytes(key_bytes, value_bytes);
      const Status status = engine->Put(key, value);
      ASSERT_TRUE(status.ok()) << status.message();
      model[std::move(key)] = std::move(value);
    }
  }
  ExpectHolds(engine.get(), can(), model);
}

TEST_P(EngineContract, EmptyKeyIsStoredOrRefused) {
  auto engine = Open();
  const Status status = engine->Put("", "value");
  if (can().min_key_bytes > 0) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(engine->Get("", [](auto) {}).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(engine->Delete("").code(), StatusCode::kInvalidArgument);
    ExpectHolds(engine.get(), can(), {});
    return;
  }
  ASSERT_TRUE(status.ok()) << status.message();
  ExpectHolds(engine.get(), can(), {{"", "value"}});
  EXPECT_TRUE(engine->Delete(std::string_view()).ok());
  ExpectHolds(engine.get(), can(), {});
}

TEST_P(EngineContract, LongestKeyIsStoredAndALongerOneRefused) {
  constexpr uint64_t kTriedBytes = uint64_t{1} << 20;
  auto engine = Open();
  const std::string longest(std::min(can().max_key_bytes, kTriedBytes), 'k');
  Status status = engine->Put(longest, "value");
  ASSERT_TRUE(status.ok()) << status.message();
  ExpectHolds(engine.get(), can(), {{longest, "value"}});
  if (can().max_key_bytes > kTriedBytes) return;
  const std::string longer = longest + "k";
  EXPECT_EQ(engine->Put(longer, "value").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->Get(longer, [](auto) {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->Delete(longer).code(), StatusCode::kInvalidArgument);
  ExpectHolds(engine.get(), can(), {{longest, "value"}});
}

TEST_P(EngineContract, KeysThatBeginAlikeAreDistinct) {
  auto engine = Open();
  const std::string zero(1, '\0');
  const Model model = {{"a", "1"},
                       {"a" + zero, "2"},
                       {"a" + zero + zero, "3"},
                       {"aa", "4"},
                       {"a" + zero + "b", "5"},
                       {"\xff", "6"},
                       {"\xff\xff", "7"},
                       {"\x7f", "8"},
                       {"\x80", "9"},
                       {std::string(40, 'x'), "10"},
                       {std::string(41, 'x'), "11"}};
  for (const auto& [key, value] : model) CHECK_OK(engine->Put(key, value));
  ExpectHolds(engine.get(), can(), model);
}

TEST_P(EngineContract, LargeValuesSurviveReopening) {
  hint_ = {.pairs = 8, .key_bytes = 16, .value_bytes = uint64_t{16} << 20};
  Model model;
  {
    auto engine = Open();
    for (const size_t value_bytes : {size_t{1} << 20, size_t{16} << 20, (size_t{1} << 20) + 1}) {
      if (value_bytes > can().max_value_bytes) continue;
      std::string value = TestBytes(value_bytes, value_bytes);
      const Status status = engine->Put(TestKey(value_bytes), value);
      ASSERT_TRUE(status.ok()) << status.message();
      model[TestKey(value_bytes)] = std::move(value);
    }
    ExpectHolds(engine.get(), can(), model);
    CHECK_OK(engine->Close());
  }
  ExpectHolds(Open().get(), can(), model);
}

TEST_P(EngineContract, OverwriteByShorterAndLongerValues) {
  auto engine = Open();
  Model model;
  uint64_t tag = 0;
  for (size_t value_bytes : {100u, 10u, 0u, 5000u, 1u, 4096u, 64u, 20000u, 63u, 100u}) {
    for (const char* key : {"left", "middle", "right"}) {
      model[key] = TestBytes(++tag, value_bytes);
      const Status status = engine->Put(key, model[key]);
      ASSERT_TRUE(status.ok()) << status.message();
    }
    ExpectHolds(engine.get(), can(), model);
  }
}

TEST_P(EngineContract, DeletedKeyIsGoneAndComesBack) {
  auto engine = Open();
  CHECK_OK(engine->Put("other", "stays"));
  for (int i = 0; i < 10; ++i) {
    const std::string value = TestBytes(static_cast<uint64_t>(i), static_cast<size_t>(i) * 700);
    CHECK_OK(engine->Put("key", value));
    ExpectHolds(engine.get(), can(), {{"key", value}, {"other", "stays"}});
    EXPECT_TRUE(engine->Delete("key").ok());
    ExpectHolds(engine.get(), can(), {{"other", "stays"}});
    EXPECT_EQ(Lookup(engine.get(), "key"), std::nullopt);
    EXPECT_TRUE(engine->Delete("key").IsNotFound());
  }
}

TEST_P(EngineContract, AbsentKeyIsNotFoundAndNotVisited) {
  auto engine = Open();
  EXPECT_EQ(Lookup(engine.get(), "absent"), std::nullopt);
  EXPECT_TRUE(engine->Delete("absent").IsNotFound());
  CHECK_OK(engine->Put("present", "v"));
  EXPECT_EQ(Lookup(engine.get(), "absent"), std::nullopt);
  EXPECT_EQ(Lookup(engine.get(), "presen"), std::nullopt);
  EXPECT_EQ(Lookup(engine.get(), "present1"), std::nullopt);
  EXPECT_TRUE(engine->Delete("absent").IsNotFound());
  ExpectHolds(engine.get(), can(), {{"present", "v"}});
}

TEST_P(EngineContract, ReopeningKeepsEverything) {
  Model model;
  std::mt19937_64 random(1);
  for (int round = 0; round < 4; ++round) {
    auto engine = Open();
    ExpectHolds(engine.get(), can(), model);
    for (int i = 0; i < 200; ++i) {
      const std::string key = TestKey(random() % 150);
      if (random() % 4 == 0) {
        const Status status = engine->Delete(key);
        ASSERT_EQ(status.ok(), model.erase(key) == 1) << status.message();
      } else {
        model[key] = TestBytes(random(), random() % 2000);
        CHECK_OK(engine->Put(key, model[key]));
      }
    }
    ExpectHolds(engine.get(), can(), model);
    EXPECT_TRUE(engine->Close().ok());
  }
}

TEST_P(EngineContract, CloseTwiceIsOk) {
  auto engine = Open();
  CHECK_OK(engine->Put("key", "value"));
  EXPECT_TRUE(engine->Close().ok());
  EXPECT_TRUE(engine->Close().ok());
}

TEST_P(EngineContract, DestructionWithoutCloseKeepsEverything) {
  CHECK_OK(Open()->Put("key", "value"));
  ExpectHolds(Open().get(), can(), {{"key", "value"}});
}

TEST_P(EngineContract, ForEachStopsWhenTheVisitorSaysSo) {
  auto engine = Open();
  for (uint64_t i = 0; i < 50; ++i) CHECK_OK(engine->Put(TestKey(i), "v"));
  int visits = 0;
  EXPECT_TRUE(engine->ForEach([&](auto, auto) { return ++visits < 7; }).ok());
  EXPECT_EQ(visits, 7);
}

TEST_P(EngineContract, ScanIsOrderedLimitedAndStartsWhereTold) {
  auto engine = Open();
  if (!can().ordered) {
    const Status status = engine->Scan("", 1, [](auto, auto) { return true; });
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    return;
  }
  Model model;
  std::mt19937_64 random(2);
  for (int i = 0; i < 300; ++i) {
    const std::string key = TestBytes(random(), 1 + random() % 20);
    model[key] = TestBytes(random(), random() % 300);
    CHECK_OK(engine->Put(key, model[key]));
  }
  std::vector<std::string> starts = {"", std::string(1, '\0'), "\x80", "\xff\xff\xff\xff", "m"};
  for (int i = 0; i < 20; ++i) starts.push_back(TestBytes(random(), random() % 5));
  starts.push_back(std::next(model.begin(), 100)->first);
  starts.push_back(std::next(model.begin(), 100)->first + std::string(1, '\0'));
  for (const std::string& start : starts) {
    for (const size_t limit : {size_t{0}, size_t{1}, size_t{10}, size_t{100000}}) {
      std::vector<std::pair<std::string, std::string>> seen, expected;
      auto it = model.lower_bound(start);
      for (; it != model.end() && expected.size() < limit; ++it) expected.push_back(*it);
      const Status status = engine->Scan(start, limit, [&](auto key, auto value) {
        seen.emplace_back(key, value);
        return true;
      });
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_TRUE(seen == expected) << seen.size() << " of " << expected.size();
    }
  }
  int visits = 0;
  CHECK_OK(engine->Scan("", 100, [&](auto, auto) { return ++visits < 3; }));
  EXPECT_EQ(visits, 3);
}

TEST_P(EngineContract, ApplyDoesAllInOrder) {
  auto engine = Open();
  CHECK_OK(engine->Put("old", "1"));
  const Write batch[] = {{Write::Kind::kPut, "a", "1"},        {Write::Kind::kPut, "a", "2"},
                         {Write::Kind::kDelete, "absent", {}}, {Write::Kind::kDelete, "old", {}},
                         {Write::Kind::kPut, "b", "1"},        {Write::Kind::kDelete, "b", {}},
                         {Write::Kind::kDelete, "c", {}},      {Write::Kind::kPut, "c", ""}};
  const Status status = engine->Apply(batch);
  if (!can().atomic_batch) {
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    ExpectHolds(engine.get(), can(), {{"old", "1"}});
    return;
  }
  ASSERT_TRUE(status.ok()) << status.message();
  const Model expected = {{"a", "2"}, {"c", ""}};
  ExpectHolds(engine.get(), can(), expected);
  EXPECT_TRUE(engine->Apply({}).ok());
  CHECK_OK(engine->Close());
  ExpectHolds(Open().get(), can(), expected);
}

TEST_P(EngineContract, ABatchWithABadKeyChangesNothing) {
  auto engine = Open();
  if (!can().atomic_batch) GTEST_SKIP() << "no batches";
  if (can().min_key_bytes == 0) GTEST_SKIP() << "takes the empty key";
  const Write batch[] = {{Write::Kind::kPut, "a", "1"}, {Write::Kind::kPut, "", "1"}};
  EXPECT_EQ(engine->Apply(batch).code(), StatusCode::kInvalidArgument);
  ExpectHolds(engine.get(), can(), {});
}

TEST_P(EngineContract, ALargeBatchIsOneChange) {
  auto engine = Open();
  if (!can().atomic_batch) GTEST_SKIP() << "no batches";
  Model model;
  for (uint64_t i = 0; i < 1000; ++i) model[TestKey(i)] = TestBytes(i, i % 500);
  std::vector<Write> batch;
  for (const auto& [key, value] : model) batch.push_back({Write::Kind::kPut, key, value});
  const Status status = engine->Apply(batch);
  ASSERT_TRUE(status.ok()) << status.message();
  ExpectHolds(engine.get(), can(), model);
}

TEST_P(EngineContract, SyncAndSettleAreOk) {
  auto engine = Open();
  Model model;
  for (uint64_t i = 0; i < 100; ++i) {
    model[TestKey(i)] = TestBytes(i, 500);
    CHECK_OK(engine->Put(TestKey(i), model[TestKey(i)]));
  }
  EXPECT_TRUE(engine->Sync().ok());
  EXPECT_TRUE(engine->Settle().ok());
  ExpectHolds(engine.get(), can(), model);
}

TEST_P(EngineContract, StatsGrowWithTheData) {
  auto engine = Open();
  for (uint64_t i = 0; i < 200; ++i) CHECK_OK(engine->Put(TestKey(i), TestBytes(i, 1000)));
  CHECK_OK(engine->Sync());
  CHECK_OK(engine->Settle());
  const Result<EngineStats> stats = engine->Stats();
  ASSERT_TRUE(stats.ok()) << stats.message();
  EXPECT_GT(stats->storage_bytes, 200'000u);
  EXPECT_GT(stats->count, 100u);
  EXPECT_LT(stats->count, 400u);
}

// All that the run owes to the medium must be seen in some counter.
TEST_P(EngineContract, DurableWritesAreCounted) {
  if (GetParam().durability != Durability::kPowerFail) GTEST_SKIP() << "promises less";
  if (!can().counts_persists) GTEST_SKIP() << "does not count";
  auto engine = Open();
  const auto work = [&] {
    const EngineStats stats = engine->Stats().value();
    return stats.syncs + stats.fences;
  };
  const uint64_t before = work();
  for (uint64_t i = 0; i < 10; ++i) CHECK_OK(engine->Put(TestKey(i), "v"));
  EXPECT_GE(work() - before, 10u);
}

TEST_P(EngineContract, AuditFindsNoLeakAfterChurn) {
  if (!can().audit) {
    EXPECT_EQ(Open()->Audit().status().code(), StatusCode::kUnsupported);
    return;
  }
  Model model;
  std::mt19937_64 random(3);
  for (int round = 0; round < 2; ++round) {
    auto engine = Open();
    for (int i = 0; i < 400; ++i) {
      const std::string key = TestKey(random() % 100);
      if (random() % 3 == 0) {
        model.erase(key);
        const Status status = engine->Delete(key);
        ASSERT_TRUE(status.ok() || status.IsNotFound()) << status.message();
      } else {
        model[key] = TestBytes(random(), random() % (i % 10 == 0 ? 9000 : 300));
        CHECK_OK(engine->Put(key, model[key]));
      }
    }
    ExpectHolds(engine.get(), can(), model);
    const Result<AuditReport> report = engine->Audit();
    ASSERT_TRUE(report.ok()) << report.message();
    EXPECT_GT(report->reachable_bytes, 0u);
    EXPECT_EQ(report->allocated_bytes, report->reachable_bytes);
    EXPECT_EQ(report->allocated_objects, report->reachable_objects);
  }
}

TEST_P(EngineContract, UnknownTuningIsRefusedAndLeavesNothing) {
  EngineOptions options = OptionsAt(store());
  options.tuning = Tuning(std::string(GetParam().row->name), {{"no_such_option", "1"}});
  const auto engine = TryOpen(options);
  EXPECT_EQ(engine.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(engine.message()), testing::HasSubstr("no_such_option"));
  EXPECT_TRUE(NamesUnder(root()).empty());
}

TEST_P(EngineContract, MediumIsTheOneOfThePath) {
  auto engine = Open();
  const Medium medium = MediumOf(store()).value();
  // Direct I/O makes block of page-cache; nothing makes anything else.
  EXPECT_TRUE(engine->medium() == medium ||
              (engine->medium() == Medium::kBlock && medium == Medium::kPageCache));
}

TEST(EngineTable, RowsAreComplete) {
  for (const EngineRow& row : Engines()) {
    EXPECT_FALSE(row.description.empty()) << row.name;
    EXPECT_FALSE(row.version().empty()) << row.name;
    ASSERT_FALSE(row.durabilities.empty()) << row.name;
    EXPECT_TRUE(std::is_sorted(row.durabilities.begin(), row.durabilities.end())) << row.name;
    EXPECT_EQ(FindEngine(row.name).value(), &row);
    for (const OptionSpec& option : row.options) EXPECT_FALSE(option.meaning.empty()) << row.name;
  }
  EXPECT_EQ(FindEngine("no_such_engine").status().code(), StatusCode::kInvalidArgument);
}

TEST(EngineTable, AnEngineThatStoresNothingSaysYesToEverything) {
  for (const EngineRow& row : Engines()) {
    if (row.capabilities.stores_data) continue;
    EngineOptions options;
    options.durability = row.durabilities.front();
    options.size_hint.value_bytes = 100;
    auto engine = OpenEngine(row, options);
    ASSERT_TRUE(engine.ok()) << engine.message();
    EXPECT_TRUE((*engine)->Put("key", "value").ok());
    size_t seen_bytes = 0;
    EXPECT_TRUE((*engine)->Get("key", [&](auto value) { seen_bytes = value.size(); }).ok());
    EXPECT_EQ(seen_bytes, 100u);
    EXPECT_TRUE((*engine)->Delete("key").ok());
    EXPECT_TRUE((*engine)->Close().ok());
  }
}

TEST_P(EngineContract, OptionalInterfacesAreThereWhereTheRowSaysSo) {
  auto engine = Open();
  EXPECT_EQ(engine->compares_and_puts() != nullptr, can().compare_and_put);
  EXPECT_EQ(engine->defragments() != nullptr, can().defragment);
}

TEST_P(EngineContract, CompareAndPutReplacesWhatItIsToldAndNothingElse) {
  if (!can().compare_and_put) GTEST_SKIP() << "the row does not say compare_and_put";
  auto engine = Open();
  ComparesAndPuts& compares = *engine->compares_and_puts();
  EXPECT_TRUE(compares.CompareAndPut("a", "", "new").status().IsNotFound());
  CHECK_OK(engine->Put("a", "one"));
  CHECK_OK(engine->Put("b", ""));
  EXPECT_FALSE(*compares.CompareAndPut("a", "two", "new"));
  EXPECT_FALSE(*compares.CompareAndPut("a", "on", "new"));
  EXPECT_FALSE(*compares.CompareAndPut("a", "", "new"));
  ExpectHolds(engine.get(), can(), {{"a", "one"}, {"b", ""}});
  EXPECT_TRUE(*compares.CompareAndPut("a", "one", "a longer one"));
  EXPECT_TRUE(*compares.CompareAndPut("b", "", "something"));
  EXPECT_TRUE(*compares.CompareAndPut("b", "something", "something"));
  const std::string too_long(can().max_key_bytes > 100'000 ? 0 : can().max_key_bytes + 1, 'k');
  if (!too_long.empty()) {
    EXPECT_EQ(compares.CompareAndPut(too_long, "", "").status().code(),
              StatusCode::kInvalidArgument);
  }
  ExpectHolds(engine.get(), can(), {{"a", "a longer one"}, {"b", "something"}});
}

// Each thread counts up; no step may be lost or done twice.
TEST_P(EngineContract, CompareAndPutOfManyThreadsLosesNoStep) {
  if (!can().compare_and_put) GTEST_SKIP() << "the row does not say compare_and_put";
  constexpr int kThreads = 4, kSteps = 500;
  auto engine = Open();
  CHECK_OK(engine->Put("counter", "0"));
  const auto count_up = [&] {
    for (int done = 0; done < kSteps;) {
      const std::string seen = *Lookup(engine.get(), "counter");
      const Result<bool> stepped = engine->compares_and_puts()->CompareAndPut(
          "counter", seen, std::to_string(std::stoi(seen) + 1));
      CHECK_OK(stepped);
      done += *stepped ? 1 : 0;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(count_up);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Lookup(engine.get(), "counter"), std::to_string(kThreads * kSteps));
}

TEST_P(EngineContract, DefragmentChangesNoPair) {
  if (!can().defragment) GTEST_SKIP() << "the row does not say defragment";
  auto engine = Open();
  std::mt19937_64 random(7);
  Model model;
  for (uint64_t i = 0; i < 4'000; ++i) {
    model[TestKey(i)] = TestBytes(i, random() % 500);
    CHECK_OK(engine->Put(TestKey(i), model[TestKey(i)]));
  }
  for (uint64_t i = 0; i < 4'000; ++i) {
    if (random() % 10 == 0) continue;
    CHECK_OK(engine->Delete(TestKey(i)));
    model.erase(TestKey(i));
  }
  const Result<uint64_t> moved = engine->defragments()->Defragment();
  ASSERT_TRUE(moved.ok()) << moved.message();
  EXPECT_GT(*moved, 0u);
  ExpectHolds(engine.get(), can(), model);
  EXPECT_EQ(*engine->defragments()->Defragment(), 0u);  // nothing is left to do
  if (!can().audit) return;
  const Result<AuditReport> audit = engine->Audit();
  ASSERT_TRUE(audit.ok()) << audit.message();
  EXPECT_EQ(audit->allocated_bytes, audit->reachable_bytes);
}

}  // namespace
}  // namespace fencepost
