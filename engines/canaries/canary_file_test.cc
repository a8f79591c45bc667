// SPDX-License-Identifier: BSD-3-Clause
// Power losses of the canaries on files, on a disk in memory (fake_disk.h): each bug is reached by
// one workload, no control loses anything, and what a lost or failed sync leaves is mended by
// recovery; and garbage, on real files. Their contract is in canary_test.cc.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "engines/canaries/canary_structure.h"
#include "engines/canaries/fake_disk.h"
#include "engines/conformance.h"

namespace fencepost::canary {
namespace {

const Structure* const kStructures[] = {&kFilelogStructure, &kFilepagesStructure};

struct Case {
  const Structure* structure = nullptr;
  std::string bug = "none";
  char bug_class = '-';
  Durability durability = Durability::kPowerFail;
};

void PrintTo(const Case& test_case, std::ostream* out) {
  *out << test_case.structure->name << ".bug=" << test_case.bug << ", "
       << DurabilityName(test_case.durability);
}

// The one bug that needs writes that are not synced, the one that needs a sync that fails, and the
// one that needs a medium that gives back what was not written.
bool NeedsPrefix(const Case& test_case) { return test_case.bug == "hole-in-log"; }
bool NeedsFailure(const Case& test_case) { return test_case.bug == "fsync-error-ignored"; }
bool NeedsDamage(const Case& test_case) { return test_case.bug == "unchecked-page"; }

std::vector<Case> Cases(FunctionRef<bool(const Case&)> choose) {
  std::vector<Case> cases;
  for (const Structure* structure : kStructures) {
    for (const Durability durability : structure->durabilities) {
      cases.push_back({.structure = structure, .durability = durability});
      for (const Planting& planting : structure->plantings) {
        cases.push_back({structure, std::string(planting.bug), planting.bug_class, durability});
      }
    }
  }
  std::erase_if(cases, [&](const Case& test_case) { return !choose(test_case); });
  return cases;
}

std::string TestName(const testing::TestParamInfo<Case>& info) {
  std::string name = fmt::format("{}_{}_{}", info.param.structure->name, info.param.bug,
                                 DurabilityName(info.param.durability));
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

// What a power loss now could leave of n pending changes: all, none, by kind, each alone, all but
// each, those before each, and some at random. Without samples the first of these only.
std::vector<std::vector<bool>> Losses(const std::vector<FakeDisk::Change>& pending, size_t samples,
                                      std::mt19937_64* random) {
  using Kind = FakeDisk::Change::Kind;
  const size_t count = pending.size();
  std::vector<std::vector<bool>> losses;
  const auto add = [&](FunctionRef<bool(size_t)> keeps) {
    std::vector<bool> loss(count);
    for (size_t i = 0; i < count; ++i) loss[i] = keeps(i);
    losses.push_back(std::move(loss));
  };
  add([](size_t) { return false; });
  add([](size_t) { return true; });
  for (const Kind kind : {Kind::kData, Kind::kSize, Kind::kName}) {
    add([&](size_t i) { return pending[i].kind == kind; });
    add([&](size_t i) { return pending[i].kind != kind; });
  }
  for (size_t which = 0; which < count && samples > 0; ++which) {
    add([&](size_t i) { return i == which; });
    add([&](size_t i) { return i != which; });
    add([&](size_t i) { return i < which; });
  }
  for (size_t i = 0; i < samples; ++i) add([&](size_t) { return (*random)() % 2 == 0; });
  std::sort(losses.begin(), losses.end());
  losses.erase(std::unique(losses.begin(), losses.end()), losses.end());
  return losses;
}

class FileCanaryTest : public testing::TestWithParam<Case> {
 protected:
  static Result<std::unique_ptr<Engine>> Open(FakeDisk* disk) {
    EngineOptions options;
    options.path = "/in-memory";
    options.durability = GetParam().durability;
    options.tuning = Tuning(std::string(GetParam().structure->name), {{"bug", GetParam().bug}});
    return GetParam().structure->open_on(disk->Mount(), options);
  }

  static Model Contents(Engine* engine) {
    Model model;
    CHECK_OK(engine->ForEach([&](std::string_view key, std::string_view value) {
      return model.emplace(key, value).second;
    }));
    return model;
  }

  // A store that was made and closed, and is durable.
  static std::unique_ptr<FakeDisk> Created() {
    FakeDisk disk;
    CHECK_OK(CheckedClose(Open(&disk)));
    return disk.AfterLoss(std::vector<bool>(disk.pending().size(), true));
  }

  static Status CheckedClose(Result<std::unique_ptr<Engine>> engine) {
    RETURN_IF_ERROR(engine.status());
    return (*engine)->Close();
  }

  // States that a power loss may leave now.
  bool IsAllowed(const Model& found) const {
    return std::find(allowed_.begin(), allowed_.end(), found) != allowed_.end();
  }

  // A violation, if there is one.
  std::optional<std::string> Judge(FakeDisk* disk, size_t nested_samples) {
    ++judged_;
    std::optional<std::string> nested;
    if (nested_samples > 0) {
      disk->before_call = [&] {
        for (const auto& loss : Losses(disk->pending(), 1, &random_)) {
          if (nested || random_() % nested_samples != 0) continue;
          if (const auto found = Judge(disk->AfterLoss(loss).get(), 0)) {
            nested = "a power loss during recovery: " + *found;
          }
        }
      };
    }
    auto engine = Open(disk);
    disk->before_call = nullptr;
    if (nested) return nested;
    if (!engine.ok()) return fmt::format("open failed: {}", engine.message());
    const Model found = Contents(engine->get());
    if (!IsAllowed(found)) return fmt::format("{} pairs, none of the allowed states", found.size());
    // What was recovered stays, and so does what comes then.
    const auto after = disk->AfterLoss(std::vector<bool>(disk->pending().size(), false));
    auto again = Open(after.get());
    if (!again.ok()) return fmt::format("open after recovery failed: {}", again.message());
    if (Contents(again->get()) != found) return "what was recovered was lost again";
    if (!(*engine)->Put("after", "recovery").ok()) return "recovered and cannot be used";
    if (!(*engine)->Close().ok()) return "recovered and cannot be closed";
    auto reopened = Open(disk);
    if (!reopened.ok() || Contents(reopened->get()).count("after") != 1) return "a put was lost";
    return std::nullopt;
  }

  // At each call and each loss. Notes the first violation only.
  void LosePowerIn(FakeDisk* disk, size_t samples, size_t nested_samples) {
    disk->before_call = [=, this] {
      for (const auto& loss : Losses(disk->pending(), samples, &random_)) {
        if (violation_) return;
        violation_ = Judge(disk->AfterLoss(loss).get(), nested_samples);
        if (violation_) violation_at_ = operation_;
      }
    };
  }

  // A run in which the call of that number fails, and the power after it at each call. Whether it
  // was reached.
  bool RunWithFailureOf(uint64_t call) {
    const auto disk = Created();
    allowed_ = {{}};
    disk->calls_until_failure = call;
    LosePowerIn(disk.get(), 0, 0);
    disk->before_call = [&, judge = disk->before_call] {
      if (disk->call_count > call) judge();
    };
    Run(disk.get());
    return disk->call_count > call;
  }

  // Runs the workload on `disk` until it is done or a violation was found; states follow it. An
  // operation that fails may have been done, and is followed by opening the store again.
  void Run(FakeDisk* disk) {
    std::mt19937_64 workload(1);
    const bool prefix = GetParam().durability == Durability::kPrefix;
    auto engine = Open(disk);
    Model model;
    for (operation_ = 0; operation_ < operation_count_ && !violation_; ++operation_) {
      if (operation_ == operation_count_ / 2 || !engine.ok()) {
        if (engine.ok() && (*engine)->Close().ok()) allowed_ = {model};
        if (engine.ok()) *engine = nullptr;
        engine = Open(disk);
        if (!engine.ok()) continue;
        model = Contents(engine->get());
        EXPECT_TRUE(violation_ || IsAllowed(model)) << "opened again at " << operation_;
        allowed_ = {model};
      }
      const std::string key = fmt::format("user{:019}", workload() % 12 * 376'633);
      const bool is_delete = model.contains(key) && workload() % 5 == 0;
      const std::string value = TestBytes(workload(), 16 + workload() % 185);
      Model next = model;
      if (is_delete) {
        next.erase(key);
      } else {
        next[key] = value;
      }
      allowed_.push_back(next);
      const Status status = is_delete ? (*engine)->Delete(key) : (*engine)->Put(key, value);
      if (!status.ok()) {
        EXPECT_EQ(status.code(), StatusCode::kIoError) << status.message();
        engine = status;
        continue;
      }
      model = next;
      if (!prefix) allowed_ = {model};
      if (prefix && operation_ % 8 == 7) {
        if ((*engine)->Sync().ok()) allowed_ = {model};
      }
      if (disk->before_call) disk->before_call();  // acknowledged
    }
    if (engine.ok() && !violation_) {
      if ((*engine)->Close().ok()) allowed_ = {model};
      if (disk->before_call) disk->before_call();
    }
  }

  std::vector<Model> allowed_ = {{}};
  std::optional<std::string> violation_;
  uint64_t violation_at_ = 0;
  uint64_t operation_count_ = 40;
  uint64_t operation_ = 0;
  uint64_t judged_ = 0;

 private:
  std::mt19937_64 random_{1};
};

class FileBug : public FileCanaryTest {};
INSTANTIATE_TEST_SUITE_P(All, FileBug, testing::ValuesIn(Cases([](const Case& test_case) {
                           const bool prefix = test_case.durability == Durability::kPrefix;
                           return test_case.bug_class != '-' && prefix == NeedsPrefix(test_case) &&
                                  !NeedsFailure(test_case) && !NeedsDamage(test_case);
                         })),
                         TestName);

TEST_P(FileBug, IsReachedWithinTwentyOperations) {
  const auto disk = Created();
  LosePowerIn(disk.get(), 8, 0);
  Run(disk.get());
  ASSERT_TRUE(violation_) << "not in " << judged_ << " states";
  RecordProperty("operations", static_cast<int>(violation_at_));
  RecordProperty("violation", *violation_);
  EXPECT_LT(violation_at_, 20u);
}

class FileControl : public FileCanaryTest {};
INSTANTIATE_TEST_SUITE_P(All, FileControl, testing::ValuesIn(Cases([](const Case& test_case) {
                           return test_case.bug_class == '-';
                         })),
                         TestName);

TEST_P(FileControl, LosesNothingInAnyState) {
  const auto disk = Created();
  LosePowerIn(disk.get(), 40, 30);
  Run(disk.get());
  EXPECT_FALSE(violation_) << "operation " << violation_at_ << ": " << *violation_;
  EXPECT_GT(judged_, 400u);
}

TEST_P(FileControl, CreationLeavesAnEmptyStore) {
  FakeDisk disk;
  LosePowerIn(&disk, 100, 5);
  EXPECT_TRUE(CheckedClose(Open(&disk)).ok());
  EXPECT_FALSE(violation_) << *violation_;
  EXPECT_GT(judged_, 50u);
}

// The first call fails, then the second, and so on: an error, and nothing acknowledged is lost.
TEST_P(FileControl, NoCallThatFailsLosesWhatWasAcknowledged) {
  operation_count_ = 14;
  uint64_t call = 0;
  for (bool reached = true; reached; ++call) {
    SCOPED_TRACE(call);
    reached = RunWithFailureOf(call);
    ASSERT_FALSE(violation_) << "operation " << violation_at_ << ": " << *violation_;
  }
  EXPECT_GT(call, 30u);
}

class FailureBug : public FileCanaryTest {};
INSTANTIATE_TEST_SUITE_P(All, FailureBug, testing::ValuesIn(Cases([](const Case& test_case) {
                           return NeedsFailure(test_case) &&
                                  test_case.durability == Durability::kPowerFail;
                         })),
                         TestName);

TEST_P(FailureBug, IsReachedByASyncThatFailsAndByNothingElse) {
  const auto sound = Created();
  LosePowerIn(sound.get(), 8, 0);
  Run(sound.get());
  EXPECT_FALSE(violation_) << *violation_;
  for (uint64_t call = 0; call < 40 && !violation_; ++call) {
    RunWithFailureOf(call);
  }
  ASSERT_TRUE(violation_);
  RecordProperty("operations", static_cast<int>(violation_at_));
  EXPECT_LT(violation_at_, 20u);
}

// On real files.
class FileGarbage : public testing::TestWithParam<const Structure*> {
 protected:
  Result<std::unique_ptr<Engine>> Open() const {
    EngineOptions options;
    options.path = store();
    return GetParam()->open(options);
  }
  std::filesystem::path store() const { return scratch_.path() / "store"; }
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(store())) {
      std::ifstream file(entry.path(), std::ios::binary);
      files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
    }
    return files;
  }
  void Write(const std::map<std::string, std::string>& files) const {
    std::filesystem::remove_all(store());
    std::filesystem::create_directory(store());
    for (const auto& [name, bytes] : files) {
      std::ofstream(store() / name, std::ios::binary) << bytes;
    }
  }
  void Fill(uint64_t pairs) const {
    auto engine = Open();
    CHECK_OK(engine);
    for (uint64_t i = 0; i < pairs; ++i) CHECK_OK((*engine)->Put(TestKey(i % 50), TestBytes(i, i)));
    CHECK_OK((*engine)->Close());
  }

 private:
  const ScratchDirectory scratch_{"/dev/shm"};
};
INSTANTIATE_TEST_SUITE_P(All, FileGarbage, testing::ValuesIn(kStructures), [](const auto& test) {
  return std::string(test.param->name.substr(test.param->name.find('-') + 1));
});

TEST_P(FileGarbage, DamagedFilesEndRecoveryInOneWayOrTheOther) {
  Fill(120);
  const auto sound = Files();
  int refused = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    auto damaged = sound;
    for (auto& [name, bytes] : damaged) {
      if (bytes.empty() || random() % 2 == 0) continue;
      if (random() % 4 == 0) bytes.resize(random() % bytes.size());
      for (uint64_t i = random() % 20; i > 0 && !bytes.empty(); --i) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
    }
    // Without CURRENT it would be what a creation left, and without pages no store.
    if (random() % 4 == 0 && damaged.size() > 1) damaged.erase(std::next(damaged.begin()));
    Write(damaged);
    auto engine = Open();
    if (!engine.ok()) {
      EXPECT_EQ(engine.status().code(), StatusCode::kCorrupt) << engine.message();
      ++refused;
      continue;
    }
    EXPECT_TRUE((*engine)->Put("key", "value").ok());
    EXPECT_EQ(Lookup(engine->get(), "key"), "value");
  }
  EXPECT_GT(refused, 20);
}

TEST_P(FileGarbage, WhatACreationLeftIsMadeAnewAndForeignFilesStay) {
  Write({{"CURRENT.new", "half"}, {"log-000001-0000", "a log"}});
  const bool is_log = GetParam() == &kFilelogStructure;
  EXPECT_EQ(Open().status().code(), is_log ? StatusCode::kOk : StatusCode::kInvalidArgument);
  Write({{"pages.new", "half"}});
  EXPECT_EQ(Open().status().code(), is_log ? StatusCode::kInvalidArgument : StatusCode::kOk);
  Write({});
  Fill(1);
  auto files = Files();
  files["thesis.tex"] = files["log-1-1"] = "another's";
  files["log-000001-0007"] = "left over";
  Write(files);
  Fill(1);
  EXPECT_EQ(Files()["thesis.tex"], "another's");
  EXPECT_EQ(Files()["log-1-1"], "another's");
  EXPECT_EQ(Files().contains("log-000001-0007"), !is_log);
}

TEST_P(FileGarbage, NoFileIsLeftBehind) {
  Fill(400);
  Fill(1);
  std::set<std::string> names;
  for (const auto& [name, bytes] : Files()) names.insert(name.substr(0, 10));
  EXPECT_LE(names.size(), 2u) << "logs of one generation and CURRENT, or the pages";
  EXPECT_LE(Files().size(), 3u);
}

// How many stores with one flipped bit, of a store that was closed, are opened and hold something
// else.
int ServedDamaged(const char* bug) {
  const ScratchDirectory scratch("/dev/shm");
  EngineOptions options;
  options.path = scratch.path() / "store";
  options.tuning = Tuning("canary-filepages", {{"bug", bug}});
  const auto contents_of = [](Engine* engine) {
    Model model;
    CHECK_OK(engine->ForEach([&](std::string_view key, std::string_view value) {
      return model.emplace(key, value).second;
    }));
    return model;
  };
  Model whole;
  {
    auto engine = kFilepagesStructure.open(options);
    CHECK_OK(engine);
    for (uint64_t i = 0; i < 60; ++i) CHECK_OK((*engine)->Put(TestKey(i), TestBytes(i, 100)));
    whole = contents_of(engine->get());
    CHECK_OK((*engine)->Close());
  }
  const std::filesystem::path pages = options.path / "pages";
  std::ifstream in(pages, std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(in), {}};
  int served = 0;
  for (size_t i = 0; i < sound.size(); i += 61) {
    std::string damaged = sound;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
    std::ofstream(pages, std::ios::binary) << damaged;
    auto engine = kFilepagesStructure.open(options);
    if (engine.ok()) {
      served += contents_of(engine->get()) != whole ? 1 : 0;
    } else {
      EXPECT_EQ(engine.status().code(), StatusCode::kCorrupt) << engine.message();
    }
  }
  return served;
}

TEST(FilePages, AFlippedBitIsReportedUnlessTheChecksumIsNotLookedAt) {
  EXPECT_EQ(ServedDamaged("none"), 0);
  EXPECT_EQ(ServedDamaged("control-double-write"), 0);
  EXPECT_EQ(ServedDamaged("control-mapped"), 0);
  EXPECT_GT(ServedDamaged("unchecked-page"), 10);
}

TEST(FileCanaryTable, EveryKnownBugOfFilesIsPlanted) {
  std::set<std::string_view> planted;
  for (const Structure* structure : kStructures) {
    for (const Planting& planting : structure->plantings) planted.insert(planting.row);
  }
  for (const std::string_view known :
       {"missing directory sync", "rename before data", "log rotated unsynced",
        "unlink before rename durable", "garbage tail accepted", "torn page, no checksum",
        "metadata before data", "hole in the log", "fsync error ignored", "size before data",
        "no room under a mapping", "checksum not looked at"}) {
    EXPECT_TRUE(planted.contains(known)) << known;
  }
}

TEST(FileCanaryTable, RowsSayThatTheyAreOfFiles) {
  uint64_t on_files = 0;
  for (const EngineRow& row : CanaryEngines()) {
    const bool is_one = std::any_of(std::begin(kStructures), std::end(kStructures),
                                    [&](auto* structure) { return structure->name == row.name; });
    EXPECT_EQ(row.capabilities.persistent_memory, !is_one) << row.name;
    EXPECT_EQ(row.capabilities.path_is_file, !is_one) << row.name;
    on_files += is_one ? 1 : 0;
  }
  EXPECT_EQ(on_files, std::size(kStructures));
}

}  // namespace
}  // namespace fencepost::canary
