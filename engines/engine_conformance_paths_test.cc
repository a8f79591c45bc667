// SPDX-License-Identifier: BSD-3-Clause
// Bad paths and full media, for every engine of the table: an error of one line, nothing new left
// behind, nothing acknowledged lost.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "engines/conformance.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

class EnginePaths : public ConformanceTest {
 protected:
  // Opening fails in one line and leaves under `root()` what was there.
  StatusCode ExpectRefused(const EngineOptions& options) {
    const std::vector<std::string> before = NamesUnder(root());
    const auto engine = TryOpen(options);
    ExpectOneLineError(engine.status());
    EXPECT_EQ(NamesUnder(root()), before) << engine.message();
    return engine.status().code();
  }
};
INSTANTIATE_TEST_SUITE_P(All, EnginePaths, testing::ValuesIn(StrongestCases()), CaseName);

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_P(EnginePaths, AbsentStoreIsNotFoundUnlessItMayBeCreated) {
  EngineOptions options = OptionsAt(store());
  options.create_if_missing = false;
  EXPECT_EQ(ExpectRefused(options), StatusCode::kNotFound);
  CHECK_OK(Open()->Put("key", "value"));
  auto engine = TryOpen(options);
  ASSERT_TRUE(engine.ok()) << engine.message();
  ExpectHolds(engine->get(), can(), {{"key", "value"}});
}

TEST_P(EnginePaths, NonsensePathsAreRefused) {
  for (const char* path : {"", "/proc/fencepost-absent", "/proc/fencepost-absent/store",
                           "/dev/null/store", "/sys/kernel/fencepost-absent"}) {
    SCOPED_TRACE(path);
    ExpectRefused(OptionsAt(path));
  }
  ExpectRefused(OptionsAt(root() / std::string(300, 'n')));
}

TEST_P(EnginePaths, AnObjectOfTheWrongKindIsRefused) {
  const std::string text = "a file of somebody else\n";
  if (can().path_is_file) {
    fs::create_directory(store());
  } else {
    WriteFile(store(), text);
  }
  ExpectRefused(OptionsAt(store()));
  if (!can().path_is_file) {
    EXPECT_EQ(ReadFile(store()), text);
  }
}

TEST_P(EnginePaths, AFileThatIsNoStoreIsRefusedAndKept) {
  if (!can().path_is_file) GTEST_SKIP() << "keeps its store in a directory";
  for (const size_t bytes : {size_t{1}, size_t{5000}, size_t{16} << 20}) {
    const std::string garbage = TestBytes(bytes, bytes);
    WriteFile(store(), garbage);
    ExpectRefused(OptionsAt(store()));
    EXPECT_TRUE(ReadFile(store()) == garbage) << bytes;
  }
}

TEST_P(EnginePaths, FilesOfOthersAreNotTouched) {
  if (can().path_is_file) GTEST_SKIP() << "keeps its store in a file";
  fs::create_directory(store());
  WriteFile(store() / "thesis.tex", "\\documentclass{book}");
  const std::vector<std::string> before = NamesUnder(root());
  const auto engine = TryOpen(OptionsAt(store()));
  if (!engine.ok()) {
    ExpectOneLineError(engine.status());
    EXPECT_EQ(NamesUnder(root()), before);
  }
  EXPECT_EQ(ReadFile(store() / "thesis.tex"), "\\documentclass{book}");
}

TEST_P(EnginePaths, ADamagedStoreIsRefused) {
  {
    auto engine = Open();
    for (uint64_t i = 0; i < 100; ++i) CHECK_OK(engine->Put(TestKey(i), TestBytes(i, 1000)));
    CHECK_OK(engine->Close());
  }
  const auto damage = [](const fs::path& file) {
    const uint64_t bytes = std::min(fs::file_size(file), uintmax_t{1} << 20);
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary)
        << TestBytes(bytes, static_cast<size_t>(bytes));
  };
  if (can().path_is_file) {
    damage(store());
  } else {
    for (const auto& entry : fs::recursive_directory_iterator(store())) {
      if (entry.is_regular_file()) damage(entry.path());
    }
  }
  const auto engine = TryOpen(OptionsAt(store()));
  ExpectOneLineError(engine.status());
  // And again: the first refusal must not have made a new store of it.
  ExpectOneLineError(TryOpen(OptionsAt(store())).status());
}

TEST_P(EnginePaths, ReadOnlyMediumIsRefused) {
  std::unique_ptr<TinyMedium> medium = TinyMedium::Mount(root(), uint64_t{256} << 20);
  fs::path place = medium ? medium->path() : root() / "read-only";
  if (!medium) {
    if (geteuid() == 0) GTEST_SKIP() << "cannot mount, and root ignores permissions";
    fs::create_directory(place);
  }
  hint_ = {.pairs = 100, .key_bytes = 16, .value_bytes = 100};
  {
    auto engine = TryOpen(OptionsAt(place / "store"));
    ASSERT_TRUE(engine.ok()) << engine.message();
    CHECK_OK((*engine)->Put("key", "value"));
    CHECK_OK((*engine)->Close());
  }
  if (medium) {
    ASSERT_TRUE(medium->MakeReadOnly());
  } else {
    for (const auto& entry : fs::recursive_directory_iterator(place)) {
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::remove);
    }
    fs::permissions(place, fs::perms::owner_write, fs::perm_options::remove);
  }
  ExpectRefused(OptionsAt(place / "store"));
  ExpectRefused(OptionsAt(place / "new"));
  if (!medium) {
    fs::permissions(place, fs::perms::owner_write, fs::perm_options::add);
    for (const auto& entry : fs::recursive_directory_iterator(place)) {
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    }
  }
}

// Fills a medium of 256 MiB, half of it taken by a ballast file. An engine that must write before
// it can give anything back (a log-structured one) gets the ballast's space when it asks; the
// others have to manage without.
class EngineFull : public ConformanceTest {
 protected:
  static constexpr size_t kValueBytes = size_t{64} << 10;

  void SetUp() override {
    medium_ = TinyMedium::Mount(root(), uint64_t{256} << 20);
    if (!medium_) GTEST_SKIP() << "only root can mount a small tmpfs";
    WriteFile(medium_->path() / "ballast", std::string(size_t{128} << 20, 'b'));
    hint_ = {.pairs = 500, .key_bytes = 16, .value_bytes = kValueBytes};
    options_ = OptionsAt(medium_->path() / "store");
    auto engine = TryOpen(options_);
    ASSERT_TRUE(engine.ok()) << engine.message();
    engine_ = std::move(engine).value();
  }

  // Puts until kFull; what was acknowledged is in model_.
  void Fill() {
    for (uint64_t i = 0; i < 10000; ++i) {
      const std::string value = TestBytes(i, kValueBytes);
      const Status status = engine_->Put(TestKey(i), value);
      if (!status.ok()) {
        EXPECT_EQ(status.code(), StatusCode::kFull) << status.message();
        return;
      }
      model_[TestKey(i)] = value;
    }
    FAIL() << "640 MB fit into 256";
  }

  void DropBallast() { fs::remove(medium_->path() / "ballast"); }

  // Deletes all but every fourth key.
  void DeleteMost() {
    bool dropped = false;
    for (uint64_t i = 0; i < 10000; ++i) {
      if (i % 4 == 0 || !model_.contains(TestKey(i))) continue;
      Status status = engine_->Delete(TestKey(i));
      if (status.code() == StatusCode::kFull && !dropped) {
        DropBallast();
        dropped = true;
        status = engine_->Delete(TestKey(i));
        if (status.code() == StatusCode::kFull && !can().resumes_when_full) {
          Reopen();
          status = engine_->Delete(TestKey(i));
        }
      }
      ASSERT_TRUE(status.ok()) << status.message();
      model_.erase(TestKey(i));
    }
  }

  void ExpectWritable() {
    for (uint64_t i = 1; i < 200; i += 4) {
      const std::string value = TestBytes(i + 1, kValueBytes);
      const Status status = engine_->Put(TestKey(i), value);
      ASSERT_TRUE(status.ok()) << status.message();
      model_[TestKey(i)] = value;
    }
    ExpectHolds(engine_.get(), can(), model_);
  }

  // Closes and opens again; a full medium may refuse that until the ballast is gone.
  void Reopen() {
    const Status closed = engine_->Close();
    EXPECT_TRUE(closed.ok() || closed.code() == StatusCode::kFull) << closed.message();
    engine_.reset();
    auto engine = TryOpen(options_);
    if (engine.status().code() == StatusCode::kFull) {
      ExpectOneLineError(engine.status());
      DropBallast();
      engine = TryOpen(options_);
    }
    ASSERT_TRUE(engine.ok()) << engine.message();
    engine_ = std::move(engine).value();
  }

  std::unique_ptr<TinyMedium> medium_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  Model model_;
};
INSTANTIATE_TEST_SUITE_P(All, EngineFull, testing::ValuesIn(StrongestCases()), CaseName);

TEST_P(EngineFull, NothingIsLostAndDeletesMakeRoom) {
  Fill();
  EXPECT_GT(model_.size(), 100u);
  ExpectHolds(engine_.get(), can(), model_);
  // A refused overwrite leaves the old value.
  const std::string larger = TestBytes(1, 3 * kValueBytes);
  const Status status = engine_->Put(TestKey(0), larger);
  if (status.ok()) {
    model_[TestKey(0)] = larger;
  } else {
    EXPECT_EQ(status.code(), StatusCode::kFull) << status.message();
  }
  ExpectHolds(engine_.get(), can(), model_);
  DeleteMost();
  ExpectHolds(engine_.get(), can(), model_);
  ExpectWritable();
  Reopen();
  ExpectHolds(engine_.get(), can(), model_);
}

TEST_P(EngineFull, NothingIsLostByReopening) {
  Fill();
  Reopen();
  ExpectHolds(engine_.get(), can(), model_);
  DeleteMost();
  ExpectWritable();
}

// The very first write is the one that fails where a log grows with its records.
TEST_P(EngineFull, WritesGoOnAfterNoneHadRoom) {
  const uint64_t free_bytes = FileSystemOf(medium_->path())->free_bytes;
  WriteFile(medium_->path() / "more", std::string(static_cast<size_t>(free_bytes), 'b'));
  Fill();
  fs::remove(medium_->path() / "more");
  DropBallast();
  if (!can().resumes_when_full) Reopen();
  DeleteMost();  // what lives in a file of fixed size is as full as before
  ExpectWritable();
  Reopen();
  ExpectHolds(engine_.get(), can(), model_);
}

TEST_P(EngineFull, AStoreThatDoesNotFitLeavesNothing) {
  CHECK_OK(engine_->Close());
  engine_.reset();
  fs::remove_all(options_.path);
  // A little less than all there is: too little for any store.
  const uint64_t free_bytes = FileSystemOf(medium_->path())->free_bytes;
  WriteFile(medium_->path() / "more", std::string(static_cast<size_t>(free_bytes) - 4096, 'b'));
  const auto before = NamesUnder(medium_->path());
  const auto engine = TryOpen(options_);
  EXPECT_EQ(engine.status().code(), StatusCode::kFull) << engine.message();
  ExpectOneLineError(engine.status());
  EXPECT_EQ(NamesUnder(medium_->path()), before);
}

}  // namespace
}  // namespace fencepost
