// SPDX-License-Identifier: BSD-3-Clause
// Growth to 1,000,000 pairs, for every engine of the table, in its weakest durability: what it
// takes to grow is the same, and a sync for each pair would take hours on some media.
#include "engines/conformance.h"

namespace fencepost {
namespace {

class EngineGrowth : public ConformanceTest {};

std::vector<ConformanceCase> WeakestCases() {
  std::vector<ConformanceCase> cases = StrongestCases();
  for (ConformanceCase& test_case : cases)
    test_case.durability = test_case.row->durabilities.back();
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, EngineGrowth, testing::ValuesIn(WeakestCases()), CaseName);

constexpr uint64_t kPairs = 1'000'000;

// All numbers below kPairs in an order without locality: a multiplier coprime to it.
uint64_t Scattered(uint64_t i) { return i * 376'633 % kPairs; }

std::string ValueOf(uint64_t number) { return "value" + std::to_string(number * number); }

void ExpectAll(Engine* engine, const Capabilities& can) {
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kPairs; ++i) {
    const std::string value = ValueOf(i);
    const Status status =
        engine->Get(TestKey(i), [&](auto seen) { wrong += seen == value ? 0 : 1; });
    wrong += status.ok() ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0u);
  uint64_t visits = 0;
  EXPECT_TRUE(engine->ForEach([&](auto, auto) { return ++visits > 0; }).ok());
  EXPECT_EQ(visits, kPairs);
  if (can.exact_count) {
    EXPECT_EQ(engine->Stats()->count, kPairs);
  }
}

TEST_P(EngineGrowth, AMillionPairs) {
  // Half of what comes: growing past the hint is the engine's to manage, unless it is a pool of a
  // size that is fixed at creation.
  hint_ = {.pairs = can().path_is_file ? kPairs : kPairs / 2, .key_bytes = 11, .value_bytes = 17};
  {
    auto engine = Open();
    for (uint64_t i = 0; i < kPairs; ++i) {
      const uint64_t number = Scattered(i);
      const Status status = engine->Put(TestKey(number), ValueOf(number));
      ASSERT_TRUE(status.ok()) << i << ": " << status.message();
    }
    CHECK_OK(engine->Sync());
    ExpectAll(engine.get(), can());
    CHECK_OK(engine->Close());
  }
  auto engine = Open();
  ExpectAll(engine.get(), can());
  for (uint64_t i = 0; i < kPairs; i += 100) ASSERT_TRUE(engine->Delete(TestKey(i)).ok());
  if (can().exact_count) {
    EXPECT_EQ(engine->Stats()->count, kPairs - kPairs / 100);
  }
  EXPECT_TRUE(engine->Settle().ok());
}

}  // namespace
}  // namespace fencepost
