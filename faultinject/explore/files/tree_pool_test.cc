// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/tree_pool.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// Of this process, which is the subreaper of all below it.
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

[[noreturn]] void Linger() {
  for (;;) pause();
}

// A file `data` of these bytes, and a directory `sub` with `more` in it.
FileTree TreeOf(const std::string& data) {
  FileTree tree;
  Inode file, sub, more;
  file.content.Write(0, data);
  sub.type = InodeType::kDirectory;
  sub.entries = {{"more", 3}};
  more.content.Write(0, "more of " + data);
  tree.Add(1, file);
  tree.Add(2, sub);
  tree.Add(3, more);
  tree.mutable_inode(kRootInode).entries = {{"data", 1}, {"sub", 2}};
  return tree;
}

class TreePoolTest : public testing::Test {
 protected:
  TreePoolTest() { fs::create_directories(scratch()); }
  ~TreePoolTest() override {
    pool_.reset();
    EXPECT_EQ(EntriesOf(scratch()), 0u);
    EXPECT_TRUE(Children().empty());
  }

  fs::path scratch() const { return folder_.path() / "scratch"; }

  static std::string Expected(const FileTree& tree, const std::string& context = "") {
    return fmt::format("{} {}", tree.Hash(), context);
  }

  using Deed = std::function<void(const fs::path& folder)>;

  // The answer is what the folder holds (hash of the tree), then the context; the deed is done if
  // the context is "misbehave".
  void Start(Deed deed, double timeout_s = 60, unsigned workers = 1) {
    recoverer_ = std::make_unique<FunctionRecoverer>(
        [deed](const std::vector<std::string>& paths, const std::string& context) -> std::string {
          CHECK(paths.size() == 1);
          const Result<FileTree> tree = FileTree::Read(paths.front());
          if (context == "misbehave") deed(paths.front());
          return tree.ok() ? Expected(*tree, context) : std::string(tree.status().message());
        });
    StartWith(recoverer_.get(), timeout_s, workers);
  }

  void StartWith(Recoverer* recoverer, double timeout_s = 60, unsigned workers = 1) {
    outcomes_.clear();
    auto pool =
        TreePool::Start({.workers = workers, .timeout_s = timeout_s, .scratch_root = scratch()},
                        recoverer, [this](uint64_t job, Outcome outcome) {
                          EXPECT_TRUE(outcomes_.try_emplace(job, std::move(outcome)).second);
                        });
    ASSERT_TRUE(pool.ok()) << pool.status().message();
    pool_ = std::move(*pool);
  }

  Outcome Recover(const FileTree& tree, const std::string& context = "") {
    const uint64_t job = next_job_++;
    const Status submitted = pool_->Submit(job, tree, context);
    EXPECT_TRUE(submitted.ok()) << submitted.message();
    EXPECT_TRUE(pool_->Drain().ok());
    EXPECT_TRUE(outcomes_.contains(job));
    return outcomes_[job];
  }

  // The misdeed's outcome; the next recoveries are answered whatever it was.
  Outcome Misbehave() {
    Outcome outcome = Recover(TreeOf("spoiled"), "misbehave");
    for (const char* data : {"spoiled", "next"}) {
      const Outcome next = Recover(TreeOf(data));
      EXPECT_EQ(next.end, Outcome::End::kAnswered);
      EXPECT_EQ(next.answer, Expected(TreeOf(data)));
    }
    return outcome;
  }

  TemporaryFolder folder_;
  std::unique_ptr<FunctionRecoverer> recoverer_;
  std::unique_ptr<TreePool> pool_;
  std::map<uint64_t, Outcome> outcomes_;
  uint64_t next_job_ = 1;
};

TEST_F(TreePoolTest, EachRecoverySeesItsOwnTreeAndContext) {
  for (const unsigned workers : {1u, 3u}) {
    Start([](const fs::path& at) { WriteFile(at / "data", "scribble"); }, 60, workers);
    std::map<uint64_t, std::string> expected;
    for (uint64_t i = 0; i < 60; ++i) {
      const FileTree tree = TreeOf(fmt::format("{}", i % 7));
      const std::string context = i % 3 == 0 ? "misbehave" : fmt::format("{}", i);
      expected[i] = Expected(tree, context);
      ASSERT_TRUE(pool_->Submit(i, tree, context).ok());
    }
    ASSERT_TRUE(pool_->Drain().ok());
    ASSERT_EQ(outcomes_.size(), expected.size());
    for (const auto& [job, answer] : expected) EXPECT_EQ(outcomes_[job].answer, answer) << job;
    pool_.reset();
  }
}

TEST_F(TreePoolTest, LongContextsAndAnswersComeThrough) {
  FunctionRecoverer echo([](const std::vector<std::string>&, const std::string& context) {
    return context + context;
  });
  StartWith(&echo);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{1} << 20}) {
    const std::string context(bytes, 'c');
    EXPECT_TRUE(Recover(TreeOf("x"), context).answer == context + context) << bytes;
  }
  pool_.reset();
}

TEST_F(TreePoolTest, ASignalIsReportedWithWhatWasSaidOfTheImage) {
  Start([](const fs::path& at) {
    const std::string said = at.string() + "/data is broken";
    CHECK(write(STDERR_FILENO, said.data(), said.size()) > 0);
    kill(getpid(), SIGTRAP);
    Linger();
  });
  const Outcome outcome = Misbehave();
  EXPECT_EQ(outcome.end, Outcome::End::kSignal);
  EXPECT_EQ(outcome.code, SIGTRAP);
  EXPECT_EQ(outcome.complaint, "{image}/data is broken");
  EXPECT_TRUE(outcome.answer.empty());
}

TEST_F(TreePoolTest, AnExitIsReported) {
  Start([](const fs::path&) { _exit(7); });
  const Outcome outcome = Misbehave();
  EXPECT_EQ(outcome.end, Outcome::End::kExited);
  EXPECT_EQ(outcome.code, 7);
}

// It must not unwind into what the owner was doing when it forked.
TEST_F(TreePoolTest, AnExceptionEndsTheRecoveryOnly) {
  Start([](const fs::path&) { throw std::runtime_error("thrown"); });
  const Outcome outcome = Misbehave();
  EXPECT_EQ(outcome.end, Outcome::End::kSignal);
  EXPECT_EQ(outcome.code, SIGABRT);
  EXPECT_NE(outcome.complaint.find("thrown"), std::string::npos) << outcome.complaint;
}

TEST_F(TreePoolTest, AHangIsKilledInTime) {
  Start(
      [](const fs::path&) {
        signal(SIGTERM, SIG_IGN);
        setsid();
        Linger();
      },
      /*timeout_s=*/0.3);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Recover(TreeOf("x"), "misbehave").end, Outcome::End::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

// A child in a session of its own that would spoil every later tree if it could.
void LeaveASpoiler(const fs::path& at, bool orphan, const fs::path& tell) {
  const pid_t child = fork();
  if (child != 0) {
    if (orphan) waitpid(child, nullptr, 0);
    while (!fs::exists(tell)) usleep(1000);
    return;
  }
  if (orphan && fork() != 0) _exit(0);
  setsid();
  WriteFile(tell.string() + ".new", fmt::format("{}", getpid()));
  fs::rename(tell.string() + ".new", tell);
  for (;;) {
    std::ofstream(at / "data") << "spoiled by what was left";
    usleep(100);
  }
}

TEST_F(TreePoolTest, WhatARecoveryLeavesRunningIsKilledBeforeTheNext) {
  for (const bool orphan : {false, true}) {
    const fs::path tell = folder_.path() / (orphan ? "orphan" : "child");
    Start([=](const fs::path& at) { LeaveASpoiler(at, orphan, tell); });
    EXPECT_EQ(Misbehave().end, Outcome::End::kAnswered);
    EXPECT_FALSE(Runs(std::stoi(ReadFile(tell))));
    pool_.reset();
  }
}

TEST_F(TreePoolTest, WhatADeadRecoveryHasStartedIsKilledAtOnce) {
  const fs::path tell = folder_.path() / "tell";
  Start([=](const fs::path& at) {
    LeaveASpoiler(at, /*orphan=*/true, tell);
    _exit(3);
  });
  EXPECT_EQ(Recover(TreeOf("x"), "misbehave").end, Outcome::End::kExited);
  EXPECT_FALSE(Runs(std::stoi(ReadFile(tell))));
  EXPECT_TRUE(Children().empty());
  EXPECT_EQ(Recover(TreeOf("y")).answer, Expected(TreeOf("y")));
}

TEST_F(TreePoolTest, WhatAWorkerStartsAfterItsAnswerIsKilledBeforeTheNext) {
  const fs::path tell = folder_.path() / "tell";
  const fs::path worker = folder_.path() / "worker";
  Start([=](const fs::path& at) {
    WriteFile(worker, std::to_string(getpid()));
    std::thread([=] {
      usleep(50'000);  // behind the answer
      LeaveASpoiler(at, /*orphan=*/true, tell);
      _exit(0);
    }).detach();
  });
  EXPECT_EQ(Recover(TreeOf("x"), "misbehave").end, Outcome::End::kAnswered);
  siginfo_t dead;
  const auto process = static_cast<id_t>(std::stoi(ReadFile(worker)));
  ASSERT_EQ(waitid(P_PID, process, &dead, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(Recover(TreeOf("y")).answer, Expected(TreeOf("y")));
  EXPECT_FALSE(Runs(std::stoi(ReadFile(tell))));
}

TEST_F(TreePoolTest, AWorkerThatDiesAfterItsAnswerIsReplaced) {
  const fs::path tell = folder_.path() / "tell";
  Start([=](const fs::path&) { WriteFile(tell, std::to_string(getpid())); });
  EXPECT_EQ(Recover(TreeOf("x"), "misbehave").end, Outcome::End::kAnswered);
  const pid_t worker = std::stoi(ReadFile(tell));
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  siginfo_t dead;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(worker), &dead, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(Recover(TreeOf("y")).answer, Expected(TreeOf("y")));
}

TEST_F(TreePoolTest, WhateverItDoesToItsFolderTheNextHasItAnew) {
  const std::vector<std::pair<const char*, Deed>> deeds = {
      {"remove all", [](const fs::path& at) { fs::remove_all(at); }},
      {"remove the parent", [](const fs::path& at) { fs::remove_all(at.parent_path()); }},
      {"a link in its place",
       [](const fs::path& at) {
         fs::remove_all(at.string() + ".moved");
         fs::rename(at, at.string() + ".moved");
         fs::create_symlink(at.string() + ".moved", at);
       }},
      {"no rights",
       [](const fs::path& at) {
         CHECK(chmod((at / "data").c_str(), 0) == 0);
         CHECK(chmod((at / "sub").c_str(), 0) == 0);
         CHECK(chmod(at.c_str(), 0) == 0);
       }},
      {"more files", [](const fs::path& at) { fs::create_directories(at / "sub" / "LOCK" / "x"); }},
      {"exchanged",
       [](const fs::path& at) {
         fs::rename(at / "sub", at / "was_sub");
         fs::rename(at / "data", at / "sub");
         fs::rename(at / "was_sub", at / "data");
       }},
  };
  for (const auto& [name, deed] : deeds) {
    SCOPED_TRACE(name);
    Start(deed);
    EXPECT_EQ(Misbehave().end, Outcome::End::kAnswered);
    EXPECT_EQ(Recover(TreeOf("again"), "misbehave").end, Outcome::End::kAnswered);
    pool_.reset();
    EXPECT_EQ(EntriesOf(scratch()), 0u);
  }
}

// Root may remove whatever it likes: this is for all others.
TEST_F(TreePoolTest, LockedDirectoriesLeaveNoLitterWhoeverItIs) {
  const uid_t self = geteuid();
  if (self == 0) {
    ASSERT_EQ(chmod(folder_.path().c_str(), 0777), 0);
    ASSERT_EQ(chmod(scratch().c_str(), 0777), 0);
    ASSERT_EQ(seteuid(65534), 0);
  }
  Start([](const fs::path& at) {
    fs::create_directories(at / "own" / "deep");
    WriteFile(at / "own" / "deep" / "f", "f");
    CHECK(chmod((at / "own" / "deep").c_str(), 0) == 0);
    CHECK(chmod((at / "own").c_str(), 0) == 0);
    CHECK(chmod(at.c_str(), 0500) == 0);
  });
  EXPECT_EQ(Misbehave().end, Outcome::End::kAnswered);
  EXPECT_EQ(Recover(TreeOf("x"), "misbehave").end, Outcome::End::kAnswered);
  pool_.reset();
  ASSERT_EQ(seteuid(self), 0);
  EXPECT_EQ(EntriesOf(scratch()), 0u);
}

TEST_F(TreePoolTest, APoolThatGoesAwayKillsWhatIsUnderWay) {
  const fs::path tell = folder_.path() / "tell";
  Start([=](const fs::path&) {
    WriteFile(tell.string() + ".new", fmt::format("{}", getpid()));
    fs::rename(tell.string() + ".new", tell);
    Linger();
  });
  ASSERT_TRUE(pool_->Submit(1, TreeOf("x"), "misbehave").ok());
  while (!fs::exists(tell)) usleep(1000);
  pool_.reset();
  EXPECT_FALSE(Runs(std::stoi(ReadFile(tell))));
  EXPECT_TRUE(outcomes_.empty());
}

TEST_F(TreePoolTest, WithoutAScratchFolderItDoesNotStart) {
  FunctionRecoverer recoverer = WholeImage();
  const auto pool = TreePool::Start({.scratch_root = folder_.path() / "none"}, &recoverer,
                                    [](uint64_t, Outcome) {});
  EXPECT_EQ(pool.status().code(), StatusCode::kIoError);
  EXPECT_NE(pool.status().message().find("none"), std::string::npos);
}

TEST_F(TreePoolTest, ATreeThatCannotBeMadeIsRefusedAndThePoolGoesOn) {
  Start([](const fs::path&) {});
  FileTree twice = TreeOf("x");
  twice.mutable_inode(kRootInode).entries.emplace("sub too", 2);
  EXPECT_EQ(pool_->Submit(77, twice, "").code(), StatusCode::kCorrupt);
  EXPECT_EQ(Recover(TreeOf("y")).answer, Expected(TreeOf("y")));
  EXPECT_FALSE(outcomes_.contains(77));
}

TEST_F(TreePoolTest, TheDefaultIsAFolderInMemoryThatIsGoneAfterwards) {
  const auto ours = [] {
    const std::string prefix = fmt::format("fencepost-{}-", getpid());
    int count = 0;
    for (const auto& entry : fs::directory_iterator("/dev/shm")) {
      if (entry.path().filename().string().starts_with(prefix)) ++count;
    }
    return count;
  };
  FunctionRecoverer names(
      [](const std::vector<std::string>& paths, const std::string&) { return paths.front(); });
  std::string answer;
  auto pool =
      TreePool::Start({}, &names, [&](uint64_t, Outcome outcome) { answer = outcome.answer; });
  ASSERT_TRUE(pool.ok());
  ASSERT_TRUE((*pool)->Submit(1, TreeOf("x"), "").ok());
  ASSERT_TRUE((*pool)->Drain().ok());
  EXPECT_TRUE(answer.starts_with("/dev/shm/")) << answer;
  EXPECT_EQ(ours(), 1);
  pool->reset();
  EXPECT_EQ(ours(), 0);
}

}  // namespace
}  // namespace fencepost
