// SPDX-License-Identifier: BSD-3-Clause
// Chains of keys that were chosen to collide: no table of any size keeps them apart.
#include <gtest/gtest.h>
#include <xxhash.h>

#include <string>
#include <vector>

#include "engines/cmap/cmap_test_util.h"

namespace fencepost::cmap {
namespace {

constexpr size_t kColliding = 2'200;  // twice as many as the intent log has entries
constexpr uint64_t kInitialBuckets = 1024;

// Keys of one bucket of a new map, and, half and half, of the two that it is split into.
std::vector<std::string> CollidingKeys() {
  std::vector<std::string> keys;
  size_t moving = 0;
  for (uint64_t i = 0; keys.size() < kColliding; ++i) {
    std::string key = "k" + std::to_string(i);
    const uint64_t hash = XXH3_64bits_withSeed(key.data(), key.size(), /*seed=*/0);
    if (hash % kInitialBuckets != 0) continue;
    const bool moves = (hash & kInitialBuckets) != 0;
    if (moves && moving == kColliding / 2) continue;
    if (!moves && keys.size() - moving == kColliding / 2) continue;
    moving += moves ? 1 : 0;
    keys.push_back(std::move(key));
  }
  return keys;
}

class CmapChainTest : public ::testing::Test {
 protected:
  CmapChainTest()
      : options_(TestOptions(folder_.path() / "pool", "64M", std::to_string(kInitialBuckets))),
        engine_(MustOpen(options_)),
        colliding_(CollidingKeys()) {
    for (const std::string& key : colliding_) {
      CHECK_OK(engine_->Put(key, "v"));
      model_[key] = "v";
    }
  }

  pmem::TestFolder folder_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  const std::vector<std::string> colliding_;
  Model model_;
};

TEST_F(CmapChainTest, OneThatIsTooLongToBeSplitLeavesATableThatDoesNotGrow) {
  for (int i = 0; i < 6'000; ++i) {
    const std::string key = "other" + std::to_string(i);
    CHECK_OK(engine_->Put(key, "v"));
    model_[key] = "v";
  }
  ExpectHolds(*engine_, model_);
  CHECK_OK(engine_->Close());
  engine_ = MustOpen(options_);
  ExpectHolds(*engine_, model_);
  ExpectNoLeak(*engine_);
}

TEST_F(CmapChainTest, OneThatIsTooLongToBePackedStaysAsItIs) {
  for (size_t i = 0; i < colliding_.size(); i += 2) {
    CHECK_OK(engine_->Delete(colliding_[i]));
    model_.erase(colliding_[i]);
  }
  CHECK_OK(engine_->defragments()->Defragment());
  ExpectHolds(*engine_, model_);
  ExpectNoLeak(*engine_);
}

}  // namespace
}  // namespace fencepost::cmap
