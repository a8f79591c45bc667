// SPDX-License-Identifier: BSD-3-Clause
// Threads, second processes and killed processes, for every engine of the table.
//
// The program runs itself as the other process: `--child open ...` opens a store and exits with
// its status code, `--child write ...` writes until it is killed and acknowledges on its standard
// output. It is started by exec, since threads of a library do not live through a bare fork.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>

#include "engines/conformance.h"

namespace fencepost {
namespace {

// Operation `number` of the one sequence that a killed child works through.
std::vector<Write> Operation(uint64_t number, bool batches, std::vector<std::string>* storage) {
  std::mt19937_64 random(number);
  const size_t changes = batches && number % 10 == 9 ? 5 : 1;
  storage->clear();
  storage->reserve(2 * changes);
  std::vector<Write> out;
  for (size_t i = 0; i < changes; ++i) {
    const std::string& key = storage->emplace_back(TestKey(random() % 200));
    const bool is_delete = random() % 5 == 0;
    const size_t value_bytes = is_delete ? 0 : random() % 3000;
    const std::string& value = storage->emplace_back(TestBytes(number, value_bytes));
    out.push_back({is_delete ? Write::Kind::kDelete : Write::Kind::kPut, key, value});
  }
  return out;
}

void ApplyTo(Model* model, const std::vector<Write>& writes) {
  for (const Write& write : writes) {
    if (write.kind == Write::Kind::kPut) {
      (*model)[std::string(write.key)] = std::string(write.value);
    } else {
      model->erase(std::string(write.key));
    }
  }
}

constexpr uint64_t kSyncEvery = 97;

// Never returns normally unless something fails.
int WriteUntilKilled(Engine* engine, bool batches, uint64_t first) {
  std::vector<std::string> storage;
  for (uint64_t number = first;; ++number) {
    const std::vector<Write> writes = Operation(number, batches, &storage);
    Status status;
    if (writes.size() > 1) {
      status = engine->Apply(writes);
    } else if (writes[0].kind == Write::Kind::kPut) {
      status = engine->Put(writes[0].key, writes[0].value);
    } else {
      status = engine->Delete(writes[0].key);
    }
    if (!status.ok() && !status.IsNotFound()) return 100;
    if (number % kSyncEvery == 0 && !engine->Sync().ok()) return 101;
    if (write(STDOUT_FILENO, &number, sizeof(number)) != sizeof(number)) return 102;
  }
}

// argv: --child open|write ENGINE DURABILITY PATH FIRST
int ChildMain(char** argv) {
  const EngineRow& row = *FindEngine(argv[3]).value();
  EngineOptions options;
  options.durability = *DurabilityFromName(argv[4]);
  options.path = argv[5];
  options.size_hint = {.pairs = 20'000, .key_bytes = 32, .value_bytes = 1000};
  options.tuning = Tuning(std::string(row.name), {});
  auto engine = OpenEngine(row, options);
  if (std::strcmp(argv[2], "open") == 0) return static_cast<int>(engine.status().code());
  CHECK_OK(engine);
  return WriteUntilKilled(engine->get(), row.capabilities.atomic_batch,
                          std::strtoull(argv[6], nullptr, 10));
}

struct Child {
  pid_t pid = 0;
  int acknowledgements = -1;  // read end of its standard output

  int Wait() const {
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    close(acknowledgements);
    return status;
  }
};

Child Start(const char* what, const ConformanceCase& test_case, const std::string& path,
            uint64_t first) {
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string arguments[] = {"/proc/self/exe",
                             "--child",
                             what,
                             std::string(test_case.row->name),
                             std::string(DurabilityName(test_case.durability)),
                             path,
                             std::to_string(first)};
  char* argv[8] = {};
  for (size_t i = 0; i < 7; ++i) argv[i] = arguments[i].data();
  Child child;
  const int error = posix_spawn(&child.pid, "/proc/self/exe", &actions, nullptr, argv, environ);
  CHECK(error == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  child.acknowledgements = ends[0];
  return child;
}

StatusCode OpenInChild(const ConformanceCase& test_case, const std::string& path) {
  const int status = Start("open", test_case, path, 0).Wait();
  CHECK(WIFEXITED(status));
  return static_cast<StatusCode>(WEXITSTATUS(status));
}

class EngineProcesses : public ConformanceTest {};
INSTANTIATE_TEST_SUITE_P(All, EngineProcesses, testing::ValuesIn(AllCases()), CaseName);

TEST_P(EngineProcesses, SecondOpenIsBusyAndLeavesTheFirstUnharmed) {
  auto engine = Open();
  CHECK_OK(engine->Put("before", "1"));
  const auto second = TryOpen(OptionsAt(store()));
  EXPECT_EQ(second.status().code(), StatusCode::kBusy) << second.message();
  ExpectOneLineError(second.status());
  EXPECT_EQ(OpenInChild(GetParam(), store()), StatusCode::kBusy);
  CHECK_OK(engine->Put("after", "2"));
  ExpectHolds(engine.get(), can(), {{"before", "1"}, {"after", "2"}});
  // Still so after the refusals, which must not have dropped the lock.
  EXPECT_EQ(OpenInChild(GetParam(), store()), StatusCode::kBusy);
  CHECK_OK(engine->Close());
  EXPECT_EQ(OpenInChild(GetParam(), store()), StatusCode::kOk);
  ExpectHolds(Open().get(), can(), {{"before", "1"}, {"after", "2"}});
}

TEST_P(EngineProcesses, AKilledProcessLosesWhatItsDurabilityAllowsAndNoMore) {
  const bool keeps_all = GetParam().durability != Durability::kBuffered;
  std::mt19937_64 random(4);
  Model model;        // after all operations below `done`
  uint64_t done = 1;  // operation numbers start at 1
  std::vector<std::string> storage;
  for (int round = 0; round < 3; ++round) {
    const uint64_t wanted = 30 + random() % 300;
    const Child child = Start("write", GetParam(), store(), done);
    uint64_t last = done - 1;
    while (last < done - 1 + wanted &&
           read(child.acknowledgements, &last, sizeof(last)) == sizeof(last)) {
    }
    kill(child.pid, SIGKILL);
    while (read(child.acknowledgements, &last, sizeof(last)) == sizeof(last)) {
    }
    ASSERT_TRUE(WIFSIGNALED(child.Wait()));
    ASSERT_GE(last, done - 1 + wanted);

    auto engine = Open();
    Model found;
    CHECK_OK(engine->ForEach([&](auto key, auto value) {
      found.emplace(key, value);
      return true;
    }));
    // The operation under way when it was killed may have happened or not.
    const uint64_t must_hold =
        keeps_all ? last : std::max(done - 1, last / kSyncEvery * kSyncEvery);
    bool matches = false;
    for (uint64_t number = done; !matches && number <= last + 2; ++number) {
      matches = number - 1 >= must_hold && found == model;
      if (matches) {
        done = number;
      } else {
        ApplyTo(&model, Operation(number, can().atomic_batch, &storage));
      }
    }
    ASSERT_TRUE(matches) << "no state from operation " << must_hold << " to " << last + 1
                         << " was found, but " << found.size() << " pairs";
    ExpectHolds(engine.get(), can(), model);
    // What has been found once must stay: it is now part of the history.
    CHECK_OK(engine->Sync());
    CHECK_OK(engine->Close());
  }
}

// Values that show by themselves whether they are whole: a number, over and over.
std::string Repeated(uint64_t number) {
  const size_t words = 1 + number % 60;
  std::string value(words * sizeof(number), '\0');
  for (size_t i = 0; i < words; ++i) std::memcpy(&value[i * 8], &number, sizeof(number));
  return value;
}

// The number, or UINT64_MAX if the value is torn.
uint64_t NumberOf(std::string_view value) {
  uint64_t number = 0;
  if (value.size() < sizeof(number)) return UINT64_MAX;
  std::memcpy(&number, value.data(), sizeof(number));
  return value == Repeated(number) ? number : UINT64_MAX;
}

class EngineThreads : public ConformanceTest {
 protected:
  static constexpr uint64_t kThreads = 8;

  template <typename F>
  static void RunThreads(F body) {
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < kThreads; ++t) threads.emplace_back([&body, t] { body(t); });
    for (std::thread& thread : threads) thread.join();
  }

  uint64_t ReadNumber(Engine* engine, std::string_view key) {
    uint64_t number = 0;
    const Status status = engine->Get(key, [&](auto value) { number = NumberOf(value); });
    if (!status.ok() && !status.IsNotFound()) errors_ += 1;
    return number;
  }

  void Expect(const Status& status) { errors_ += status.ok() ? 0 : 1; }

  std::atomic<int> errors_{0};
  std::atomic<int> wrong_{0};
};
INSTANTIATE_TEST_SUITE_P(All, EngineThreads, testing::ValuesIn(AllCases()), CaseName);

TEST_P(EngineThreads, KeysOfOneThreadFollowItsModel) {
  auto engine = Open();
  std::vector<Model> models(kThreads);
  RunThreads([&](uint64_t t) {
    std::mt19937_64 random(t);
    Model& model = models[t];
    for (int i = 0; i < 300; ++i) {
      const std::string key = TestKey(t * 1000 + random() % 40);
      const uint64_t action = random() % 10;
      if (action < 4) {
        model[key] = TestBytes(random(), random() % 3000);
        Expect(engine->Put(key, model[key]));
      } else if (action < 6) {
        wrong_ += engine->Delete(key).ok() == (model.erase(key) == 1) ? 0 : 1;
      } else {
        const auto found = model.find(key);
        std::optional<std::string> seen;
        const Status status = engine->Get(key, [&](auto value) { seen = std::string(value); });
        wrong_ += status.ok() == (found != model.end()) ? 0 : 1;
        wrong_ += !seen || *seen == found->second ? 0 : 1;
      }
    }
  });
  EXPECT_EQ(errors_, 0);
  EXPECT_EQ(wrong_, 0);
  Model all;
  for (const Model& model : models) all.insert(model.begin(), model.end());
  ExpectHolds(engine.get(), can(), all);
  CHECK_OK(engine->Close());
  ExpectHolds(Open().get(), can(), all);
}

TEST_P(EngineThreads, VersionsOfSharedKeysNeverGoBack) {
  constexpr size_t kKeys = 8;
  struct Shared {
    std::mutex one_writer;
    std::atomic<uint64_t> started{0}, acknowledged{0};
  };
  std::vector<Shared> shared(kKeys);
  auto engine = Open();
  RunThreads([&](uint64_t t) {
    std::mt19937_64 random(t);
    for (int i = 0; i < 300; ++i) {
      const size_t k = random() % kKeys;
      Shared& key = shared[k];
      if (random() % 3 == 0) {
        const std::lock_guard lock(key.one_writer);
        const uint64_t version = ++key.started;
        Expect(engine->Put(TestKey(k), Repeated(version)));
        key.acknowledged = version;
      } else {
        const uint64_t at_least = key.acknowledged;
        const uint64_t seen = ReadNumber(engine.get(), TestKey(k));
        wrong_ += seen >= at_least && seen <= key.started ? 0 : 1;
      }
    }
  });
  EXPECT_EQ(errors_, 0);
  EXPECT_EQ(wrong_, 0);
  for (size_t k = 0; k < kKeys; ++k) {
    EXPECT_EQ(ReadNumber(engine.get(), TestKey(k)), shared[k].acknowledged);
  }
}

TEST_P(EngineThreads, RacingWritersLeaveOneWholeValue) {
  auto engine = Open();
  RunThreads([&](uint64_t t) {
    std::mt19937_64 random(t);
    for (uint64_t i = 0; i < 150; ++i) {
      const std::string key = TestKey(random() % 3);
      const uint64_t action = random() % 8;
      if (action < 4) {
        Expect(engine->Put(key, Repeated(t * 1000 + i)));
      } else if (action == 4) {
        const Status status = engine->Delete(key);
        errors_ += status.ok() || status.IsNotFound() ? 0 : 1;
      } else {
        wrong_ += ReadNumber(engine.get(), key) == UINT64_MAX ? 1 : 0;
      }
    }
  });
  EXPECT_EQ(errors_, 0);
  EXPECT_EQ(wrong_, 0);
}

TEST_P(EngineThreads, OneOfManyDeletersFindsTheKey) {
  auto engine = Open();
  constexpr int kRounds = 25;
  std::barrier start(kThreads), end(kThreads);
  std::vector<std::atomic<int>> found(kRounds);
  RunThreads([&](uint64_t t) {
    for (int round = 0; round < kRounds; ++round) {
      if (t == 0) Expect(engine->Put("key", "value"));
      start.arrive_and_wait();
      const Status status = engine->Delete("key");
      found[static_cast<size_t>(round)] += status.ok() ? 1 : 0;
      errors_ += status.ok() || status.IsNotFound() ? 0 : 1;
      end.arrive_and_wait();
    }
  });
  EXPECT_EQ(errors_, 0);
  for (const auto& count : found) EXPECT_EQ(count, 1);
}

TEST_P(EngineThreads, WalksSeeTheUnchangedPairsOnce) {
  auto engine = Open();
  constexpr uint64_t kStable = 300;
  for (uint64_t i = 0; i < kStable; ++i) CHECK_OK(engine->Put(TestKey(2 * i), Repeated(i)));
  std::atomic<bool> stop{false};
  RunThreads([&](uint64_t t) {
    std::mt19937_64 random(t);
    for (int i = 0; t >= 2 ? i < 60 : !stop; ++i) {
      if (t >= 2) {
        const std::string key = TestKey(2 * (random() % kStable) + 1);
        if (random() % 2 == 0) {
          Expect(engine->Put(key, Repeated(random() % 1000)));
        } else {
          (void)engine->Delete(key);
        }
        if (t == 2) stop = i == 59;
        continue;
      }
      std::map<std::string, int> seen;
      const auto visit = [&](std::string_view key, std::string_view value) {
        wrong_ += NumberOf(value) == UINT64_MAX ? 1 : 0;
        ++seen[std::string(key)];
        return true;
      };
      Expect(t == 1 && can().ordered ? engine->Scan("", SIZE_MAX, visit) : engine->ForEach(visit));
      for (uint64_t k = 0; k < kStable; ++k) wrong_ += seen[TestKey(2 * k)] == 1 ? 0 : 1;
    }
  });
  EXPECT_EQ(errors_, 0);
  EXPECT_EQ(wrong_, 0);
}

TEST_P(EngineThreads, ABatchIsNeverSeenInHalves) {
  if (!can().atomic_batch) GTEST_SKIP() << "no batches";
  auto engine = Open();
  std::atomic<bool> stop{false};
  RunThreads([&](uint64_t t) {
    if (t == 0) {
      for (uint64_t version = 1; version <= 150; ++version) {
        const std::string value = Repeated(version);
        const Write batch[] = {{Write::Kind::kPut, "left", value},
                               {Write::Kind::kPut, "right", value}};
        Expect(engine->Apply(batch));
      }
      stop = true;
      return;
    }
    while (!stop) {
      // Whichever is read first, the other is read later and must not be older.
      const char* first = t % 2 == 0 ? "left" : "right";
      const char* second = t % 2 == 0 ? "right" : "left";
      const uint64_t older = ReadNumber(engine.get(), first);
      wrong_ += ReadNumber(engine.get(), second) >= older ? 0 : 1;
    }
  });
  EXPECT_EQ(errors_, 0);
  EXPECT_EQ(wrong_, 0);
}

}  // namespace
}  // namespace fencepost

int main(int argc, char** argv) {
  if (argc == 7 && std::strcmp(argv[1], "--child") == 0) return fencepost::ChildMain(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
