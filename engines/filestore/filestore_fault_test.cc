// SPDX-License-Identifier: BSD-3-Clause
// The k-th call fails, for each k: nothing acknowledged is lost, a clean refusal has no effect, and
// nothing crashes.
#include <set>
#include <string>
#include <vector>

#include "engines/filestore/store_test_util.h"

namespace fencepost::filestore {
namespace {

using Call = FakeDisk::Call;

struct Fault {
  StatusCode code;
  bool for_good;  // all later calls of the kind fail too
};

class FaultRun {
 public:
  FaultRun(Durability durability, Fault fault, uint64_t k)
      : options_(SmallOptions(durability)), fault_(fault), k_(k) {}

  // Whether the fault was reached.
  bool Run() {
    Arm();
    Result<std::unique_ptr<Store>> store = OpenOn(disk_, options_);
    if (!store.ok()) {
      EXPECT_TRUE(store.status().code() == fault_.code ||
                  store.status().code() == StatusCode::kIoError)
          << store.message();
      // Nothing, or a whole and empty store.
      const std::vector<std::string> whole = {"filestore.data", "filestore.log"};
      const std::vector<std::string> left = disk_->List();
      EXPECT_TRUE(fault_.for_good || left.empty() || left == whole) << "left half-created";
    } else {
      store_ = std::move(store).value();
      Operate();
    }
    disk_->before = nullptr;
    if (store_ != nullptr) CheckStillWorks();
    store_.reset();
    CheckReopened(disk_->Copy());
    if (options_.durability == Durability::kPowerFail) {
      std::mt19937_64 random(k_);
      CheckReopened(disk_->Crash(random, 50));
    }
    return hit_;
  }

 private:
  void Arm() {
    disk_->before = [this](Call call) {
      if (call == Call::kRemove) return Status::Ok();
      // ENOSPC comes from calls that take space; EIO from any.
      const bool takes_space =
          call == Call::kWrite || call == Call::kAllocate || call == Call::kOpen;
      if (fault_.code == StatusCode::kFull && !takes_space) return Status::Ok();
      const uint64_t now = ++calls_;
      if (now == k_ || (fault_.for_good && now > k_)) {
        hit_ = true;
        return Status(fault_.code, "fake: fault");
      }
      return Status::Ok();
    };
  }

  void Operate() {
    std::mt19937_64 random(31);
    for (uint64_t i = 0; i < 60; ++i) {
      const std::string key = std::to_string(random() % 12);
      const std::string value = ValueOf(i, SomeValueBytes(random));
      const bool erase = random() % 5 == 0;
      const Status status = erase ? store_->Delete(key) : store_->Put(key, value);
      if (status.ok()) {
        if (!erase) model_[key] = value;
        if (erase) model_.erase(key);
      } else if (status.code() == StatusCode::kIoError) {
        in_doubt_.insert(key);
      } else {
        EXPECT_TRUE(status.code() == StatusCode::kFull || status.IsNotFound()) << status.message();
      }
    }
  }

  // Once the fault is over: reads work; so do writes, unless the log was hit.
  void CheckStillWorks() {
    for (const auto& [key, value] : model_) {
      const std::string found = GetOr(*store_, key);
      if (in_doubt_.contains(key) || found == "<I/O error>") continue;
      EXPECT_EQ(found, value) << "key " << key;
    }
    const Status status = store_->Put("afterwards", "works");
    if (status.ok()) {
      model_["afterwards"] = "works";
    } else {
      EXPECT_EQ(status.code(), StatusCode::kIoError) << status.message();
      EXPECT_TRUE(!in_doubt_.empty() || fault_.code == StatusCode::kIoError);
      in_doubt_.insert("afterwards");
    }
  }

  void CheckReopened(const std::shared_ptr<FakeDisk>& image) {
    Result<std::unique_ptr<Store>> store = OpenOn(image, options_);
    ASSERT_TRUE(store.ok()) << store.message();
    Model found;
    ASSERT_TRUE(Dump(**store, &found).ok());
    Model expected = model_;
    for (const std::string& key : in_doubt_) {
      found.erase(key);
      expected.erase(key);
    }
    EXPECT_TRUE(found == expected) << found.size() << " pairs for " << expected.size();
  }

  const std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>();
  const StoreOptions options_;
  const Fault fault_;
  const uint64_t k_;
  uint64_t calls_ = 0;
  bool hit_ = false;
  std::unique_ptr<Store> store_;
  Model model_;
  std::set<std::string> in_doubt_;
};

class EachCallFails : public testing::TestWithParam<Durability> {};

TEST_P(EachCallFails, NothingAcknowledgedIsLost) {
  for (const Fault fault : {Fault{StatusCode::kIoError, false}, Fault{StatusCode::kIoError, true},
                            Fault{StatusCode::kFull, false}, Fault{StatusCode::kFull, true}}) {
    uint64_t k = 1;
    for (; !testing::Test::HasFailure(); ++k) {
      SCOPED_TRACE(testing::Message() << StatusCodeName(fault.code) << " at call " << k
                                      << (fault.for_good ? " and later" : ""));
      if (!FaultRun(GetParam(), fault, k).Run()) break;
    }
    EXPECT_GT(k, 30u);
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, EachCallFails,
                         testing::Values(Durability::kPowerFail, Durability::kPrefix,
                                         Durability::kProcessCrash));

TEST(FullDisk, RefusesWithoutEffectAndGoesOnWhenThereIsRoom) {
  for (const Durability durability : {Durability::kPowerFail, Durability::kBuffered}) {
    const auto disk = std::make_shared<FakeDisk>();
    const StoreOptions options = SmallOptions(durability);
    std::unique_ptr<Store> store = OpenOn(disk, options).value();
    disk->capacity_bytes = 300 << 10;
    Model model;
    std::mt19937_64 random(41);
    Status status;
    for (uint64_t i = 0; status.ok(); ++i) {
      const std::string key = std::to_string(random() % 1000);
      const std::string value = ValueOf(i, SomeValueBytes(random));
      status = store->Put(key, value);
      if (status.ok()) model[key] = value;
    }
    ASSERT_EQ(status.code(), StatusCode::kFull) << status.message();
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store, model));
    const std::string large = ValueOf(1, 400 << 10);
    EXPECT_EQ(store->Put("large", large).code(), StatusCode::kFull);
    EXPECT_EQ(
        store->Apply({{{Write::Kind::kPut, "small", "x"}, {Write::Kind::kPut, "large", large}}})
            .code(),
        StatusCode::kFull);
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store, model));
    // Deleting makes room.
    while (model.size() > 10) {
      ASSERT_TRUE(store->Delete(model.begin()->first).ok());
      model.erase(model.begin());
    }
    model["room"] = ValueOf(2, 10000);
    ASSERT_TRUE(store->Put("room", model["room"]).ok());
    // So does a larger disk.
    disk->capacity_bytes = 8 << 20;
    model["large"] = large;
    ASSERT_TRUE(store->Put("large", large).ok());
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store, model));
    ASSERT_TRUE(store->Close().ok());
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*OpenOn(disk, options).value(), model));
  }
}

}  // namespace
}  // namespace fencepost::filestore
