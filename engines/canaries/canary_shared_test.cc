// SPDX-License-Identifier: BSD-3-Clause
// The bugs of canary-shared are between callers, so with several callers, too, they must work as
// long as nothing crashes.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engines/canaries/canary_table.h"
#include "engines/conformance.h"

namespace fencepost {
namespace {

constexpr std::string_view kName = "canary-shared";
constexpr uint64_t kKeys = 4;

const EngineRow& Row() {
  const auto rows = CanaryEngines();
  return *std::find_if(rows.begin(), rows.end(),
                       [](const EngineRow& row) { return row.name == kName; });
}

std::vector<std::string> Bugs() {
  std::vector<std::string> bugs = {"none"};
  for (const Planting& planting : Plantings()) {
    if (planting.structure == kName) bugs.emplace_back(planting.bug);
  }
  return bugs;
}

// Values of a key are made of one letter, so that one of another key, or half of one, shows.
std::string ValueOf(uint64_t key, uint64_t bytes) {
  return std::string(bytes, static_cast<char>('a' + key));
}

void ChangeAndRead(Engine* engine, uint64_t thread) {
  std::mt19937_64 random(thread);
  for (int step = 0; step < 600; ++step) {
    const uint64_t key = random() % kKeys, what = random() % 8;
    Status status;
    if (what == 0) {
      status = engine->Delete(TestKey(key));
    } else if (what < 4) {
      status = engine->Put(TestKey(key), ValueOf(key, 16 + 16 * thread));
    } else {
      status = engine->Get(TestKey(key), [&](std::string_view value) {
        EXPECT_EQ(value, ValueOf(key, value.size())) << "thread " << thread << ", step " << step;
      });
    }
    EXPECT_TRUE(status.ok() || (status.code() == StatusCode::kNotFound && (what < 1 || what > 3)))
        << status.message();
  }
}

std::string TestName(const testing::TestParamInfo<std::string>& bug) {
  std::string name = bug.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class CanaryShared : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, CanaryShared, testing::ValuesIn(Bugs()), TestName);

TEST_P(CanaryShared, ThreadsThatChangeTheSameKeysSeeWholeValuesAndLeakNothing) {
  ScratchDirectory scratch(MediumFor(Row()));
  EngineOptions options;
  options.path = scratch.path() / "store";
  options.tuning = Tuning(std::string(kName), {{"bug", GetParam()}});
  auto engine = OpenEngine(Row(), options);
  CHECK_OK(engine);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] { ChangeAndRead(engine->get(), t); });
  }
  for (std::thread& thread : threads) thread.join();
  Model model;
  CHECK_OK((*engine)->ForEach([&](std::string_view key, std::string_view value) {
    model[std::string(key)] = value;
    return true;
  }));
  const auto audit = (*engine)->Audit();
  CHECK_OK(audit);
  EXPECT_EQ(audit->allocated_objects, model.size());
  EXPECT_EQ(audit->reachable_objects, model.size());
  CHECK_OK((*engine)->Close());
  engine = OpenEngine(Row(), options);
  CHECK_OK(engine);
  ExpectHolds(engine->get(), Row().capabilities, model);
}

}  // namespace
}  // namespace fencepost
