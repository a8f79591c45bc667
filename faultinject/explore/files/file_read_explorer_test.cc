// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_read_explorer.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "faultinject/explore/explore_test_util.h"
#include "faultinject/explore/files/file_explore_test_util.h"
#include "faultinject/watch/call_filter.h"
#include "faultinject/watch/files/file_watch.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// --- what recoveries are made of
// ------------------------------------------------------------------

std::string NamesIn(const std::string& folder) {
  std::set<std::string> names;
  DIR* const directory = opendir(folder.c_str());
  if (directory == nullptr) return "no folder";
  while (const dirent* entry = readdir(directory)) names.insert(entry->d_name);
  closedir(directory);
  std::string text;
  for (const std::string& name : names) text += name + ' ';
  return text;
}

std::string SizeOf(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return "none";
  if (!S_ISREG(info.st_mode)) return "no file";
  return fmt::format("{} bytes, {} names", info.st_size, info.st_nlink);
}

// As far as the file goes; "none" without one.
std::string Pread(const std::string& path, off_t offset, size_t bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "none";
  std::string text(bytes, '\0');
  const ssize_t got = pread(fd, text.data(), bytes, offset);
  close(fd);
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return got < 0 ? "no file" : text;
}

std::string ReadBySteps(const std::string& path, size_t step) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "none";
  std::string text, part(step, '\0');
  ssize_t got = 0;
  while ((got = read(fd, part.data(), step)) > 0) {
    text.append(part, 0, static_cast<size_t>(got));
    if (text.back() == 'A') break;  // reads no further: depends on what it has read
  }
  close(fd);
  return text;
}

// The size is asked for, then one byte is looked at.
std::string Mapped(const std::string& path, size_t offset) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "none";
  struct stat info;
  std::string text = "short";
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
      static_cast<size_t>(info.st_size) > offset) {
    const auto bytes = static_cast<size_t>(info.st_size);
    void* const base = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    text = std::string(1, static_cast<const char*>(base)[offset]);
    munmap(base, bytes);
  }
  close(fd);
  return text;
}

// --- exploring
// ------------------------------------------------------------------------------------

// Takes down what it is asked to judge; finds fault with some.
class NotingJudge : public Judge {
 public:
  std::string Context(const CrashPoint& /*point*/) override { return {}; }
  std::vector<Finding> Verdict(const CrashPoint& point, const Outcome& outcome) override {
    seen.emplace(point.index, static_cast<int>(outcome.end), outcome.answer);
    if (outcome.end == Outcome::End::kAnswered && std::hash<std::string>()(outcome.answer) % 3 != 0)
      return {};
    return {{.kind = "bad", .subject = "", .message = "bad", .allowed = "", .found = ""}};
  }
  std::set<std::tuple<uint64_t, int, std::string>> seen;
};

using GroupKeys = std::set<std::tuple<std::string, uint64_t, uint32_t>>;

struct Explored {
  Result<FileExploreResult> result = Status::Internal("not run");
  std::set<std::tuple<uint64_t, int, std::string>> seen;

  GroupKeys groups() const {
    GroupKeys keys;
    for (const FileFindingGroup& group : result->groups) {
      keys.emplace(group.finding.kind, group.point.index, group.point.stack);
    }
    return keys;
  }
};

FileRun RunOf(const ProgramText& text, size_t begin, const FileTree& initial) {
  FileRun run{.initial = initial, .events = {}, .survey = {}};
  for (size_t i = begin; i < text.events().size(); ++i) {
    IoEvent event = text.events()[i];
    if (event.kind == IoEvent::Kind::kSyncBegin || event.kind == IoEvent::Kind::kSyncEnd) {
      event.begin -= begin;
    }
    run.events.push_back(event);
  }
  return run;
}

FileRun RunOf(const std::string& setup, const std::string& program) {
  ProgramText text;
  text.Run(setup);
  const size_t begin = text.events().size();
  const FileTree initial = text.tree();
  text.Run(program);
  return RunOf(text, begin, initial);
}

using Recovery = std::function<std::string(const std::string& folder)>;

FileExploreOptions OptionsFor(const std::string& strategy, const std::string& file_system) {
  FileExploreOptions options;
  options.file_system = *FindFileSystem(file_system);
  options.model = {.sector_bytes = 2, .block_bytes = 4};
  options.strategy = *ParseFileStrategy(strategy);
  return options;
}

Explored Explore(const FileRun& run, const FileExploreOptions& options, const Recovery& recovery,
                 unsigned workers = 2, double timeout_s = 60) {
  FunctionRecoverer recoverer(
      [&](const std::vector<std::string>& paths, const std::string& /*context*/) {
        return recovery(paths.front());
      });
  NotingJudge judge;
  const ExploreHooks hooks;
  Explored explored;
  explored.result = ExploreFiles(run, options, {.workers = workers, .timeout_s = timeout_s},
                                 &recoverer, &judge, hooks);
  explored.seen = judge.seen;
  return explored;
}

class FileReadExplorerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!FileWatch::Supported()) GTEST_SKIP() << "sanitized";
  }
};

// `reads` finds what `all` finds; returns both numbers of recoveries.
std::pair<uint64_t, uint64_t> ExpectAlike(const FileRun& run, const Recovery& recovery,
                                          const std::string& file_system) {
  const Explored all = Explore(run, OptionsFor("all", file_system), recovery);
  const Explored reads = Explore(run, OptionsFor("reads", file_system), recovery);
  CHECK_OK(all.result.status());
  EXPECT_TRUE(reads.result.ok()) << reads.result.status().message();
  if (!reads.result.ok()) return {0, 0};
  EXPECT_TRUE(reads.result->every_state);
  EXPECT_EQ(reads.seen, all.seen);
  EXPECT_EQ(reads.groups(), all.groups());
  EXPECT_EQ(reads.result->outcomes, all.result->outcomes);
  return {reads.result->recoveries - reads.result->checks, all.result->recoveries};
}

TEST_F(FileReadExplorerTest, WhatIsNotReadIsNotBranchedOn) {
  const FileRun run = RunOf("create a; write a 0 AAAAAAAA; create b; write b 0 AAAAAAAA",
                            "write a 0 BBBBBBBB; write b 0 CCCCCCCC");
  const auto read = [](const std::string& folder) { return Pread(folder + "/a", 2, 2); };
  const auto [recoveries, all] = ExpectAlike(run, read, "posix");
  EXPECT_EQ(recoveries, 2u);
  EXPECT_EQ(all, 256u);
}

TEST_F(FileReadExplorerTest, EachWayToReadFindsWhatTheStrategyAllFinds) {
  const FileRun run =
      RunOf("create a; write a 0 AAAAAA; create b; write b 0 BB; mkdir d; create d/e",
            "write a 0 BBBB; append a CC; rename b d/c; unlink d/e; append d/c DD");
  const std::vector<std::pair<const char*, Recovery>> recoveries = {
      {"pread", [](const std::string& f) { return Pread(f + "/a", 1, 4); }},
      {"pread behind the end", [](const std::string& f) { return Pread(f + "/a", 6, 4); }},
      {"read", [](const std::string& f) { return ReadBySteps(f + "/a", 1); }},
      {"stat", [](const std::string& f) { return SizeOf(f + "/d/c"); }},
      {"mmap", [](const std::string& f) { return Mapped(f + "/a", 2); }},
      {"listing", [](const std::string& f) { return NamesIn(f + "/d"); }},
      {"missing", [](const std::string& f) { return Pread(f + "/d/e", 0, 1); }},
      {"through a rename",
       [](const std::string& f) {
         static_cast<void>(rename((f + "/d").c_str(), (f + "/g").c_str()));
         return Pread(f + "/g/c", 0, 4);
       }},
      {"rmdir",
       [](const std::string& f) {
         unlink((f + "/d/c").c_str());
         return std::to_string(rmdir((f + "/d").c_str()));
       }},
      {"threads",
       [](const std::string& f) {
         std::string a, c;
         std::thread one([&] { a = Pread(f + "/a", 0, 2); });
         std::thread two([&] { c = Pread(f + "/d/c", 0, 2); });
         one.join();
         two.join();
         return a + c;
       }},
      {"a crash",
       [](const std::string& f) {
         if (Pread(f + "/a", 0, 2) == "BB") abort();
         return std::string("fine");
       }},
      {"nothing", [](const std::string& /*f*/) { return std::string("empty"); }}};
  for (const auto& [name, recovery] : recoveries) {
    for (const char* file_system : {"posix", "ext4-ordered"}) {
      SCOPED_TRACE(fmt::format("{} on {}", name, file_system));
      const auto [by_reads, all] = ExpectAlike(run, recovery, file_system);
      EXPECT_LE(by_reads, all);
    }
  }
}

TEST_F(FileReadExplorerTest, WhichNamesAreOfOneFileTellsTreesApart) {
  const FileRun run = RunOf("create a; write a 0 AA; link a b; create c; write c 0 AA; link c d",
                            "exchange b c; fsync a");
  const auto write_and_read = [](const std::string& folder) {
    const int fd = open((folder + "/a").c_str(), O_WRONLY | O_CLOEXEC);
    static_cast<void>(pwrite(fd, "ZZ", 2, 0));
    close(fd);
    return Pread(folder + "/b", 0, 2) + SizeOf(folder + "/b");
  };
  ExpectAlike(run, write_and_read, "posix");
}

// A recovery as a list of steps, drawn with a seed; what it does depends on what it has found.
class RandomRecovery {
 public:
  explicit RandomRecovery(uint64_t seed) : seed_(seed) {}

  std::string operator()(const std::string& folder) const {
    std::mt19937_64 random(seed_);
    std::string answer;
    const uint64_t steps = 1 + random() % 4;
    for (uint64_t i = 0; i < steps; ++i) {
      answer += Step(folder, random() % 12, random(), random() % 4 == 0 ? answer : "") + '|';
    }
    return answer;
  }

 private:
  static std::string Step(const std::string& folder, uint64_t kind, uint64_t drawn,
                          const std::string& before) {
    // What was found decides where to look next.
    drawn += std::hash<std::string>()(before) % 7;
    const std::string path = folder + '/' + PathOf(drawn);
    const auto offset = static_cast<off_t>(drawn / 16 % 8);
    switch (kind) {
      case 0:
        return NamesIn(folder);
      case 1:
        return NamesIn(path);
      case 2:
        return SizeOf(path);
      case 3:
        return ReadBySteps(path, 1 + drawn / 16 % 3);
      case 4:
        return Mapped(path, static_cast<size_t>(offset));
      case 5:
        return access(path.c_str(), F_OK) == 0 ? "there" : "none";
      case 6: {  // reads what it has written itself
        const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
        if (fd < 0) return "none";
        static_cast<void>(pwrite(fd, "zz", 2, offset));
        const std::string end = std::to_string(lseek(fd, 0, SEEK_END));
        close(fd);
        return end + Pread(path, 0, 3);
      }
      case 7: {
        const std::string to = folder + '/' + PathOf(drawn / 16);
        return std::to_string(rename(path.c_str(), to.c_str())) + Pread(to, 0, 2);
      }
      case 8:
        return std::to_string(unlink(path.c_str())) + NamesIn(folder);
      case 9:
        return std::to_string(truncate(path.c_str(), 3)) + Pread(path, 0, 9);
      default:
        return Pread(path, offset, 1 + drawn / 128 % 4);
    }
  }

  static std::string PathOf(uint64_t drawn) {
    constexpr const char* kPaths[] = {"a", "b", "c", "a/a", "a/b", "b/a", "b/c", "c/b"};
    return kPaths[drawn % 16 < 9 ? drawn % 3 : drawn % 8];
  }

  const uint64_t seed_;
};

// What `all` would take, at all crash points.
double StatesOf(const FileRun& run, const FileExploreOptions& options) {
  PosixModel model(*options.file_system, options.model, run.initial);
  FileWalk walk(run.events, &model);
  double states = 0;
  while (walk.Next()) {
    double here = 0;
    model.ForEachState([&](const auto&) { return ++here < 1000; });
    states += here;
  }
  CHECK_OK(walk.status());
  return states;
}

TEST_F(FileReadExplorerTest, RandomRecoveriesOfRandomProgramsFindWhatTheStrategyAllFinds) {
  uint64_t by_reads = 0, by_all = 0, explored = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    const FileSystemRow& row = FileSystems()[seed % FileSystems().size()];
    RandomProgram program(seed);
    program.Run(3 + seed % 4);
    const size_t begin = program.text().events().size();
    const FileTree initial = program.text().tree();
    const std::string text = program.Run(4 + seed % 4);
    const FileRun run = RunOf(program.text(), begin, initial);
    if (StatesOf(run, OptionsFor("all", std::string(row.name))) > 300) continue;
    SCOPED_TRACE(fmt::format("seed {} on {}: {}", seed, row.name, text));
    const auto [reads, all] = ExpectAlike(run, RandomRecovery(seed), std::string(row.name));
    by_reads += reads;
    by_all += all;
    ++explored;
    if (HasFailure()) return;
  }
  EXPECT_GT(explored, 200u);
  EXPECT_LT(by_reads, by_all / 2);
}

// A log of records, one operation each, of which none is synced.
FileRun LogRun(int operations) {
  std::string program;
  for (int i = 0; i < operations; ++i) program += fmt::format("append log {:04}; ", i % 10000);
  return RunOf("create log", program);
}

// Reads record by record until one is not as it should be.
std::string ReadLog(const std::string& folder) {
  const int fd = open((folder + "/log").c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  for (int i = 0;; ++i) {
    std::string record(4, '\0');
    if (pread(fd, record.data(), 4, 4 * i) != 4 || record != fmt::format("{:04}", i)) break;
    text = record;
  }
  close(fd);
  return text;
}

TEST_F(FileReadExplorerTest, ALogThatIsReadRecordByRecordTakesFewRecoveries) {
  const Explored explored = Explore(LogRun(20), OptionsFor("reads", "posix"), ReadLog);
  CHECK_OK(explored.result.status());
  EXPECT_TRUE(explored.result->every_state);
  EXPECT_GT(explored.result->log10_raw_states, 12);
  EXPECT_EQ(explored.seen.size(), 21u);
  EXPECT_LE(explored.result->recoveries, 21u * 4 + explored.result->checks);
  EXPECT_GT(explored.result->checks, 10u);
}

TEST_F(FileReadExplorerTest, WhatIsKnownIsNotRecoveredAgainAtTheNextCrashPoint) {
  const auto read = [](const std::string& folder) { return Pread(folder + "/a", 0, 2); };
  const std::string setup = "create a; write a 0 AA; create b; create c";
  const Explored once = Explore(RunOf(setup, "write a 0 BB; "), OptionsFor("reads", "posix"), read);
  const Explored often =
      Explore(RunOf(setup, "write a 0 BB; append b X; fsync b; append c Y; fsync c; append b Z"),
              OptionsFor("reads", "posix"), read);
  CHECK_OK(once.result.status());
  CHECK_OK(often.result.status());
  EXPECT_EQ(often.result->crash_points, 3u);
  EXPECT_EQ(often.result->recoveries - often.result->checks,
            once.result->recoveries - once.result->checks);
}

TEST_F(FileReadExplorerTest, TheResultDoesNotDependOnTheNumberOfWorkers) {
  const FileRun run = LogRun(10);
  const Explored one = Explore(run, OptionsFor("reads", "posix"), ReadLog, 1);
  const Explored three = Explore(run, OptionsFor("reads", "posix"), ReadLog, 3);
  EXPECT_EQ(one.seen, three.seen);
  EXPECT_EQ(one.result->recoveries, three.result->recoveries);
  EXPECT_EQ(one.result->states, three.result->states);
}

TEST_F(FileReadExplorerTest, ABudgetOfACrashPointEndsInSamplesAndSaysSo) {
  const FileRun run = LogRun(16);
  const auto whole = [](const std::string& folder) { return ReadBySteps(folder + "/log", 100); };
  FileExploreOptions options = OptionsFor("reads", "posix");
  options.reads = {.recoveries = 50, .states = 1000, .samples = 40};
  const Explored explored = Explore(run, options, whole);
  CHECK_OK(explored.result.status());
  EXPECT_TRUE(explored.result->states_cut);
  EXPECT_FALSE(explored.result->every_state);
  EXPECT_GT(explored.result->recoveries, 50u);
  EXPECT_LT(explored.result->recoveries, 50u + 16 + 40 + 32);
  const Explored again = Explore(run, options, whole);
  EXPECT_EQ(again.seen, explored.seen);
  options.seed = 2;
  EXPECT_NE(Explore(run, options, whole).seen, explored.seen);
}

TEST_F(FileReadExplorerTest, WithoutSamplesItIsToldAllTheSameThatSomethingIsLeft) {
  FileExploreOptions options = OptionsFor("reads", "posix");
  options.reads = {.recoveries = 2, .states = 1000, .samples = 0};
  const auto whole = [](const std::string& folder) { return ReadBySteps(folder + "/log", 100); };
  const Explored explored = Explore(LogRun(10), options, whole);
  CHECK_OK(explored.result.status());
  EXPECT_FALSE(explored.result->every_state);
}

const Recovery kByAnotherProgram = [](const std::string& folder) {
  const std::string command = "cat " + folder + "/a";
  std::string text;
  if (FILE* const pipe = popen(command.c_str(), "r")) {
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    pclose(pipe);
  }
  return text;
};

TEST_F(FileReadExplorerTest, ARecoveryThatReadsInAWayThatIsNotWatchedIsRefused) {
  const FileRun run = RunOf("create a; write a 0 AAAA", "write a 0 BBBB");
  const Explored explored = Explore(run, OptionsFor("reads", "posix"), kByAnotherProgram);
  EXPECT_EQ(explored.result.status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(explored.result.status().message(),
            "the recovery cannot be watched: it starts another program");
  EXPECT_TRUE(explored.seen.empty());
}

TEST_F(FileReadExplorerTest, AnotherStrategyTakesItsPlaceIfThereIsOneAndThatIsSaid) {
  const FileRun run = RunOf("create a; write a 0 AAAA", "write a 0 BBBB");
  FileExploreOptions options = OptionsFor("reads", "posix");
  options.unwatched = *ParseFileStrategy("one-missing");
  const Explored explored = Explore(run, options, kByAnotherProgram);
  CHECK_OK(explored.result.status());
  EXPECT_EQ(explored.result->unwatched,
            "the recovery cannot be watched: it starts another program");
  EXPECT_FALSE(explored.result->every_state);
  const Explored one_missing = Explore(run, OptionsFor("one-missing", "posix"), kByAnotherProgram);
  EXPECT_EQ(explored.seen, one_missing.seen);
}

TEST_F(FileReadExplorerTest, ARecoveryThatDependsOnSomethingElseIsNotDeterministic) {
  const std::string beside = (fs::temp_directory_path() / fmt::format("beside-{}", getpid()));
  // Counts in a file outside of its folder.
  const Recovery counting = [&](const std::string& folder) {
    const std::string count = fs::exists(beside) ? ReadFile(beside) : "";
    WriteFile(beside, count + 'x');
    return Pread(folder + "/a", 0, 2) + std::to_string(count.size());
  };
  const Explored explored = Explore(RunOf("create a; write a 0 AAAA", "write a 0 BBBB"),
                                    OptionsFor("reads", "posix"), counting);
  fs::remove(beside);
  EXPECT_EQ(explored.result.status().code(), StatusCode::kInternal);
  EXPECT_NE(explored.result.status().message().find("not deterministic"), std::string_view::npos);
}

TEST_F(FileReadExplorerTest, WhatIsReadUnseenIsFoundByChangingIt) {
  // Past the filter of calls.
  const Recovery unseen = [](const std::string& folder) {
    const std::string path = folder + "/b";
    const int64_t fd = KernelCall(SYS_open, reinterpret_cast<uint64_t>(path.c_str()), O_RDONLY);
    std::string text(2, ' ');
    KernelCall(SYS_pread64, static_cast<uint64_t>(fd), reinterpret_cast<uint64_t>(text.data()), 2);
    KernelCall(SYS_close, static_cast<uint64_t>(fd));
    return Pread(folder + "/a", 0, 2) + text;
  };
  const Explored explored =
      Explore(RunOf("create a; write a 0 AA; create b; write b 0 AA", "write a 0 BB; write b 0 BB"),
              OptionsFor("reads", "posix"), unseen);
  EXPECT_EQ(explored.result.status().code(), StatusCode::kInternal);
  EXPECT_NE(explored.result.status().message().find("reads in a way that is not seen"),
            std::string_view::npos);
}

TEST_F(FileReadExplorerTest, ARecoveryThatHangsIsAnOutcome) {
  const Recovery hangs = [](const std::string& folder) {
    while (Pread(folder + "/a", 0, 2) == "BB") pause();
    return std::string("fine");
  };
  const Explored explored = Explore(RunOf("create a; write a 0 AAAA", "write a 0 BBBB"),
                                    OptionsFor("reads", "posix"), hangs, 2, 0.5);
  CHECK_OK(explored.result.status());
  EXPECT_EQ(explored.seen, (std::set<std::tuple<uint64_t, int, std::string>>{
                               {0, static_cast<int>(Outcome::End::kAnswered), "fine"},
                               {0, static_cast<int>(Outcome::End::kTimedOut), ""}}));
}

TEST_F(FileReadExplorerTest, ShardsTogetherFindWhatOneFinds) {
  const FileRun run = RunOf("create a; create b",
                            "append a AA; fsync a; append b BB; append a CC; fsync a; "
                            "append a DD");
  const auto read = [](const std::string& folder) {
    return ReadBySteps(folder + "/a", 2) + ReadBySteps(folder + "/b", 1);
  };
  FileExploreOptions options = OptionsFor("reads", "posix");
  const Explored whole = Explore(run, options, read);
  options.shards = 2;
  std::set<std::tuple<uint64_t, int, std::string>> together;
  for (options.shard = 0; options.shard < 2; ++options.shard) {
    const Explored part = Explore(run, options, read);
    CHECK_OK(part.result.status());
    EXPECT_FALSE(part.result->every_state);
    EXPECT_LT(part.seen.size(), whole.seen.size());
    together.insert(part.seen.begin(), part.seen.end());
  }
  EXPECT_EQ(together, whole.seen);
}

// Uses the store on: that is not watched, and what comes of it is judged.
class UsingRecoverer : public Recoverer {
 public:
  std::string Recover(const std::vector<std::string>& paths, const std::string& context) override {
    return "used " + RecoverOnly(paths, context) + Pread(paths.front() + "/b", 0, 2);
  }
  std::string RecoverOnly(const std::vector<std::string>& paths,
                          const std::string& /*context*/) override {
    return Pread(paths.front() + "/a", 0, 2);
  }
  bool UsesOn() const override { return true; }
};

TEST_F(FileReadExplorerTest, EachOutcomeIsUsedOnOnce) {
  const FileRun run = RunOf("create a; write a 0 AA; create b; write b 0 BB",
                            "write a 0 CC; write b 0 DD; fsync b; append b X");
  UsingRecoverer recoverer;
  NotingJudge judge;
  const ExploreHooks hooks;
  const auto result =
      ExploreFiles(run, OptionsFor("reads", "posix"), {}, &recoverer, &judge, hooks);
  CHECK_OK(result.status());
  std::multiset<std::string> used;
  for (const auto& [point, end, answer] : judge.seen) {
    if (answer.starts_with("used")) used.insert(answer.substr(0, 7));
  }
  EXPECT_EQ(used, (std::multiset<std::string>{"used AA", "used CC"}));
}

}  // namespace
}  // namespace fencepost
