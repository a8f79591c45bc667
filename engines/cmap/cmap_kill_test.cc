// SPDX-License-Identifier: BSD-3-Clause
// Death of the process in the middle of things: a child runs two threads of mixed operations and
// reports each acknowledgement through a pipe; it is killed at a random instant. After reopening,
// each thread's keys are as after its last acknowledged operation, or after the one in flight.
//
// This is process death, not power loss: what was stored but not flushed survives here.
#include <gtest/gtest.h>
#include <libpmempool.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engines/cmap/cmap_test_util.h"

namespace fencepost::cmap {
namespace {

constexpr int kThreads = 2;
constexpr int kRounds = 100;
constexpr int kRoundsAPool = 10;  // then a new one, so that growth does not come to rest

// One operation, a batch of one to six changes; drawn from the generator alone, so that the parent
// can draw the same.
struct Operation {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::vector<bool> deletes;

  Operation(std::mt19937_64& random, int thread) {
    const size_t changes = random() % 3 == 0 ? 2 + random() % 5 : 1;
    for (size_t i = 0; i < changes; ++i) {
      std::string key = static_cast<char>('a' + thread) + std::to_string(random() % 400);
      pairs.emplace_back(std::move(key),
                         std::string(random() % 400, static_cast<char>('a' + random() % 26)));
      deletes.push_back(random() % 4 == 0);
    }
  }

  Status RunOn(Engine& engine) const {
    if (pairs.size() == 1) {
      if (!deletes[0]) return engine.Put(pairs[0].first, pairs[0].second);
      const Status status = engine.Delete(pairs[0].first);
      return status.IsNotFound() ? Status::Ok() : status;
    }
    std::vector<Write> batch;
    for (size_t i = 0; i < pairs.size(); ++i) {
      batch.push_back({deletes[i] ? Write::Kind::kDelete : Write::Kind::kPut, pairs[i].first,
                       deletes[i] ? std::string_view() : std::string_view(pairs[i].second)});
    }
    return engine.Apply(batch);
  }

  void RunOn(Model& model) const {
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (deletes[i]) {
        model.erase(pairs[i].first);
      } else {
        model[pairs[i].first] = pairs[i].second;
      }
    }
  }
};

uint64_t ThreadSeed(int round, int thread) {
  return static_cast<uint64_t>(round * kThreads + thread);
}

[[noreturn]] void RunChild(const EngineOptions& options, int round,
                           const std::array<int, kThreads>& pipes) {
  auto engine = MustOpen(options);
  const auto work = [&](int thread) {
    std::mt19937_64 random(ThreadSeed(round, thread));
    for (;;) {
      CHECK_OK(Operation(random, thread).RunOn(*engine));
      CHECK(write(pipes[static_cast<size_t>(thread)], "+", 1) == 1);
    }
  };
  std::thread other(work, 1);
  work(0);
  _exit(3);
}

uint64_t DrainPipe(int fd) {
  uint64_t total = 0;
  char buffer[4096];
  for (ssize_t got; (got = read(fd, buffer, sizeof(buffer))) > 0;) {
    total += static_cast<uint64_t>(got);
  }
  return total;
}

// Runs a child until it is killed; the number of acknowledgements of each thread.
std::array<uint64_t, kThreads> RunAndKill(const EngineOptions& options, int round,
                                          std::mt19937_64& random) {
  std::array<int, kThreads> read_ends{}, write_ends{};
  for (size_t i = 0; i < kThreads; ++i) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    read_ends[i] = ends[0];
    write_ends[i] = ends[1];
  }
  const pid_t child = fork();
  if (child == 0) RunChild(options, round, write_ends);
  for (int fd : write_ends) close(fd);
  // Let it come to work, then some way further.
  std::array<uint64_t, kThreads> acknowledged{};
  const uint64_t enough = random() % 200;
  char c;
  while (acknowledged[0] < enough && read(read_ends[0], &c, 1) == 1) ++acknowledged[0];
  std::this_thread::sleep_for(std::chrono::nanoseconds(random() % 50'000));
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child failed by itself";
  for (size_t i = 0; i < kThreads; ++i) {
    acknowledged[i] += DrainPipe(read_ends[i]);
    close(read_ends[i]);
  }
  return acknowledged;
}

// Nothing acknowledged is missing, nothing is there that was never written.
void CheckThread(const Model& found, int round, int thread, uint64_t acknowledged, Model* model) {
  std::mt19937_64 random(ThreadSeed(round, thread));
  for (uint64_t i = 0; i < acknowledged; ++i) Operation(random, thread).RunOn(*model);
  Model mine;
  for (const auto& pair : found) {
    if (pair.first[0] == 'a' + thread) mine.insert(pair);
  }
  if (mine == *model) return;
  Operation(random, thread).RunOn(*model);
  EXPECT_TRUE(mine == *model) << "round " << round << ", thread " << thread << ": the state is not "
                              << "that of " << acknowledged << " operations, nor of one more";
  *model = mine;
}

// As `pmempool check` does it.
std::string PoolCheck(const std::filesystem::path& path) {
  pmempool_check_args args{};
  args.path = path.c_str();
  args.pool_type = PMEMPOOL_POOL_TYPE_OBJ;
  args.flags = PMEMPOOL_CHECK_VERBOSE | PMEMPOOL_CHECK_FORMAT_STR;
  PMEMpoolcheck* const check = pmempool_check_init(&args, sizeof(args));
  if (check == nullptr) return pmempool_errormsg();
  std::string complaints;
  while (const pmempool_check_status* status = pmempool_check(check)) {
    if (status->type == PMEMPOOL_CHECK_MSG_TYPE_ERROR) complaints += status->str.msg;
  }
  const pmempool_check_result result = pmempool_check_end(check);
  return result == PMEMPOOL_CHECK_RESULT_CONSISTENT ? complaints : "not consistent " + complaints;
}

TEST(CmapKill, PoolCheckSeesADamagedHeader) {
  const pmem::TestFolder folder;
  const EngineOptions options = TestOptions(folder.path() / "pool", "8M");
  CHECK_OK(MustOpen(options)->Close());
  EXPECT_EQ(PoolCheck(options.path), "");
  std::fstream(options.path, std::ios::in | std::ios::out).seekp(40).put('\x5a');
  EXPECT_NE(PoolCheck(options.path), "");
}

TEST(CmapKill, WhatWasAcknowledgedIsThereAndNothingLeaks) {
  const pmem::TestFolder folder;
  // libpmem decides at its first use what is persistent memory; libpmempool's would be without us.
  CHECK_OK(MustOpen(TestOptions(folder.path() / "first", "8M"))->Close());
  std::mt19937_64 random(6);
  std::array<Model, kThreads> models;
  uint64_t total = 0;
  EngineOptions options;
  for (int round = 0; round < kRounds && !::testing::Test::HasFailure(); ++round) {
    if (round % kRoundsAPool == 0) {
      if (!options.path.empty()) std::filesystem::remove(options.path);
      options = TestOptions(folder.path() / ("pool" + std::to_string(round)), "8M");
      models = {};
    }
    const auto acknowledged = RunAndKill(options, round, random);
    EXPECT_EQ(PoolCheck(options.path), "");
    auto engine = MustOpen(options);
    ExpectNoLeak(*engine);
    const Model found = Contents(*engine);
    for (int thread = 0; thread < kThreads; ++thread) {
      const auto t = static_cast<size_t>(thread);
      total += acknowledged[t];
      CheckThread(found, round, thread, acknowledged[t], &models[t]);
    }
    ASSERT_TRUE(engine->Put("~ still", "works").ok());
    ASSERT_TRUE(engine->Delete("~ still").ok());
  }
  EXPECT_GT(total, 1'000u) << "the children hardly did anything";
}

}  // namespace
}  // namespace fencepost::cmap
