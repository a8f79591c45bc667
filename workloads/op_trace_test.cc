// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/op_trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <initializer_list>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "workloads/chi_square.h"
#include "workloads/keys.h"

namespace fencepost {
namespace {

WorkloadSpec Spec(std::initializer_list<std::string_view> settings) {
  Properties properties;
  for (const char* common :
       {"recordcount=1000", "operationcount=20000", "readproportion=0", "updateproportion=0"}) {
    CHECK_OK(properties.Set(common));
  }
  for (const std::string_view setting : settings) CHECK_OK(properties.Set(setting));
  const WorkloadSpec spec = ParseWorkload(properties).value();
  CHECK_OK(CheckPhase(spec, Phase::kRun));
  return spec;
}

// Everything at once: what is most likely to disturb something else.
WorkloadSpec Mixed(std::string_view distribution, std::string_view zipfian = "ycsb") {
  return Spec({"readproportion=0.2", "updateproportion=0.1", "insertproportion=0.1",
               "scanproportion=0.1", "readmodifywriteproportion=0.1",
               "fencepost.deleteproportion=0.1", "fencepost.missproportion=0.1",
               "fencepost.batchproportion=0.2", "fencepost.batchsize=7",
               std::string("requestdistribution=").append(distribution),
               std::string("fencepost.zipfian=").append(zipfian)});
}

std::vector<WorkloadSpec> AllMixed() {
  std::vector<WorkloadSpec> specs;
  for (const char* distribution :
       {"uniform", "zipfian", "latest", "hotspot", "exponential", "sequential"}) {
    specs.push_back(Mixed(distribution));
  }
  specs.push_back(Mixed("zipfian", "exact"));
  specs.push_back(Mixed("latest", "exact"));
  return specs;
}

// All words of a thread, asked for `block` at a time.
std::vector<uint64_t> Words(const WorkloadSpec& spec, Phase phase, unsigned thread = 0,
                            unsigned thread_count = 1, size_t block = 4096) {
  const auto source = MakeTraceSource(spec, phase, thread, thread_count);
  std::vector<uint64_t> all;
  std::vector<uint64_t> words;
  do {
    words.clear();
    source->Fill(block, &words);
    EXPECT_LE(words.size(), block);
    all.insert(all.end(), words.begin(), words.end());
  } while (!words.empty());
  return all;
}

// Calls visit(op, index of its first word) for each whole operation.
template <typename Visit>
void ForEachOp(const std::vector<uint64_t>& words, Visit visit) {
  size_t i = 0;
  while (i < words.size()) {
    visit(Op{words[i]}, i);
    i += OpWords(Op{words[i]});
  }
  ASSERT_EQ(i, words.size()) << "the last operation is not whole";
}

uint64_t CountOps(const std::vector<uint64_t>& words) {
  uint64_t count = 0;
  ForEachOp(words, [&](Op, size_t) { ++count; });
  return count;
}

TEST(Op, PacksKindAndNumber) {
  const Op op = Op::Make(OpKind::kBatch, kMaxKeyNumber | kMissBit);
  EXPECT_EQ(op.kind(), OpKind::kBatch);
  EXPECT_EQ(op.number(), kMaxKeyNumber | kMissBit);
  static_assert(sizeof(Op) == 8);
}

TEST(LoadTrace, InsertsEachRecordOnce) {
  const WorkloadSpec spec = Spec({"readproportion=1", "insertstart=100", "insertcount=777"});
  for (const unsigned threads : {1u, 2u, 7u, 1000u}) {
    std::set<uint64_t> numbers;
    for (unsigned thread = 0; thread < threads; ++thread) {
      for (const uint64_t word : Words(spec, Phase::kLoad, thread, threads, 100)) {
        EXPECT_EQ(Op{word}.kind(), OpKind::kInsert);
        EXPECT_TRUE(numbers.insert(Op{word}.number()).second);
      }
    }
    EXPECT_EQ(numbers.size(), 777u);
    EXPECT_EQ(*numbers.begin(), 100u);
    EXPECT_EQ(*numbers.rbegin(), 876u);
  }
}

TEST(RunTrace, DoesNotDependOnTheBlockSize) {
  for (const WorkloadSpec& spec : AllMixed()) {
    const std::vector<uint64_t> words = Words(spec, Phase::kRun, 1, 3, 100000);
    for (const size_t block : {8u, 9u, 11u, 64u, 1000u}) {
      ASSERT_EQ(Words(spec, Phase::kRun, 1, 3, block), words)
          << Name(spec.request_distribution) << " in blocks of " << block;
    }
  }
}

TEST(RunTrace, AppendsToWhatIsThere) {
  const WorkloadSpec spec = Spec({"readproportion=1"});
  std::vector<uint64_t> words{1, 2, 3};
  MakeTraceSource(spec, Phase::kRun, 0, 1)->Fill(10, &words);
  EXPECT_EQ(words.size(), 10u);
  EXPECT_EQ(words[2], 3u);
  EXPECT_TRUE(std::equal(words.begin() + 3, words.end(), Words(spec, Phase::kRun).begin()));
}

TEST(RunTrace, DependsOnSeedAndThread) {
  WorkloadSpec spec = Mixed("zipfian");
  const std::vector<uint64_t> words = Words(spec, Phase::kRun, 0, 2);
  EXPECT_EQ(Words(spec, Phase::kRun, 0, 2), words);
  EXPECT_NE(Words(spec, Phase::kRun, 1, 2), words);
  EXPECT_NE(Words(spec, Phase::kRun, 0, 3), words);
  ++spec.seed;
  EXPECT_NE(Words(spec, Phase::kRun, 0, 2), words);
}

// A change here changes every published trace hash: never by accident.
TEST(RunTrace, IsTheSameForEver) {
  std::vector<uint64_t> digests;
  for (const WorkloadSpec& spec : AllMixed()) {
    TraceHash hash;
    hash.Update(Words(spec, Phase::kRun, 1, 2));
    digests.push_back(hash.digest());
  }
  EXPECT_EQ(CombineTraceHashes(digests), 2902798000664195806u);
}

TEST(RunTrace, OperationsAreSharedOut) {
  const WorkloadSpec spec = Spec({"readproportion=1", "operationcount=10", "fencepost.warmup=5"});
  EXPECT_EQ(CountOps(Words(spec, Phase::kRun, 0, 4)), 3u + 2);
  EXPECT_EQ(CountOps(Words(spec, Phase::kRun, 1, 4)), 3u + 1);
  EXPECT_EQ(CountOps(Words(spec, Phase::kRun, 2, 4)), 2u + 1);
  EXPECT_EQ(ThreadWarmupOperations(spec, 0, 4), 2u);
}

TEST(RunTrace, WithoutACountItGoesOn) {
  const WorkloadSpec spec = Spec({"readproportion=1", "operationcount=0", "maxexecutiontime=1"});
  const auto source = MakeTraceSource(spec, Phase::kRun, 0, 1);
  std::vector<uint64_t> words;
  for (size_t round = 1; round <= 10; ++round) {
    source->Fill(round * 1000, &words);
    ASSERT_EQ(words.size(), round * 1000);
  }
}

TEST(RunTrace, KindsFollowTheirProportions) {
  for (const WorkloadSpec& spec : AllMixed()) {
    std::vector<uint64_t> counts(kOpKindCount);
    ForEachOp(Words(spec, Phase::kRun),
              [&](Op op, size_t) { ++counts.at(static_cast<size_t>(op.kind())); });
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0ul), spec.operation_count);
    EXPECT_GT(ChiSquareP(counts, spec.proportions), 0.001) << Name(spec.request_distribution);
    std::array<double, kOpKindCount> wrong = spec.proportions;
    std::rotate(wrong.begin(), wrong.begin() + 1, wrong.end());
    EXPECT_LT(ChiSquareP(counts, wrong), 1e-6);
  }
}

// Every number drawn was loaded or inserted earlier by the same thread; inserts are numbered
// record_count + i * T + t.
TEST(RunTrace, DrawsWhatExists) {
  constexpr unsigned kThreads = 3;
  for (const WorkloadSpec& spec : AllMixed()) {
    std::set<uint64_t> all_inserts;
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      uint64_t inserts = 0;
      uint64_t draws_of_inserts = 0;
      const auto check = [&](Op op) {
        if (op.kind() == OpKind::kInsert) {
          ASSERT_EQ(op.number(), spec.record_count + inserts++ * kThreads + thread);
          ASSERT_TRUE(all_inserts.insert(op.number()).second);
          return;
        }
        ASSERT_EQ((op.number() & kMissBit) != 0, op.kind() == OpKind::kMiss);
        const uint64_t number = op.number() & ~kMissBit;
        if (number < spec.record_count) return;
        ASSERT_EQ((number - spec.record_count) % kThreads, thread);
        ASSERT_LT((number - spec.record_count) / kThreads, inserts);
        ++draws_of_inserts;
      };
      const std::vector<uint64_t> words = Words(spec, Phase::kRun, thread, kThreads);
      ForEachOp(words, [&](Op op, size_t i) {
        if (op.kind() != OpKind::kBatch) return check(op);
        for (size_t w = 1; w <= op.number(); ++w) check(Op{words[i + w]});
      });
      const bool fixed = spec.request_distribution == RequestDistribution::kUniform ||
                         spec.request_distribution == RequestDistribution::kHotspot ||
                         spec.request_distribution == RequestDistribution::kSequential;
      EXPECT_EQ(draws_of_inserts == 0, fixed) << Name(spec.request_distribution);
    }
  }
}

TEST(RunTrace, DrawsStayInTheLoadedRange) {
  for (const char* distribution :
       {"uniform", "zipfian", "latest", "hotspot", "exponential", "sequential"}) {
    const WorkloadSpec spec =
        Spec({"readproportion=1", "recordcount=5000", "insertstart=1000", "insertcount=500",
              std::string("requestdistribution=").append(distribution)});
    std::set<uint64_t> numbers;
    for (const uint64_t word : Words(spec, Phase::kRun)) numbers.insert(Op{word}.number());
    EXPECT_GE(*numbers.begin(), 1000u) << distribution;
    EXPECT_LT(*numbers.rbegin(), 1500u) << distribution;
    EXPECT_GT(numbers.size(), 200u) << distribution;
  }
}

TEST(RunTrace, OneRecordIsEnoughForEveryDistribution) {
  for (const char* distribution :
       {"uniform", "zipfian", "latest", "hotspot", "exponential", "sequential"}) {
    for (const char* zipfian : {"ycsb", "exact"}) {
      const WorkloadSpec spec =
          Spec({"readproportion=0.9", "insertproportion=0.1", "recordcount=1", "operationcount=100",
                std::string("requestdistribution=").append(distribution),
                std::string("fencepost.zipfian=").append(zipfian)});
      EXPECT_EQ(CountOps(Words(spec, Phase::kRun)), 100u) << distribution;
    }
  }
}

TEST(RunTrace, AnInsertOnlyWorkloadNeedsNoRecords) {
  const WorkloadSpec spec = Spec(
      {"insertproportion=1", "recordcount=0", "operationcount=10", "requestdistribution=zipfian"});
  const std::vector<uint64_t> words = Words(spec, Phase::kRun);
  ASSERT_EQ(words.size(), 10u);
  EXPECT_EQ(Op{words[9]}.number(), 9u);
}

TEST(RunTrace, TheHottestKeyOfWorkloadCIsYcsbs) {
  const auto hottest = [](const char* zipfian) {
    const WorkloadSpec spec =
        Spec({"readproportion=1", "operationcount=300000", "requestdistribution=zipfian",
              std::string("fencepost.zipfian=").append(zipfian)});
    std::map<uint64_t, uint64_t> counts;
    for (const uint64_t word : Words(spec, Phase::kRun)) ++counts[Op{word}.number()];
    return *std::max_element(counts.begin(), counts.end(),
                             [](const auto& a, const auto& b) { return a.second < b.second; });
  };
  EXPECT_EQ(hottest("ycsb").first, 144u);
  EXPECT_NEAR(static_cast<double>(hottest("ycsb").second) / 300000, 0.038, 0.002);
  EXPECT_NEAR(static_cast<double>(hottest("exact").second) / 300000, 0.129, 0.002);
}

TEST(RunTrace, LatestFollowsTheInserts) {
  const WorkloadSpec spec =
      Spec({"readproportion=0.5", "insertproportion=0.5", "requestdistribution=latest"});
  uint64_t newest = spec.record_count - 1;
  uint64_t reads = 0;
  uint64_t reads_of_newest = 0;
  for (const uint64_t word : Words(spec, Phase::kRun)) {
    const Op op{word};
    if (op.kind() == OpKind::kInsert) newest = op.number();
    if (op.kind() != OpKind::kRead) continue;
    ++reads;
    reads_of_newest += op.number() == newest ? 1 : 0;
  }
  // 1/zeta lies between 1/zeta(1000) = 0.129 and 1/zeta(11000) = 0.097.
  const double share = static_cast<double>(reads_of_newest) / static_cast<double>(reads);
  EXPECT_GT(share, 0.09);
  EXPECT_LT(share, 0.14);
}

TEST(RunTrace, SequentialThreadsShareTheRecords) {
  const WorkloadSpec spec = Spec({"readproportion=1", "requestdistribution=sequential"});
  for (unsigned thread = 0; thread < 3; ++thread) {
    const std::vector<uint64_t> words = Words(spec, Phase::kRun, thread, 3);
    for (size_t i = 0; i < words.size(); ++i) {
      ASSERT_EQ(Op{words[i]}.number(), (i * 3 + thread) % 1000);
    }
  }
}

TEST(RunTrace, ScanLengthsFollowTheirDistribution) {
  for (const char* distribution : {"uniform", "zipfian"}) {
    const WorkloadSpec spec =
        Spec({"scanproportion=1", "minscanlength=5", "maxscanlength=24", "fencepost.zipfian=exact",
              std::string("scanlengthdistribution=").append(distribution)});
    std::vector<uint64_t> counts(20);
    const std::vector<uint64_t> words = Words(spec, Phase::kRun);
    ForEachOp(words, [&](Op, size_t i) { ++counts.at(words[i + 1] - 5); });
    std::vector<double> probabilities(20, 0.05);
    if (spec.scan_length_distribution == LengthDistribution::kZipfian) {
      for (uint64_t i = 0; i < 20; ++i) {
        probabilities[i] = std::pow(static_cast<double>(i + 1), -kZipfianTheta) / Zeta(20);
      }
    }
    EXPECT_GT(ChiSquareP(counts, probabilities), 0.001) << distribution;
  }
}

TEST(RunTrace, KeysOfABatchDiffer) {
  // Draws alone would hardly find ten keys of the two that are hot.
  const WorkloadSpec spec = Spec({"fencepost.batchproportion=1", "recordcount=10",
                                  "requestdistribution=hotspot", "hotspotopnfraction=1"});
  const std::vector<uint64_t> words = Words(spec, Phase::kRun);
  ForEachOp(words, [&](Op op, size_t i) {
    ASSERT_EQ(op.kind(), OpKind::kBatch);
    ASSERT_EQ(op.number(), 10u);
    std::set<uint64_t> numbers;
    for (size_t w = 1; w <= 10; ++w) {
      ASSERT_EQ(Op{words[i + w]}.kind(), OpKind::kUpdate);
      ASSERT_LT(Op{words[i + w]}.number(), 10u);
      numbers.insert(Op{words[i + w]}.number());
    }
    ASSERT_EQ(numbers.size(), 10u);
  });
}

TEST(RunTrace, BatchesMixWritesByTheirWeights) {
  const WorkloadSpec spec = Spec({"fencepost.batchproportion=0.4", "updateproportion=0.3",
                                  "insertproportion=0.2", "fencepost.deleteproportion=0.1"});
  std::map<OpKind, uint64_t> counts;
  const std::vector<uint64_t> words = Words(spec, Phase::kRun);
  ForEachOp(words, [&](Op op, size_t i) {
    if (op.kind() != OpKind::kBatch) return;
    for (size_t w = 1; w <= op.number(); ++w) ++counts[Op{words[i + w]}.kind()];
  });
  const std::vector<uint64_t> in_order{counts[OpKind::kUpdate], counts[OpKind::kInsert],
                                       counts[OpKind::kDelete]};
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_GT(ChiSquareP(in_order, std::vector<double>{3.0 / 6, 2.0 / 6, 1.0 / 6}), 0.001);
}

TEST(LiveTrace, DrawsOnlyWhatWasAcknowledgedContiguously) {
  LiveState live(1000);
  EXPECT_EQ(live.TakeInsert(), 1000u);
  EXPECT_EQ(live.TakeInsert(), 1001u);
  EXPECT_EQ(live.TakeInsert(), 1002u);
  live.Acknowledge(1002);
  live.Acknowledge(1001);
  EXPECT_EQ(live.acknowledged(), 0u);
  live.Acknowledge(1000);
  EXPECT_EQ(live.acknowledged(), 3u);
}

TEST(LiveTrace, ThreadsShareTheInserts) {
  for (const char* distribution : {"zipfian", "latest", "exponential", "sequential"}) {
    const WorkloadSpec spec =
        Spec({"readproportion=0.7", "insertproportion=0.3", "fencepost.trace=live",
              std::string("requestdistribution=").append(distribution)});
    constexpr unsigned kThreads = 4;
    LiveState live(spec.record_count);
    std::vector<std::vector<uint64_t>> inserted(kThreads);
    std::atomic<bool> drew_unacknowledged{false};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto source = MakeTraceSource(spec, Phase::kRun, t, kThreads, &live);
        std::vector<uint64_t> words;
        do {
          words.clear();
          source->Fill(16, &words);
          const uint64_t limit = spec.record_count + live.acknowledged();
          for (const uint64_t word : words) {
            const Op op{word};
            if (op.kind() == OpKind::kInsert) {
              inserted[t].push_back(op.number());
              source->Acknowledge(op.number());
            } else if (op.number() >= limit) {
              drew_unacknowledged = true;
            }
          }
        } while (!words.empty());
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(drew_unacknowledged) << distribution;
    std::set<uint64_t> all;
    for (const auto& numbers : inserted) all.insert(numbers.begin(), numbers.end());
    EXPECT_EQ(live.acknowledged(), all.size());
    EXPECT_EQ(*all.rbegin(), spec.record_count + all.size() - 1);
  }
}

TEST(TraceHash, DoesNotDependOnHowItIsFed) {
  const std::vector<uint64_t> words = Words(Mixed("zipfian"), Phase::kRun);
  TraceHash whole;
  whole.Update(words);
  TraceHash pieces;
  for (size_t i = 0; i < words.size(); i += 7) {
    pieces.Update(std::span(words).subspan(i, std::min<size_t>(7, words.size() - i)));
  }
  EXPECT_EQ(pieces.digest(), whole.digest());
  TraceHash prefix;
  prefix.Update(std::span(words).first(words.size() - 1));
  EXPECT_NE(prefix.digest(), whole.digest());
}

TEST(TraceHash, ThreadsCombineInOrder) {
  EXPECT_NE(CombineTraceHashes(std::vector<uint64_t>{1, 2}),
            CombineTraceHashes(std::vector<uint64_t>{2, 1}));
}

}  // namespace
}  // namespace fencepost
