// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engines/canaries/canary_table.h"
#include "faultinject/explore/scratch_folder.h"
#include "harness/crash/crash_test_util.h"

namespace fencepost {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// What "map" opens. One test uses it at a time.
MapStore* the_store = nullptr;
Status the_open_status;

Result<std::unique_ptr<Engine>> OpenMap(const EngineOptions& options) {
  EXPECT_FALSE(options.create_if_missing) << "a recovery must not make the store that it misses";
  RETURN_IF_ERROR(the_open_status);
  return std::unique_ptr<Engine>(std::make_unique<MapEngine>(the_store));
}

constexpr Durability kPowerFailOnly[] = {Durability::kPowerFail};

EngineRow MapRow(bool audit, bool exact_count) {
  return {.name = "map",
          .description = "a map",
          .open = OpenMap,
          .version = [] { return std::string("1"); },
          .capabilities = {.audit = audit, .exact_count = exact_count},
          .durabilities = kPowerFailOnly,
          .options = {}};
}

class MapRecovery : public testing::Test {
 protected:
  MapRecovery() {
    the_store = &store_;
    the_open_status = Status::Ok();
    for (const char* key : {"a", "b", "c"}) store_.pairs[key] = ValueOf(key, 1);
  }

  static RecoveredStore Decoded(const std::string& answer) {
    Result<RecoveredStore> store = RecoveredStore::Decode(answer);
    CHECK_OK(store);
    return *store;
  }
  RecoveredStore Recovered(UseAfterwards afterwards = {}) {
    EngineRecovery recovery(row_, {}, afterwards);
    return Decoded(recovery.Recover({"/dev/shm/image"}, ""));
  }
  std::string Afterwards(UseAfterwards afterwards = {}) {
    const RecoveredStore store = Recovered(afterwards);
    EXPECT_EQ(store.failed_call, "");
    return store.afterwards;
  }

  MapStore store_;
  const EngineRow row_ = MapRow(/*audit=*/true, /*exact_count=*/true);
};

TEST_F(MapRecovery, ReadsTheVersionsOfWholeValues) {
  store_.pairs["a"] = ValueOf("a", 7);
  const RecoveredStore store = Recovered();
  EXPECT_EQ(store.contents, (StoreContents{{"a", "v7"}, {"b", "v1"}, {"c", "v1"}}));
  EXPECT_THAT(store.faults, IsEmpty());
  EXPECT_EQ(store.failed_call, "");
  EXPECT_EQ(store.count, 3u);
  ASSERT_TRUE(store.audit.has_value());
  EXPECT_EQ(store.afterwards, "");
}

TEST_F(MapRecovery, GetsEachPairThatWasReadIfAsked) {
  const UseAfterwards gets = {.operations = 0, .gets = true};
  EXPECT_EQ(Afterwards(gets), "");
  EXPECT_EQ(std::count(store_.calls.begin(), store_.calls.end(), "get b"), 1);
  store_.answer = [](const std::string& call) {
    return call == "get" ? Status::NotFound() : Status::Ok();
  };
  EXPECT_EQ(Afterwards(gets), "a walk over all pairs gives v1 of a, a get absent");
  store_.answer = [](const std::string& call) {
    return call == "get" ? Status::Corrupt("a checksum") : Status::Ok();
  };
  const RecoveredStore refused = Recovered(gets);
  EXPECT_EQ(refused.failed_call, "get");
  EXPECT_EQ(refused.afterwards, "");
}

TEST_F(MapRecovery, TellsWhatIsWrongWithAValue) {
  std::string torn = ValueOf("a", 2);
  torn.back() = static_cast<char>(torn.back() + 1);
  store_.pairs["a"] = torn;
  store_.pairs["b"] = ValueOf("c", 1);
  store_.pairs["c"] = "short";
  store_.pairs["d"] = ValueOf("d", 1).substr(0, 40);
  RecoveredStore store;
  MapEngine engine(&store_);
  ASSERT_TRUE(ReadStore(engine, &store).ok());
  std::map<std::string, std::string> faults;
  for (const auto& fault : store.faults) faults[fault.key] = fault.fault;
  EXPECT_EQ(faults, (std::map<std::string, std::string>{
                        {"a", "torn"}, {"b", "foreign"}, {"c", "short"}, {"d", "length"}}));
  EXPECT_TRUE(store.contents.empty()) << "a value that is not whole has no version";
  EXPECT_EQ(store.faults[2].bytes, 5u);
}

TEST_F(MapRecovery, AKeyThatComesTwiceIsAFault) {
  store_.second_copy = {"b", ValueOf("b", 2)};
  RecoveredStore store;
  MapEngine engine(&store_);
  ASSERT_TRUE(ReadStore(engine, &store).ok());
  ASSERT_EQ(store.faults.size(), 1u);
  EXPECT_EQ(store.faults[0].key, "b");
  EXPECT_EQ(store.faults[0].fault, "twice");
  EXPECT_EQ(store.contents.at("b"), "v1");
}

TEST_F(MapRecovery, AFaultyStoreIsNotUsedOn) {
  store_.pairs["a"] = "short";
  EXPECT_EQ(Recovered().faults.size(), 1u);
  EXPECT_THAT(store_.calls, IsEmpty());
}

TEST_F(MapRecovery, AFailedOpenIsSaidAndNothingElse) {
  the_open_status = Status::Corrupt("bad header: /dev/shm/image");
  const RecoveredStore store = Recovered();
  EXPECT_EQ(store.failed_call, "open");
  EXPECT_EQ(store.failure, "bad header: {image}") << "without the path, which is the worker's";
  EXPECT_TRUE(store.contents.empty());
  EXPECT_FALSE(store.audit || store.count);
}

TEST_F(MapRecovery, TheCallThatFailedIsNamed) {
  for (const std::string call : {"for-each", "audit", "stats", "close"}) {
    store_.answer = [&](const std::string& asked) {
      return asked == call ? Status::Corrupt("no") : Status::Ok();
    };
    const RecoveredStore store = Recovered();
    EXPECT_EQ(store.failed_call, call);
    EXPECT_EQ(store.failure, "no");
    EXPECT_EQ(store.afterwards, "") << "a store that failed is not used on";
  }
}

TEST_F(MapRecovery, WhatAnEngineDoesNotClaimIsNotAsked) {
  store_.answer = [](const std::string& call) {
    return call == "audit" || call == "stats" ? Status::Internal("asked") : Status::Ok();
  };
  const EngineRow row = MapRow(/*audit=*/false, /*exact_count=*/false);
  EngineRecovery recovery(row, {}, {});
  const RecoveredStore store = Decoded(recovery.Recover({"/dev/shm/image"}, ""));
  EXPECT_EQ(store.failed_call, "");
  EXPECT_FALSE(store.audit || store.count);
  EXPECT_EQ(store.afterwards, "");
}

TEST_F(MapRecovery, AStoreThatLosesAPutWhenOpenedAgainIsFound) {
  store_.loses_last_put_when_opened = true;
  EXPECT_THAT(Afterwards(), HasSubstr("is lost"));
}

TEST_F(MapRecovery, AStoreThatGivesAnotherValueIsFound) {
  store_.shortens_puts = true;
  EXPECT_THAT(Afterwards(), HasSubstr("reads other than was put"));
}

TEST_F(MapRecovery, AStoreThatLeaksIsFound) {
  store_.leaks_when_overwriting = true;
  EXPECT_THAT(Afterwards(), HasSubstr("can be reached"));
}

TEST_F(MapRecovery, ADeleteThatDoesNothingIsFound) {
  store_.keeps_deleted = true;
  EXPECT_THAT(Afterwards(), HasSubstr("reads other than was put"));
}

TEST_F(MapRecovery, ACountThatGoesWrongIsFound) {
  store_.miscounts_deletes = true;
  EXPECT_THAT(Afterwards(), HasSubstr("says that it holds"));
}

TEST_F(MapRecovery, AFailingCallIsFound) {
  const MapStore before = store_;
  for (const std::string call : {"put", "get", "delete"}) {
    store_ = before;
    store_.answer = [&](const std::string& asked) {
      return asked == call ? Status::IoError("bad sector") : Status::Ok();
    };
    EXPECT_THAT(Afterwards(), HasSubstr("bad sector")) << call;
  }
}

TEST_F(MapRecovery, WhatLeakedBeforeIsNotFoundAgainAfterwards) {
  store_.audit.allocated_objects = 2;
  const RecoveredStore store = Recovered();
  EXPECT_EQ(store.audit->allocated_objects, 2u);
  EXPECT_EQ(store.afterwards, "");
}

TEST_F(MapRecovery, WhatWasMiscountedBeforeIsNotFoundAgainAfterwards) {
  store_.miscounted = 1;
  const RecoveredStore store = Recovered();
  EXPECT_EQ(store.count, 4u);
  EXPECT_EQ(store.afterwards, "");
}

TEST_F(MapRecovery, AFullStoreIsAFaultUnlessTheRunWasRefusedSpaceToo) {
  store_.answer = [](const std::string& call) {
    return call == "put" ? Status::Full("no space") : Status::Ok();
  };
  EXPECT_THAT(Afterwards(), HasSubstr("no space"));
  EXPECT_EQ(Afterwards({.may_be_full = true}), "");
}

TEST_F(MapRecovery, EachImageIsUsedOnUnlessItIsOnlyToBeRecovered) {
  const MapStore before = store_;
  EngineRecovery recovery(row_, {}, {});
  for (int i = 0; i < 2; ++i) {
    store_ = before;
    recovery.Recover({"/dev/shm/image"}, "");
    EXPECT_FALSE(store_.calls.empty());
  }
  store_ = before;
  recovery.RecoverOnly({"/dev/shm/image"}, "");
  EXPECT_TRUE(store_.calls.empty());
}

TEST_F(MapRecovery, WhatOneImageDidAfterwardsIsNotSaidOfAnother) {
  const MapStore before = store_;
  EngineRecovery recovery(row_, {}, {});
  store_.loses_last_put_when_opened = true;
  EXPECT_NE(Decoded(recovery.Recover({"/dev/shm/image"}, "")).afterwards, "");
  store_ = before;
  EXPECT_EQ(Decoded(recovery.Recover({"/dev/shm/image"}, "")).afterwards, "");
}

TEST_F(MapRecovery, NothingIsUsedOnWithoutOperations) {
  EXPECT_EQ(Afterwards({.operations = 0}), "");
  EXPECT_THAT(store_.calls, IsEmpty());
  EXPECT_EQ(store_.opened, 1);
}

TEST_F(MapRecovery, TheUseMakesOverwritesAndDeletes) {
  EXPECT_EQ(Afterwards({.operations = 40}), "");
  const auto count = [&](const std::string& word) {
    return std::count_if(store_.calls.begin(), store_.calls.end(),
                         [&](const std::string& call) { return call.starts_with(word); });
  };
  EXPECT_EQ(count("put ") + count("delete "), 40);
  EXPECT_GE(count("delete "), 8);
  EXPECT_GE(count("put a") - count("put after"), 1) << "of keys that were recovered";
}

// A store of a real engine, made at `path`, with keys k0 to k9 in version 1.
Status MakeStore(const EngineRow& row, EngineOptions options) {
  options.create_if_missing = true;
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(row, options));
  for (int i = 0; i < 10; ++i) {
    const std::string key = fmt::format("k{}", i);
    RETURN_IF_ERROR(engine->Put(key, ValueOf(key, 1)));
  }
  return engine->Close();
}

void ExpectSoundRecovery(const EngineRow& row, const EngineOptions& options) {
  Result<ScratchFolder> scratch = ScratchFolder::Make(kMemoryRoot);
  ASSERT_TRUE(scratch.ok()) << scratch.message();
  EngineOptions at = options;
  at.path = scratch->path() / "pool";
  const Status made = MakeStore(row, at);
  ASSERT_TRUE(made.ok()) << made.message();
  EngineRecovery recovery(row, at, {});
  const Result<RecoveredStore> store =
      RecoveredStore::Decode(recovery.Recover({at.path.string()}, ""));
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(store->failed_call, "") << store->failure;
  EXPECT_EQ(store->contents.size(), 10u);
  EXPECT_EQ(store->contents.at("k3"), "v1");
  EXPECT_THAT(store->faults, IsEmpty());
  EXPECT_EQ(store->afterwards, "");
  EXPECT_EQ(store->audit.has_value(), row.capabilities.audit);
  EXPECT_EQ(store->count.has_value(), row.capabilities.exact_count);
}

EngineOptions SmallPool(const std::string& engine) {
  EngineOptions options;
  options.size_hint = {.pairs = 100, .key_bytes = 16, .value_bytes = 64};
  options.tuning = Tuning(engine, {{"pool_bytes", "16M"}});
  return options;
}

TEST(EngineRecovery, ASoundPoolOfCmapIsRecoveredAndUsedOn) {
  const Result<const EngineRow*> row = FindEngine("cmap");
  if (!row.ok()) GTEST_SKIP() << row.message();
  ExpectSoundRecovery(**row, SmallPool("cmap"));
}

TEST(EngineRecovery, EachCanaryIsSoundWithoutACrash) {
  bool without_audit = false;
  for (const EngineRow& row : CanaryEngines()) {
    SCOPED_TRACE(row.name);
    without_audit |= !row.capabilities.audit;
    EngineOptions options = SmallPool(std::string(row.name));
    const bool has_pool =
        std::any_of(row.options.begin(), row.options.end(),
                    [](const OptionSpec& option) { return option.name == "pool_bytes"; });
    if (!has_pool) options.tuning = {};
    ExpectSoundRecovery(row, options);
  }
  EXPECT_TRUE(without_audit) << "an engine without an audit is not covered";
}

TEST(EngineRecovery, WhatIsNoPoolFailsToOpen) {
  const Result<const EngineRow*> row = FindEngine("cmap");
  if (!row.ok()) GTEST_SKIP() << row.message();
  Result<ScratchFolder> scratch = ScratchFolder::Make(kMemoryRoot);
  ASSERT_TRUE(scratch.ok());
  EngineRecovery recovery(**row, SmallPool("cmap"), {});
  const std::string path = (scratch->path() / "absent").string();
  const Result<RecoveredStore> store = RecoveredStore::Decode(recovery.Recover({path}, ""));
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(store->failed_call, "open");
  EXPECT_FALSE(store->failure.empty());
  EXPECT_THAT(store->failure, testing::Not(HasSubstr(path)));
  EXPECT_FALSE(std::filesystem::exists(path)) << "a recovery must not make a store";
}

}  // namespace
}  // namespace fencepost
