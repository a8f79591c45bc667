// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/comparison.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/report/provenance.h"

namespace fencepost {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

json Summary(const std::string& run_id, double ops_per_s, const std::string& hash = "aa") {
  return {{"run_id", run_id},
          {"engine", "lmdb"},
          {"workload", "workloada"},
          {"threads", 1},
          {"medium", "tmpfs"},
          {"durability", "power-fail"},
          {"phase", "run"},
          {"operations", 1000},
          {"trace_hash", hash},
          {"throughput_ops_per_s", ops_per_s},
          {"kinds",
           {{"UPDATE", {{"count", 600}, {"latency_ns", {{"p50", 1e9 / ops_per_s}, {"p99", 5.0}}}}},
            {"READ", {{"count", 400}, {"latency_ns", {{"p50", 2e9 / ops_per_s}, {"p99", 9.0}}}}}}},
          {"warnings", json::array({"a warning of the run"})}};
}

ComparedCell Cell(const std::vector<double>& base, const std::vector<double>& test) {
  ComparedCell cell;
  std::vector<json> summaries;
  for (double ops : base) summaries.push_back(Summary("base", ops));
  cell.base = MakeComparedRuns(std::move(summaries));
  summaries.clear();
  for (double ops : test) summaries.push_back(Summary("test", ops));
  cell.test = MakeComparedRuns(std::move(summaries));
  return cell;
}

Comparison Unpaired(ComparedCell cell) {
  Comparison comparison;
  comparison.base.label = "A";
  comparison.test.label = "B";
  comparison.cells.push_back(std::move(cell));
  return comparison;
}

TEST(Comparison, UnpairedHasRatiosAndEffectSizesAndNoVerdict) {
  Comparison comparison = Unpaired(Cell({100, 110, 105}, {210, 200, 220}));
  Evaluate(&comparison);
  const ComparedCell& cell = comparison.cells.front();
  EXPECT_DOUBLE_EQ(cell.throughput.ratio->value, 2);
  EXPECT_DOUBLE_EQ(cell.throughput.ratio->low, 200.0 / 110);
  EXPECT_EQ(cell.throughput.cliffs_delta, 1);
  EXPECT_EQ(cell.latency_kind, "READ");
  EXPECT_DOUBLE_EQ(cell.p50.ratio->value, 0.5);
  EXPECT_EQ(comparison.regressions(), 0u);
  const std::string table = ComparisonTable(comparison);
  EXPECT_THAT(table, HasSubstr("UNPAIRED"));
  EXPECT_THAT(table, HasSubstr("guaranteed"));
  EXPECT_THAT(table, HasSubstr("2.000"));
  const json document = ComparisonJson(comparison, "id", {"fencepost"});
  EXPECT_FALSE(document["paired"].get<bool>());
  EXPECT_TRUE(document["cells"][0]["paired"].is_null());
}

TEST(Comparison, SingleRunsHaveARatioAndNoInterval) {
  Comparison comparison = Unpaired(Cell({100}, {50}));
  Evaluate(&comparison);
  const json ratio =
      ComparisonJson(comparison, "id", {"x"})["cells"][0]["throughput_ops_per_s"]["ratio"];
  EXPECT_EQ(ratio["median"], 0.5);
  EXPECT_TRUE(ratio["low"].is_null());
}

TEST(Comparison, DifferentTracesAreNamed) {
  ComparedCell cell = Cell({100}, {100});
  cell.test.summaries[0]["trace_hash"] = "bb";
  Comparison comparison = Unpaired(cell);
  Evaluate(&comparison);
  EXPECT_THAT(comparison.cells[0].warnings, Contains(HasSubstr("traces differ: hashes aa and bb")));
  cell.test.summaries[0]["operations"] = 1001;
  comparison = Unpaired(cell);
  Evaluate(&comparison);
  EXPECT_THAT(comparison.cells[0].warnings, Contains(HasSubstr("traces differ in length")));
  cell.test.summaries[0]["trace_hash"] = nullptr;
  comparison = Unpaired(cell);
  Evaluate(&comparison);
  EXPECT_THAT(comparison.cells[0].warnings, Contains(HasSubstr("not known to be the same")));
  comparison = Unpaired(Cell({100}, {100}));
  Evaluate(&comparison);
  EXPECT_THAT(comparison.cells[0].warnings, Not(Contains(HasSubstr("trace"))));
}

TEST(Comparison, UnequalDurabilityIsRefused) {
  ComparedCell cell = Cell({100}, {100});
  EXPECT_TRUE(CheckComparable(Unpaired(cell)).ok());
  cell.test.durability = "prefix";
  const Status refused = CheckComparable(Unpaired(cell));
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--unequal-durability"));
  cell.test.durability = "none";  // blackhole: the floor
  EXPECT_TRUE(CheckComparable(Unpaired(cell)).ok());
}

Comparison Paired(double ratio) {
  Comparison comparison;
  comparison.paired = true;
  comparison.bench = json::object();
  comparison.noise = json::object();
  std::vector<double> base, test;
  for (int i = 0; i < 15; ++i) {
    base.push_back(100 + i % 5);
    test.push_back(base.back() * ratio * (1 + 0.002 * (i % 3 - 1)));
  }
  ComparedCell cell = Cell(base, test);
  for (size_t i = 0; i < base.size(); ++i) {
    cell.pairs.push_back({"base", "test", i % 2 == 0, std::log(test[i] / base[i])});
  }
  comparison.cells.push_back(std::move(cell));
  return comparison;
}

TEST(Comparison, PairedRunsHaveAVerdict) {
  Comparison slower = Paired(0.9);
  Evaluate(&slower);
  EXPECT_EQ(slower.regressions(), 1u);
  EXPECT_NEAR(slower.cells[0].throughput.ratio->value, 0.9, 1e-9);
  EXPECT_THAT(ComparisonTable(slower), HasSubstr("REGRESSION: 1 of 1 cells slower"));
  const json document = ComparisonJson(slower, "id", {"x"});
  EXPECT_EQ(document["cells"][0]["paired"]["verdict"], "slower");
  EXPECT_EQ(document["regressions"], 1);
  Comparison equal = Paired(1);
  Evaluate(&equal);
  EXPECT_EQ(equal.regressions(), 0u);
  EXPECT_THAT(ComparisonTable(equal), HasSubstr("no regression shown"));
  EXPECT_THAT(ComparisonTable(equal), Not(HasSubstr("UNPAIRED")));
}

TEST(Comparison, EnvironmentsDifferWhereBothSaySo) {
  const json before = {{"commit", "aaa"}, {"machine", {{"kernel", "Linux 1"}, {"cpus", 2}}}};
  const json now = {{"commit", "aaa"}, {"machine", {{"kernel", "Linux 2"}}}};
  const std::vector<std::string> differences = EnvironmentDifferences(before, now, "before", "now");
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0], "kernel: before Linux 1, now Linux 2");
  EXPECT_TRUE(EnvironmentDifferences(now, now, "a", "b").empty());
  EXPECT_TRUE(EnvironmentDifferences(ProvenanceJson(), ProvenanceJson(), "a", "b").empty());
}

}  // namespace
}  // namespace fencepost
