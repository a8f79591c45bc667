// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/recovery_pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kFile = 1;
constexpr size_t kBytes = 3 * 4096 + 100;

std::string Letters(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

// The process's children, by /proc.
std::vector<pid_t> Children() {
  std::ifstream in(fmt::format("/proc/self/task/{}/children", getpid()));
  std::vector<pid_t> children;
  for (pid_t child = 0; in >> child;) children.push_back(child);
  return children;
}

bool Runs(pid_t process) {
  std::ifstream in(fmt::format("/proc/{}/stat", process));
  std::string number, name, state;
  return static_cast<bool>(in >> number >> name >> state) && state != "Z";
}

// Never ends by itself; the process group, and so the terminal, is the one it was in.
[[noreturn]] void Linger() {
  for (;;) pause();
}

class RecoveryPoolTest : public ::testing::Test {
 protected:
  RecoveryPoolTest() {
    WriteFile(folder_.path() / "initial", Letters(kBytes));
    fs::create_directories(scratch());
    CHECK(images_.AddFile(kFile, "/some/pool.dat", folder_.path() / "initial").ok());
  }
  ~RecoveryPoolTest() override {
    pool_.reset();
    EXPECT_EQ(EntriesOf(scratch()), 0u);
    EXPECT_TRUE(Children().empty());
    EXPECT_EQ(ReadFile(folder_.path() / "initial"), Letters(kBytes));
  }

  fs::path scratch() const { return folder_.path() / "scratch"; }

  // Does `misdeed` to the image if the context says so; the answer is what the image held before.
  void Start(std::function<void(const std::string& path)> misdeed, double timeout_s = 60,
             unsigned workers = 1) {
    recoverer_ = std::make_unique<FunctionRecoverer>(
        [misdeed](const std::vector<std::string>& paths, const std::string& context) {
          CHECK(paths.size() == 1);
          const std::string answer = ReadFile(paths.front());
          if (context == "misbehave") misdeed(paths.front());
          return answer;
        });
    auto pool =
        RecoveryPool::Start({.workers = workers, .timeout_s = timeout_s, .scratch_root = scratch()},
                            &images_, recoverer_.get(), [this](uint64_t job, Outcome outcome) {
                              EXPECT_TRUE(outcomes_.try_emplace(job, std::move(outcome)).second);
                            });
    ASSERT_TRUE(pool.ok()) << pool.status().message();
    pool_ = std::move(*pool);
  }

  Outcome Recover(const std::string& context = "", const CrashState& state = {}) {
    const uint64_t job = next_job_++;
    EXPECT_TRUE(pool_->Submit(job, state, context).ok());
    EXPECT_TRUE(pool_->Drain().ok());
    EXPECT_TRUE(outcomes_.contains(job));
    return outcomes_[job];
  }

  // What the image of a state holds.
  std::string Expected(const CrashState& state = {}) const {
    const std::vector<uint8_t>& bytes = images_.files().at(kFile).bytes;
    std::string expected(bytes.begin(), bytes.end());
    for (const auto& [id, line] : state) {
      for (size_t i = 0; i < kLineBytes; ++i) {
        const size_t at = id.number * kLineBytes + i;
        if (at < expected.size()) expected[at] = static_cast<char>(line.bytes[i]);
      }
    }
    return expected;
  }

  // The misdeed's outcome; that the next recovery sees a clean image whatever it was.
  Outcome Misbehave() {
    Outcome outcome = Recover("misbehave");
    for (int i = 0; i < 2; ++i) {
      const Outcome next = Recover();
      EXPECT_EQ(next.end, Outcome::End::kAnswered);
      EXPECT_TRUE(next.answer == Expected());
    }
    return outcome;
  }

  static CrashState RandomState(std::mt19937_64& random) {
    CrashState state;
    for (size_t i = random() % 6; i > 0; --i) {
      // The last line is cut by the file's end, and one may lie beyond it.
      LineState& line = state[{kFile, random() % (kBytes / kLineBytes + 2)}];
      line.bytes.fill(static_cast<uint8_t>(random()));
    }
    return state;
  }

  TemporaryFolder folder_;
  ImageSet images_;
  std::unique_ptr<FunctionRecoverer> recoverer_;
  std::unique_ptr<RecoveryPool> pool_;
  std::map<uint64_t, Outcome> outcomes_;
  uint64_t next_job_ = 1;
};

void Scribble(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR);
  void* const base = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(base != MAP_FAILED);
  std::memset(base, 0xee, kBytes);
  CHECK(pwrite(fd, "scribble", 8, kBytes - 8) == 8);
  munmap(base, kBytes);
  close(fd);
}

TEST_F(RecoveryPoolTest, ARecoveryReadsTheStateWhateverEarlierOnesHaveWritten) {
  for (const unsigned workers : {1u, 3u}) {
    Start(Scribble, 60, workers);
    std::mt19937_64 random(workers);
    for (int round = 0; round < 60; ++round) {
      LineBytes bytes;
      bytes.fill(static_cast<uint8_t>(random()));
      for (size_t i = random() % 4; i > 0; --i) {
        images_.WriteLine({kFile, random() % (kBytes / kLineBytes + 1)}, bytes);
      }
      const CrashState state = RandomState(random);
      const Outcome outcome = Recover(random() % 2 == 0 ? "misbehave" : "", state);
      ASSERT_EQ(outcome.end, Outcome::End::kAnswered);
      ASSERT_TRUE(outcome.answer == Expected(state)) << workers << " workers, round " << round;
    }
    pool_.reset();
  }
}

TEST_F(RecoveryPoolTest, RecoveriesUnderWayTogetherSeeTheirOwnStates) {
  Start(Scribble, 60, 3);
  std::mt19937_64 random(5);
  std::map<uint64_t, std::string> expected;
  for (int round = 0; round < 100; ++round) {
    const CrashState state = RandomState(random);
    if (round % 7 == 0) images_.WriteLine({kFile, random() % 100}, LineBytes{});
    expected[next_job_] = Expected(state);
    ASSERT_TRUE(pool_->Submit(next_job_++, state, "misbehave").ok());
  }
  ASSERT_TRUE(pool_->Drain().ok());
  ASSERT_EQ(outcomes_.size(), expected.size());
  for (const auto& [job, image] : expected) EXPECT_TRUE(outcomes_[job].answer == image) << job;
}

TEST_F(RecoveryPoolTest, AFileThatChangesItsSizeIsFollowed) {
  Start(Scribble);
  for (const uint64_t size : {uint64_t{5000}, uint64_t{20000}, uint64_t{0}, uint64_t{77}}) {
    images_.Resize(kFile, size);
    const Outcome outcome = Recover();
    EXPECT_EQ(outcome.answer.size(), size);
    EXPECT_TRUE(outcome.answer == Expected());
  }
}

TEST_F(RecoveryPoolTest, TheImageHasTheNameThatTheProgramUsed) {
  FunctionRecoverer names([](const std::vector<std::string>& paths, const std::string&) {
    std::string all;
    for (const std::string& path : paths) all += fs::path(path).filename().string() + " ";
    return all;
  });
  ImageSet images;
  ASSERT_TRUE(images.AddFile(1, "/one/2-pool", {}).ok());
  ASSERT_TRUE(images.AddFile(2, "/two/pool", {}).ok());
  ASSERT_TRUE(images.AddFile(3, "/three/pool", {}).ok());
  std::string answer;
  auto pool = RecoveryPool::Start({.scratch_root = scratch()}, &images, &names,
                                  [&](uint64_t, Outcome outcome) { answer = outcome.answer; });
  ASSERT_TRUE(pool.ok()) << pool.status().message();
  ASSERT_TRUE((*pool)->Submit(1, {}, "").ok());
  ASSERT_TRUE((*pool)->Drain().ok());
  EXPECT_EQ(answer, "2-pool pool 3-pool ");
}

TEST_F(RecoveryPoolTest, LongContextsAndAnswersComeThrough) {
  FunctionRecoverer echo([](const std::vector<std::string>&, const std::string& context) {
    return context + context;
  });
  std::string answer;
  auto pool = RecoveryPool::Start({.scratch_root = scratch()}, &images_, &echo,
                                  [&](uint64_t, Outcome outcome) { answer = outcome.answer; });
  ASSERT_TRUE(pool.ok());
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{1} << 20}) {
    ASSERT_TRUE((*pool)->Submit(1, {}, Letters(bytes)).ok());
    ASSERT_TRUE((*pool)->Drain().ok());
    EXPECT_TRUE(answer == Letters(bytes) + Letters(bytes)) << bytes;
  }
}

TEST_F(RecoveryPoolTest, AHangIsKilledInTime) {
  Start([](const std::string&) { Linger(); }, /*timeout_s=*/0.3);
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = Recover("misbehave");
  EXPECT_EQ(outcome.end, Outcome::End::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  // The next may need longer than this test's time-out, where the machine is busy.
  pool_.reset();
  Start([](const std::string&) { Linger(); });
  EXPECT_TRUE(Recover().answer == Expected());
}

TEST_F(RecoveryPoolTest, AHangThatRefusesSigtermIsKilledToo) {
  Start(
      [](const std::string&) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        setsid();
        Linger();
      },
      /*timeout_s=*/0.3);
  EXPECT_EQ(Recover("misbehave").end, Outcome::End::kTimedOut);
}

TEST_F(RecoveryPoolTest, ASignalIsReportedWithWhatWasSaid) {
  Start([](const std::string&) {
    CHECK(write(STDERR_FILENO, "the end is near", 15) == 15);
    kill(getpid(), SIGTRAP);
    Linger();
  });
  const Outcome outcome = Misbehave();
  EXPECT_EQ(outcome.end, Outcome::End::kSignal);
  EXPECT_EQ(outcome.code, SIGTRAP);
  EXPECT_EQ(outcome.complaint, "the end is near");
  EXPECT_TRUE(outcome.answer.empty());
}

TEST_F(RecoveryPoolTest, AnOrderToEndFromOutsideIsNoDeathOfARecovery) {
  Start([](const std::string&) {
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) kill(getpid(), number);
  });
  EXPECT_EQ(Misbehave().end, Outcome::End::kAnswered);
}

TEST_F(RecoveryPoolTest, AnExitIsReported) {
  Start([](const std::string&) { _exit(7); });
  const Outcome outcome = Misbehave();
  EXPECT_EQ(outcome.end, Outcome::End::kExited);
  EXPECT_EQ(outcome.code, 7);
}

TEST_F(RecoveryPoolTest, AnExitIsSeenAtOnceThoughAChildHoldsThePipeOpen) {
  Start([](const std::string&) {
    if (fork() == 0) {
      setsid();
      Linger();
    }
    _exit(9);
  });
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = Misbehave();
  EXPECT_EQ(outcome.end, Outcome::End::kExited);
  EXPECT_EQ(outcome.code, 9);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(Children().size(), 1u);
}

// A child, in a session of its own, that would spoil every later image if it could.
void LeaveASpoiler(const std::string& path, bool orphan, const fs::path& tell) {
  const pid_t child = fork();
  if (child != 0) {
    if (orphan) waitpid(child, nullptr, 0);
    while (!fs::exists(tell)) usleep(1000);
    return;
  }
  if (orphan && fork() != 0) _exit(0);
  setsid();
  signal(SIGTERM, SIG_IGN);
  WriteFile(tell.string() + ".new", fmt::format("{}", getpid()));
  fs::rename(tell.string() + ".new", tell);
  for (;;) {
    const int fd = open(path.c_str(), O_RDWR);
    if (fd >= 0) {
      static_cast<void>(!pwrite(fd, "spoiled", 7, 0));
      close(fd);
    }
    usleep(100);
  }
}

TEST_F(RecoveryPoolTest, WhatARecoveryLeavesRunningIsKilledBeforeTheNext) {
  for (const bool orphan : {false, true}) {
    const fs::path tell = folder_.path() / (orphan ? "orphan" : "child");
    Start([=](const std::string& path) { LeaveASpoiler(path, orphan, tell); });
    EXPECT_EQ(Misbehave().end, Outcome::End::kAnswered);
    const pid_t spoiler = std::stoi(ReadFile(tell));
    EXPECT_FALSE(Runs(spoiler)) << spoiler;
    pool_.reset();
  }
}

TEST_F(RecoveryPoolTest, WhatAKilledRecoveryHasStartedIsKilled) {
  const fs::path tell = folder_.path() / "tell";
  Start(
      [=](const std::string& path) {
        LeaveASpoiler(path, /*orphan=*/true, tell);
        Linger();
      },
      /*timeout_s=*/3);
  EXPECT_EQ(Recover("misbehave").end, Outcome::End::kTimedOut);
  EXPECT_FALSE(Runs(std::stoi(ReadFile(tell))));
}

TEST_F(RecoveryPoolTest, AChildThatComesBackFromTheRecoveryDoesNotAnswerForIt) {
  Start([](const std::string&) { static_cast<void>(!fork()); });
  EXPECT_EQ(Misbehave().end, Outcome::End::kAnswered);
  EXPECT_EQ(outcomes_.size(), 3u);
}

TEST_F(RecoveryPoolTest, AWorkerThatDiesAfterItsAnswerIsReplaced) {
  const fs::path tell = folder_.path() / "tell";
  Start([=](const std::string&) { WriteFile(tell, std::to_string(getpid())); });
  EXPECT_EQ(Recover("misbehave").end, Outcome::End::kAnswered);
  const pid_t worker = std::stoi(ReadFile(tell));
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  // Until it is dead, the next recovery might still be handed to it; the pool is who reaps it.
  siginfo_t dead;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(worker), &dead, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(Recover().answer == Expected());
}

TEST_F(RecoveryPoolTest, WhateverItDoesToItsFilesTheNextHasThemAnew) {
  const std::vector<std::pair<std::string, std::function<void(const std::string&)>>> misdeeds = {
      {"unlink", [](const std::string& path) { CHECK(unlink(path.c_str()) == 0); }},
      {"truncate", [](const std::string& path) { CHECK(truncate(path.c_str(), 100) == 0); }},
      {"extend", [](const std::string& path) { CHECK(truncate(path.c_str(), 100'000) == 0); }},
      {"replace",
       [](const std::string& path) {
         WriteFile(path + ".new", std::string(kBytes, 'n'));
         fs::rename(path + ".new", path);
       }},
      {"chmod", [](const std::string& path) { CHECK(chmod(path.c_str(), 0) == 0); }},
      {"extra file", [](const std::string& path) { WriteFile(path + ".lock", "x"); }},
      {"extra folder",
       [](const std::string& path) { fs::create_directories(path + ".d/deep/down"); }},
      {"punch a hole",
       [](const std::string& path) {
         const int fd = open(path.c_str(), O_RDWR);
         CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192) == 0);
         close(fd);
       }},
      {"remove the folder",
       [](const std::string& path) { fs::remove_all(fs::path(path).parent_path()); }},
  };
  for (const auto& entry : misdeeds) {
    SCOPED_TRACE(entry.first);
    const auto& misdeed = entry.second;
    Start([&](const std::string& path) {
      CHECK(!fs::exists(path + ".lock") && !fs::exists(path + ".d"));
      misdeed(path);
    });
    const Outcome outcome = Misbehave();
    EXPECT_EQ(outcome.end, Outcome::End::kAnswered);
    EXPECT_TRUE(outcome.answer == Expected());
    // Once more: the first time the worker was replaced.
    EXPECT_EQ(Recover("misbehave").end, Outcome::End::kAnswered);
    pool_.reset();
  }
}

TEST_F(RecoveryPoolTest, APoolThatGoesAwayKillsWhatIsUnderWay) {
  const fs::path tell = folder_.path() / "tell";
  Start([=](const std::string&) {
    WriteFile(tell.string() + ".new", fmt::format("{}", getpid()));
    fs::rename(tell.string() + ".new", tell);
    Linger();
  });
  ASSERT_TRUE(pool_->Submit(1, {}, "misbehave").ok());
  while (!fs::exists(tell)) usleep(1000);
  pool_.reset();
  EXPECT_FALSE(Runs(std::stoi(ReadFile(tell))));
  EXPECT_TRUE(outcomes_.empty());
}

TEST_F(RecoveryPoolTest, WithoutAScratchFolderItDoesNotStart) {
  FunctionRecoverer recoverer = WholeImage();
  const auto pool = RecoveryPool::Start({.scratch_root = folder_.path() / "none"}, &images_,
                                        &recoverer, [](uint64_t, Outcome) {});
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.status().code(), StatusCode::kIoError);
}

TEST_F(RecoveryPoolTest, WrittenImagesAreThoseOfTheState) {
  std::mt19937_64 random(3);
  ImageSet images;
  ASSERT_TRUE(images.AddFile(kFile, "/some/image", folder_.path() / "initial").ok());
  const CrashState state = RandomState(random);
  const auto paths = WriteImages(images, state, folder_.path() / "written");
  ASSERT_TRUE(paths.ok()) << paths.status().message();
  ASSERT_EQ(paths->size(), 1u);
  EXPECT_EQ(paths->front(), (folder_.path() / "written" / "image").string());
  EXPECT_TRUE(ReadFile(paths->front()) == Expected(state));
  EXPECT_EQ(EntriesOf(folder_.path() / "written"), 1u);
}

}  // namespace
}  // namespace fencepost
