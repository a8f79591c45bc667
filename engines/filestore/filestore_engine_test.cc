// SPDX-License-Identifier: BSD-3-Clause
// The engine on real files: what a user can get wrong, and what the system can.
#include "engines/filestore/filestore_engine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "engines/media/file_delays.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FilestoreEngine : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "filestore-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    options_.path = root_ / "store";
    options_.cache_bytes = 1 << 20;
  }
  void TearDown() override {
    engine_.reset();
    fs::remove_all(root_);
  }

  void Tune(std::map<std::string, std::string> values) {
    options_.tuning = Tuning("filestore", std::move(values));
  }
  void Open() {
    engine_.reset();
    Result<std::unique_ptr<Engine>> engine = OpenFilestore(options_);
    ASSERT_TRUE(engine.ok()) << engine.message();
    engine_ = std::move(engine).value();
  }
  // The code and message of an open that must fail.
  Status Refusal() {
    Result<std::unique_ptr<Engine>> engine = OpenFilestore(options_);
    if (engine.ok()) return Status::Ok();
    return std::move(engine).status();
  }
  std::string Get(std::string_view key) {
    std::string value;
    const Status status = engine_->Get(key, [&](std::string_view v) { value = v; });
    return status.ok() ? value : std::string(StatusCodeName(status.code()));
  }

  fs::path root_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(FilestoreEngine, KeepsItsDataInEveryDurabilityClass) {
  const std::string large(100000, 'x');
  for (const Durability durability : kFilestoreDurabilities) {
    options_.durability = durability;
    options_.path = root_ / "deep" / DurabilityName(durability);
    ASSERT_NO_FATAL_FAILURE(Open());
    EXPECT_TRUE(engine_->Put("", "of the empty key").ok());
    EXPECT_TRUE(engine_->Put(std::string_view("\0a", 2), large).ok());
    EXPECT_TRUE(engine_->Put("gone", "").ok());
    EXPECT_TRUE(engine_->Delete("gone").ok());
    EXPECT_TRUE(engine_->Delete("gone").IsNotFound());
    EXPECT_TRUE(engine_->Sync().ok());
    EXPECT_TRUE(engine_->Close().ok());
    EXPECT_TRUE(engine_->Close().ok());
    ASSERT_NO_FATAL_FAILURE(Open());
    EXPECT_EQ(Get(""), "of the empty key");
    EXPECT_EQ(Get(std::string_view("\0a", 2)), large);
    EXPECT_EQ(Get("gone"), "not found");
    EXPECT_EQ(engine_->Stats()->count, 2u);
    EXPECT_GE(engine_->Stats()->storage_bytes, large.size());
  }
}

TEST_F(FilestoreEngine, DirectGoesPastThePageCacheOrSaysThatItCannot) {
  Tune({{"direct", "true"}});
  if (MediumOf(root_).value() == Medium::kTmpfs) {
    EXPECT_EQ(Refusal().code(), StatusCode::kUnsupported);
    return;
  }
  Result<std::unique_ptr<Engine>> engine = OpenFilestore(options_);
  if (engine.status().code() == StatusCode::kUnsupported) GTEST_SKIP() << engine.message();
  ASSERT_TRUE(engine.ok()) << engine.message();
  engine_ = std::move(engine).value();
  EXPECT_EQ(engine_->medium(), Medium::kBlock);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(engine_->Put(fmt::format("key{}", i), std::string(5000, 'v')).ok());
  }
  ASSERT_TRUE(engine_->Close().ok());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(engine_->Stats()->count, 300u);
  EXPECT_EQ(Get("key299"), std::string(5000, 'v'));
}

TEST_F(FilestoreEngine, DirectOnTmpfsIsRefused) {
  if (MediumOf("/dev/shm").value() != Medium::kTmpfs) GTEST_SKIP() << "/dev/shm is no tmpfs";
  Tune({{"direct", "true"}});
  options_.path = fmt::format("/dev/shm/filestore-test-{}", getpid());
  const Status status = Refusal();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(std::string(status.message()), HasSubstr("filestore.direct=true"));
  EXPECT_FALSE(fs::exists(options_.path));
}

TEST_F(FilestoreEngine, SecondOpenerFindsItBusy) {
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(Refusal().code(), StatusCode::kBusy);
  const pid_t child = fork();
  if (child == 0) _exit(Refusal().code() == StatusCode::kBusy ? 0 : 1);
  int result = 0;
  waitpid(child, &result, 0);
  EXPECT_EQ(result, 0);
  engine_.reset();
  EXPECT_TRUE(Refusal().ok());
}

TEST_F(FilestoreEngine, KilledProcessLosesNothingAcknowledged) {
  for (const Durability durability :
       {Durability::kPowerFail, Durability::kPrefix, Durability::kProcessCrash}) {
    options_.durability = durability;
    options_.path = root_ / DurabilityName(durability);
    Tune({{"log_bytes", "64K"}});
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    const pid_t child = fork();
    if (child == 0) {
      std::unique_ptr<Engine> engine = OpenFilestore(options_).value();
      for (uint32_t i = 0;; ++i) {
        CHECK_OK(engine->Put(fmt::format("key{}", i), fmt::format("value{}", i)));
        CHECK(write(pipe_fds[1], &i, sizeof(i)) == sizeof(i));
      }
    }
    close(pipe_fds[1]);
    uint32_t acked = 0;
    while (acked < 1500 && read(pipe_fds[0], &acked, sizeof(acked)) == sizeof(acked)) {
    }
    kill(child, SIGKILL);
    while (read(pipe_fds[0], &acked, sizeof(acked)) == sizeof(acked)) {
    }
    close(pipe_fds[0]);
    waitpid(child, nullptr, 0);
    ASSERT_NO_FATAL_FAILURE(Open());
    EXPECT_GE(engine_->Stats()->count, acked + 1);
    EXPECT_LE(engine_->Stats()->count, acked + 2);
    for (uint32_t i = 0; i <= acked; ++i) {
      ASSERT_EQ(Get(fmt::format("key{}", i)), fmt::format("value{}", i));
    }
  }
}

TEST_F(FilestoreEngine, AbsentStoreIsNotCreatedUnasked) {
  options_.create_if_missing = false;
  Status status = Refusal();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("store"));
  EXPECT_FALSE(fs::exists(options_.path));
  fs::create_directory(options_.path);
  status = Refusal();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no store in"));
  EXPECT_TRUE(fs::is_empty(options_.path));
}

TEST_F(FilestoreEngine, ForeignPathsAreLeftAlone) {
  std::ofstream(options_.path) << "a file";
  EXPECT_EQ(Refusal().code(), StatusCode::kInvalidArgument);
  fs::remove(options_.path);
  fs::create_directory(options_.path);
  std::ofstream(options_.path / "data.mdb") << "of another engine";
  const Status status = Refusal();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(std::string(status.message()), HasSubstr("data.mdb"));
  EXPECT_EQ(std::distance(fs::directory_iterator(options_.path), fs::directory_iterator()), 1);
}

TEST_F(FilestoreEngine, DamagedFilesAreCorruptAndNeverACrash) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(engine_->Put(fmt::format("key{}", i), std::string(300, 'v')).ok());
  }
  ASSERT_TRUE(engine_->Close().ok());
  engine_.reset();
  const fs::path good = root_ / "good", data = options_.path / "filestore.data",
                 log = options_.path / "filestore.log";
  fs::copy(options_.path, good);
  const auto restore = [&] {
    fs::remove_all(options_.path);
    fs::copy(good, options_.path);
  };
  const auto expect_corrupt = [&](std::string_view what) {
    const Status status = Refusal();
    EXPECT_EQ(status.code(), StatusCode::kCorrupt) << what << ": " << status.message();
    restore();
  };
  for (const fs::path& file : {data, log}) {
    for (const uintmax_t bytes : {0u, 1u, 100u, 4095u, 4096u, 4097u}) {
      fs::resize_file(file, bytes);
      expect_corrupt(fmt::format("{} cut to {}", file.string(), bytes));
    }
    fs::remove(file);
    expect_corrupt(file.string() + " removed");
    std::ofstream(file) << std::string(20000, 'z');
    expect_corrupt(file.string() + " replaced");
  }
  fs::resize_file(data, 5 * 4096);
  expect_corrupt("data file truncated");
  {
    std::fstream stream(data, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(32 + 8);  // the layout version
    stream.put(77);
  }
  expect_corrupt("another layout");
  EXPECT_TRUE(Refusal().ok());
}

TEST_F(FilestoreEngine, FullFileSizeLimitIsARefusal) {
  // RLIMIT_FSIZE stands for a full disk; it is of the whole process, hence the child.
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    std::unique_ptr<Engine> engine = OpenFilestore(options_).value();
    int stored = 0;
    Status status;
    while (status.ok()) {
      status = engine->Put(fmt::format("key{:06}", stored), std::string(1000, 'v'));
      stored += status.ok() ? 1 : 0;
    }
    CHECK(status.code() == StatusCode::kFull);
    CHECK(stored > 500);
    CHECK(engine->Stats()->count == static_cast<uint64_t>(stored));
    CHECK_OK(engine->Delete("key000000"));
    CHECK_OK(engine->Put("key000001", std::string(1000, 'w')));
    CHECK_OK(engine->Close());
    engine.reset();
    engine = OpenFilestore(options_).value();
    CHECK(engine->Stats()->count == static_cast<uint64_t>(stored) - 1);
    _exit(0);
  }
  int result = 0;
  waitpid(child, &result, 0);
  EXPECT_EQ(result, 0);
}

TEST_F(FilestoreEngine, ReadOnlyFileSystemIsOneClearError) {
  const fs::path mounted = root_ / "mount";
  fs::create_directory(mounted);
  if (mount("none", mounted.c_str(), "tmpfs", 0, "size=8m") != 0) {
    GTEST_SKIP() << "mount: needs root";
  }
  options_.path = mounted / "store";
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_TRUE(engine_->Close().ok());
  engine_.reset();
  EXPECT_EQ(mount("none", mounted.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  Status status = Refusal();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Read-only file system"));
  options_.path = mounted / "new" / "store";
  status = Refusal();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Read-only file system"));
  EXPECT_EQ(umount(mounted.c_str()), 0);
}

TEST_F(FilestoreEngine, FullFileSystemIsARefusal) {
  const fs::path mounted = root_ / "mount";
  fs::create_directory(mounted);
  if (mount("none", mounted.c_str(), "tmpfs", 0, "size=2m") != 0) {
    GTEST_SKIP() << "mount: needs root";
  }
  options_.path = mounted / "store";
  ASSERT_NO_FATAL_FAILURE(Open());
  uint64_t stored = 0;
  Status status;
  while (status.ok()) {
    status = engine_->Put(fmt::format("key{}", stored), std::string(1000, 'v'));
    stored += status.ok() ? 1 : 0;
  }
  EXPECT_EQ(status.code(), StatusCode::kFull) << status.message();
  EXPECT_EQ(engine_->Stats()->count, stored);
  EXPECT_TRUE(engine_->Delete("key0").ok());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(engine_->Stats()->count, stored - 1);
  EXPECT_EQ(Get("key1"), std::string(1000, 'v'));
  engine_.reset();
  // No room for a second store: nothing of it is left.
  std::ofstream(mounted / "filler") << std::string(2 << 20, 'f');
  options_.path = mounted / "second";
  EXPECT_EQ(Refusal().code(), StatusCode::kFull);
  EXPECT_FALSE(fs::exists(options_.path));
  EXPECT_EQ(umount(mounted.c_str()), 0);
}

TEST_F(FilestoreEngine, TuningIsCheckedByName) {
  Tune({{"log_bytes", "1"}});
  EXPECT_EQ(Refusal().code(), StatusCode::kInvalidArgument);
  Tune({{"direct", "perhaps"}});
  EXPECT_EQ(Refusal().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(options_.path));
  Tune({{"log_byte", "1M"}});
  EXPECT_EQ(options_.tuning.CheckNames(kFilestoreOptions).code(), StatusCode::kInvalidArgument);
}

// What engines do to a device behind their files: in DRAM, and with 1 MiB of page cache.
class ModelledFilestore : public FilestoreEngine {
 protected:
  void SetUp() override {
    FilestoreEngine::SetUp();
    options_.file_delays =
        std::make_shared<media::FileDelays>(*media::FindBlockModel("optane-ssd"), 1 << 20);
  }
  // What `action` is charged with.
  media::FileInjection Charged(FunctionRef<void()> action) {
    const media::FileInjection before = options_.file_delays->Report();
    action();
    return options_.file_delays->Report() - before;
  }
  void Fill() {
    options_.durability = Durability::kPrefix;
    Open();
    for (int i = 0; i < 4000; ++i) {
      EXPECT_TRUE(engine_->Put(fmt::format("{:08}", i), std::string(1000, 'v')).ok());
    }
    EXPECT_TRUE(engine_->Close().ok());
    options_.durability = Durability::kPowerFail;
    Open();
  }
};

TEST_F(ModelledFilestore, APutWaitsForItsBlockAndForTheLogsGrowth) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_TRUE(engine_->Put("k", "v").ok());
  const media::FileInjection charged = Charged([&] { EXPECT_TRUE(engine_->Put("k", "w").ok()); });
  EXPECT_EQ(charged.blocks.syncs, 1u);
  EXPECT_EQ(charged.blocks.blocks_written, 2u);
  EXPECT_NEAR(charged.asked_ns, 20'000, 1);
  EXPECT_GE(charged.injected_ns() + charged.interrupted_ns, 20'000);
}

TEST_F(ModelledFilestore, AGetOfWhatNoCacheHoldsWaitsForOneBlock) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  uint64_t read = 0, missed = 0;
  for (int i = 0; i < 4000; i += 40) {
    const media::FileInjection charged =
        Charged([&] { EXPECT_EQ(Get(fmt::format("{:08}", i)).size(), 1000u); });
    read += charged.blocks.blocks_read;
    missed += charged.blocks.blocks_missed;
    EXPECT_NEAR(charged.asked_ns, 8900.0 * static_cast<double>(charged.blocks.blocks_missed), 1);
  }
  // 5 MiB of pages, 1 MiB of which the pool has and another the page cache.
  EXPECT_GE(missed, 50u);
  EXPECT_LE(missed, read);
  const media::FileInjection again = Charged([&] { Get(fmt::format("{:08}", 3960)); });
  EXPECT_EQ(again.blocks.blocks_read, 0u);
}

TEST_F(ModelledFilestore, DirectGoesPastThePageCache) {
  Tune({{"direct", "true"}});
  ASSERT_NO_FATAL_FAILURE(Fill());
  EXPECT_NE(engine_->medium(), Medium::kBlock);  // only the charges are direct
  const media::FileInjection put = Charged([&] { EXPECT_TRUE(engine_->Put("k", "w").ok()); });
  EXPECT_GE(put.blocks.blocks_written, 1u);
  uint64_t read = 0, missed = 0;
  for (int i = 0; i < 4000; i += 40) {
    const media::FileInjection charged = Charged([&] { Get(fmt::format("{:08}", i)); });
    read += charged.blocks.blocks_read;
    missed += charged.blocks.blocks_missed;
  }
  EXPECT_EQ(read, missed);
  EXPECT_GE(missed, 50u);
}

}  // namespace
}  // namespace fencepost
