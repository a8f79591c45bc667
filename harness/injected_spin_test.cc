// SPDX-License-Identifier: BSD-3-Clause
#include "harness/injected_spin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "engines/engine_table.h"
#include "harness/clock.h"

namespace fencepost {
namespace {

constexpr uint64_t kSpinNs = 200'000;
// The clock readings that are taken off, when they happen to be slower at that time.
constexpr uint64_t kLeastNs = kSpinNs - 1'000;

std::unique_ptr<Engine> OpenBlackhole() {
  const Result<const EngineRow*> row = FindEngine("blackhole");
  CHECK_OK(row.status());
  EngineOptions options;
  options.durability = (*row)->durabilities.front();
  options.size_hint = {.pairs = 10, .key_bytes = 8, .value_bytes = 100};
  Result<std::unique_ptr<Engine>> engine = OpenEngine(**row, options);
  CHECK_OK(engine.status());
  return std::move(*engine);
}

template <typename Call>
uint64_t NsOf(Call call) {
  const uint64_t begin = Clock::SystemNs();
  call();
  return Clock::SystemNs() - begin;
}

TEST(InjectedSpin, CallsOfOperationsTakeLongerByIt) {
  const std::unique_ptr<Engine> engine = WithInjectedSpin(OpenBlackhole(), kSpinNs);
  EXPECT_GE(NsOf([&] { (void)engine->Put("key", "a value of some length"); }), kLeastNs);
  EXPECT_GE(NsOf([&] { (void)engine->Get("key", [](std::string_view) {}); }), kLeastNs);
  EXPECT_GE(NsOf([&] { (void)engine->Delete("key"); }), kLeastNs);
  EXPECT_GE(NsOf([&] {
              (void)engine->Scan("key", 1, [](std::string_view, std::string_view) { return true; });
            }),
            kLeastNs);
}

// The fastest of several: one may be interrupted.
TEST(InjectedSpin, OtherCallsDoNot) {
  const std::unique_ptr<Engine> engine = WithInjectedSpin(OpenBlackhole(), kSpinNs);
  uint64_t fastest_ns = UINT64_MAX;
  for (int i = 0; i < 5; ++i) {
    fastest_ns = std::min(fastest_ns, NsOf([&] {
                            (void)engine->Sync();
                            (void)engine->Stats();
                          }));
  }
  EXPECT_LT(fastest_ns, kSpinNs);
}

TEST(InjectedSpin, NoneIsTheEngineItself) {
  std::unique_ptr<Engine> engine = OpenBlackhole();
  const Engine* itself = engine.get();
  EXPECT_EQ(WithInjectedSpin(std::move(engine), 0).get(), itself);
}

TEST(InjectedSpin, AnswersArePassedOn) {
  const std::unique_ptr<Engine> plain = OpenBlackhole();
  const std::unique_ptr<Engine> slowed = WithInjectedSpin(OpenBlackhole(), 1);
  EXPECT_EQ(slowed->Put("", "").code(), plain->Put("", "").code());
  EXPECT_EQ(slowed->medium(), plain->medium());
  EXPECT_EQ(slowed->compares_and_puts() == nullptr, plain->compares_and_puts() == nullptr);
  EXPECT_EQ(slowed->defragments() == nullptr, plain->defragments() == nullptr);
  EXPECT_TRUE(slowed->Close().ok());
}

}  // namespace
}  // namespace fencepost
