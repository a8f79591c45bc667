// SPDX-License-Identifier: BSD-3-Clause
// The log as a store uses it: torn, flipped, stale, shared by committers.
#include "engines/filestore/redo_log.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engines/filestore/store_test_util.h"

namespace fencepost::filestore {
namespace {

constexpr char kData[] = "filestore.data";
constexpr char kLog[] = "filestore.log";

// A store with a few records in its log and nothing of them in its data file, as a crash leaves it.
class RedoLogTest : public testing::Test {
 protected:
  void Fill(Durability durability, bool earlier_epochs) {
    options_ = SmallOptions(durability);
    options_.log_bytes = 1 << 20;
    const auto disk = std::make_shared<FakeDisk>();
    store_ = OpenOn(disk, options_).value();
    states_.emplace_back();
    if (earlier_epochs) {
      // Leaves stale records behind the present ones.
      for (uint64_t i = 0; i < 20; ++i) Put(std::to_string(i % 5), ValueOf(i, 100));
      ASSERT_TRUE(store_->Settle().ok());
    }
    states_ = {states_.back()};
    for (uint64_t i = 0; i < 8; ++i) Put(std::to_string(i % 5), ValueOf(100 + i, i * 10));
    image_ = disk->Copy();
    FindEnds();
  }

  void FindEnds() {
    const std::unique_ptr<File> file = image_->Mount()->Open(kLog, false).value();
    LogHeader headers[2];
    ASSERT_TRUE(ReadLogHeaders(file.get(), headers).ok());
    const LogHeader& header = headers[headers[1].epoch > headers[0].epoch];
    LogReader reader(file.get(), header);
    do {
      ends_.push_back(kLogBodyOffset + reader.position() - header.start_lsn);
    } while (reader.Next().value());
    ASSERT_EQ(ends_.size(), states_.size());
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(store_->Put(key, value).ok());
    states_.push_back(states_.back());
    states_.back()[key] = value;
  }

  // Which state a store recovered from `image` has; -1: it was refused as corrupt.
  int StateOf(const std::shared_ptr<FakeDisk>& image) {
    Result<std::unique_ptr<Store>> store = OpenOn(image, options_);
    if (!store.ok()) {
      EXPECT_EQ(store.status().code(), StatusCode::kCorrupt) << store.message();
      return -1;
    }
    Model found;
    if (const Status status = Dump(**store, &found); !status.ok()) {
      EXPECT_EQ(status.code(), StatusCode::kCorrupt) << status.message();
      return -1;
    }
    for (size_t i = 0; i < states_.size(); ++i) {
      if (states_[i] == found) return static_cast<int>(i);
    }
    ADD_FAILURE() << "a state that never was";
    return -2;
  }

  StoreOptions options_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<FakeDisk> image_;
  std::vector<Model> states_;   // before and after each record of the epoch
  std::vector<uint64_t> ends_;  // offset in the log file where states_[i] is reached
};

class TornTail : public RedoLogTest, public testing::WithParamInterface<bool> {};

TEST_P(TornTail, IsIgnoredWhereverItTears) {
  Fill(Durability::kPrefix, GetParam());
  ASSERT_EQ(StateOf(image_->Copy()), 8);
  int whole = 0;
  for (uint64_t cut = kLogBodyOffset; cut < ends_.back(); ++cut) {
    while (ends_[static_cast<size_t>(whole) + 1] <= cut) ++whole;
    // Up to 7 bytes of padding behind a record may be gone without harm, if the file is not
    // shorter.
    const bool padding_only = ends_[static_cast<size_t>(whole) + 1] - cut < 8;
    const auto torn = image_->Copy();
    std::string& content = torn->Content(kLog);
    if (cut % 2 == 0) {
      content.resize(cut);
      ASSERT_EQ(StateOf(torn), whole) << "cut at " << cut;
    } else {
      std::fill(content.begin() + static_cast<ptrdiff_t>(cut), content.end(), '\0');
      const int found = StateOf(torn);
      ASSERT_TRUE(found == whole || (padding_only && found == whole + 1)) << "zeros from " << cut;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OverOldRecordsOrNone, TornTail, testing::Bool());

// The first record was lost, those behind it were not. A new first one, of the same size, must not
// bring them back.
TEST_F(RedoLogTest, RecordsBehindAHoleStayLost) {
  Fill(Durability::kPrefix, false);
  std::string& content = image_->Content(kLog);
  std::fill(content.begin() + static_cast<ptrdiff_t>(ends_[0]),
            content.begin() + static_cast<ptrdiff_t>(ends_[1]), '\0');
  std::unique_ptr<Store> store = OpenOn(image_, options_).value();
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store, states_[0]));
  ASSERT_TRUE(store->Put("0", ValueOf(100, 0)).ok());
  EXPECT_EQ(StateOf(image_->Copy()), 1);
}

TEST_F(RedoLogTest, FlippedBitInADurableRecordIsCorruption) {
  Fill(Durability::kPowerFail, true);
  const uint64_t last = ends_[ends_.size() - 2];
  std::mt19937_64 random(21);
  for (uint64_t at = kLogBodyOffset; at < ends_.back(); ++at) {
    const auto damaged = image_->Copy();
    char& byte = damaged->Content(kLog)[at];
    byte = static_cast<char>(byte ^ (1 << (random() % 8)));
    const int found = StateOf(damaged);
    if (at < last) {
      ASSERT_TRUE(found == -1 || found == 8) << "byte " << at << ": state " << found;  // padding
    } else {
      ASSERT_TRUE(found == 7 || found == 8) << "byte " << at << ": state " << found;
    }
  }
}

TEST_F(RedoLogTest, DamagedHeaderIsNoticedOrHarmless) {
  Fill(Durability::kPowerFail, true);
  for (uint64_t at = 0; at < kLogBodyOffset; ++at) {
    if (at % kPageBytes >= 64) continue;
    const auto damaged = image_->Copy();
    damaged->Content(kLog)[at] ^= 0x10;
    const int found = StateOf(damaged);
    ASSERT_TRUE(found == -1 || found == 8) << "byte " << at << ": state " << found;
  }
}

TEST_F(RedoLogTest, FlippedBitInAPageIsNeverBelieved) {
  Fill(Durability::kPowerFail, false);
  ASSERT_TRUE(store_->Close().ok());
  const auto disk = std::make_shared<FakeDisk>();
  {
    std::unique_ptr<Store> store = OpenOn(disk).value();
    states_ = {{}};
    store_ = std::move(store);
    for (uint64_t i = 0; i < 40; ++i) Put("key" + std::to_string(i), ValueOf(i, 200 * (i % 30)));
    ASSERT_TRUE(store_->Close().ok());
    store_.reset();
  }
  const int newest = static_cast<int>(states_.size()) - 1;
  std::mt19937_64 random(22);
  ASSERT_EQ(StateOf(disk->Copy()), newest);
  int noticed = 0;
  for (int round = 0; round < 400; ++round) {
    const auto damaged = disk->Copy();
    std::string& content = damaged->Content(kData);
    char& byte = content[random() % content.size()];
    byte = static_cast<char>(byte ^ (1 << (random() % 8)));
    const int found = StateOf(damaged);
    ASSERT_TRUE(found == -1 || found == newest) << "state " << found;  // unused pages
    noticed += found == -1 ? 1 : 0;
  }
  EXPECT_GT(noticed, 200);
}

TEST_F(RedoLogTest, TornPageIsRepairedFromItsFullImage) {
  Fill(Durability::kPowerFail, true);
  // A checkpoint that was cut off while it wrote the pages: any mix of old, new and rubbish.
  std::mt19937_64 random(23);
  for (int round = 0; round < 200; ++round) {
    const auto torn = image_->Copy();
    std::string& content = torn->Content(kData);
    // The first sector of the meta page is the same in all its versions.
    for (size_t at = 512; at + 512 <= 2 * kPageBytes; at += 512) {
      if (random() % 2 == 0) {
        for (size_t i = 0; i < 512; ++i) content[at + i] = static_cast<char>(random());
      }
    }
    ASSERT_EQ(StateOf(torn), 8);
  }
}

TEST_F(RedoLogTest, LogOfAnotherStoreIsRefused) {
  Fill(Durability::kPowerFail, false);
  const auto other = std::make_shared<FakeDisk>();
  ASSERT_TRUE(OpenOn(other).value()->Close().ok());
  const auto mixed = image_->Copy();
  mixed->Content(kLog) = other->Content(kLog);
  const Result<std::unique_ptr<Store>> store = OpenOn(mixed);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.message(), "filestore.log: belongs to another data file");
}

TEST(GroupCommit, EightCommittersShareSyncs) {
  const auto disk = std::make_shared<FakeDisk>();
  StoreOptions options = SmallOptions();
  options.log_bytes = 16 << 20;
  std::unique_ptr<Store> store = OpenOn(disk, options).value();
  const uint64_t before = store->Stats()->syncs;
  disk->before = [](FakeDisk::Call call) {
    if (call == FakeDisk::Call::kSync) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Status::Ok();
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) CHECK_OK(store->Put(std::to_string(t * 1000 + i), "value"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  disk->before = nullptr;
  EXPECT_LT(store->Stats()->syncs - before, 8u * 50u / 2);
  std::mt19937_64 random(24);
  EXPECT_EQ(OpenOn(disk->Crash(random, 0)).value()->Stats()->count, 400u);
}

}  // namespace
}  // namespace fencepost::filestore
