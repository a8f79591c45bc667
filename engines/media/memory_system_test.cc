// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/memory_system.h"

#include <gtest/gtest.h>

#include "engines/media/block_model.h"
#include "engines/media/published.h"

namespace fencepost::media {
namespace {

using Kind = MemoryEvent::Kind;

const MemoryModel& Model(std::string_view name) { return *FindMemoryModel(name); }

TEST(MemorySystem, AReadOfABlockThatWasJustReadIsNear) {
  MemorySystem memory(Model("optane"), 1);
  memory.Do(0, {Kind::kReadAndWait, 100, 0});
  EXPECT_DOUBLE_EQ(memory.now_ns(0), kOptaneLatency.random_read_ns);
  memory.Do(0, {Kind::kReadAndWait, 101, 0});
  EXPECT_NEAR(memory.now_ns(0) - kOptaneLatency.random_read_ns, 124.2, 0.1);
  EXPECT_EQ(memory.totals().blocks_read, 1u);
}

TEST(MemorySystem, AFenceWaitsForWhatWasFlushedAndForNothingElse) {
  MemorySystem memory(Model("optane"), 1);
  memory.Do(0, {Kind::kFence, 0, 0});
  EXPECT_EQ(memory.now_ns(0), 0);
  memory.Do(0, {Kind::kNtStore, 1, 0});
  EXPECT_LT(memory.now_ns(0), kOptaneLatency.ntstore_ns);
  memory.Do(0, {Kind::kFence, 0, 0});
  EXPECT_DOUBLE_EQ(memory.now_ns(0), kOptaneLatency.ntstore_ns);
}

TEST(MemorySystem, AModuleWritesNoFasterThanItCan) {
  const MemoryModel& model = Model("optane-module");
  MemorySystem memory(model, 1);
  constexpr uint64_t kLines = 40'000;
  for (uint64_t line = 0; line < kLines; ++line) memory.Do(0, {Kind::kNtStore, line, 0});
  const double ns_a_block = memory.now_ns(0) / (kLines / 4.0);
  EXPECT_NEAR(ns_a_block, model.write_block_ns, model.write_block_ns * 0.01);
  EXPECT_EQ(memory.totals().blocks_written, kLines / 4);
}

TEST(MemorySystem, WritersThatWaitForOneModuleSlowItDown) {
  const MemoryModel& model = Model("optane-module");
  MemorySystem memory(model, 12);
  for (uint64_t i = 0; i < 20'000; ++i) {
    for (size_t thread = 0; thread < 12; ++thread) {
      memory.Do(thread, {Kind::kNtStore, thread << 20 | i, 0});
    }
  }
  EXPECT_GT(memory.now_ns(0) / (20'000 * 12 / 4), model.write_block_ns * 1.5);
}

TEST(MemorySystem, LinesOfOneBlockAreOneBlockForTheMediumAndFourForDram) {
  for (const auto& [name, blocks] : {std::pair{"optane", 1u}, std::pair{"dram", 4u}}) {
    MemorySystem memory(Model(name), 1);
    for (uint64_t line = 0; line < 4; ++line) memory.Do(0, {Kind::kNtStore, line, 0});
    EXPECT_EQ(memory.totals().blocks_written, blocks) << name;
    EXPECT_EQ(memory.totals().lines_written, 4u) << name;
  }
}

TEST(MemorySystem, TheOtherSocketIsFartherAway) {
  EXPECT_GT(Model("optane-remote").read_random_ns, Model("optane").read_random_ns + 40);
  EXPECT_GT(Model("optane-remote").write_block_ns, Model("optane").write_block_ns * 2);
}

TEST(MemorySystem, UnknownMediaAreNone) {
  EXPECT_EQ(FindMemoryModel("cxl"), nullptr);
  EXPECT_EQ(FindBlockModel("floppy"), nullptr);
}

TEST(BlockModel, ARequestCostsALatencyAndThenBandwidth) {
  const BlockModel& model = *FindBlockModel("nand-ssd");
  EXPECT_EQ(model.ReadNs(0), 0);
  EXPECT_EQ(model.ReadNs(1), 77'900);
  EXPECT_NEAR(model.WriteNs(3), 20'000 + 2 * 4096 / 2.0, 1e-6);
}

}  // namespace
}  // namespace fencepost::media
