// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/page_data.h"

#include <gtest/gtest.h>

#include <fstream>

#include "harness/report/page/markup.h"
#include "harness/report/page/number_text.h"

namespace fencepost::page {
namespace {

using nlohmann::json;

TEST(PageText, WhatAResultSaysIsTextNotMarkup) {
  EXPECT_EQ(EscapeHtml("<script>&\"'"), "&lt;script&gt;&amp;&quot;&#39;");
  EXPECT_EQ(EscapeHtml("a\x01\u202e\u00e9"), "a\\x01\\u202e\u00e9");
  EXPECT_EQ(Element("td", {{"title", "\"><b>"}}, "<i>").raw,
            "<td title=\"&quot;&gt;&lt;b&gt;\">&lt;i&gt;</td>");
}

TEST(PageText, NumbersKeepThreeDigitsAndTheirUnit) {
  EXPECT_EQ(Grouped(1234567.8), "1,234,568");
  EXPECT_EQ(Short(1234567), "1.23M");
  EXPECT_EQ(Short(999999), "1M");
  EXPECT_EQ(Duration(25000), "25 µs");
  EXPECT_EQ(Microseconds(25000), "25.00");
  EXPECT_EQ(PowerOfTen(3), "1,000");
  EXPECT_EQ(PowerOfTen(36.2), "1.6e+36");
}

// As much of a run as is picked from.
LoadedRun MakeRun(const std::string& engine, const std::string& durability,
                  const std::string& medium, double ops_per_s) {
  LoadedRun run;
  run.summary =
      json::parse(R"({"workload": "workloada", "phase": "run", "threads": 1, "verify": "full",
    "update": "rmw", "relaxed_load": false, "target_ops_per_s": 0, "record_count": 10, "value_bytes_mean": 8,
    "partial": false, "floor_ns_per_op": null, "warnings": [], "kinds": {"UPDATE": {"count": 9, "latency_ns":
    {"p50": 7, "p99": 8}, "curve_ns": []}, "READ": {"count": 1, "latency_ns": {"p50": 1, "p99": 2},
    "curve_ns": []}}, "verification": {"lost": 0, "stale": 0, "torn": 0, "foreign": 0, "phantom": 0,
    "length": 0}})");
  run.summary["engine"] = engine;
  run.summary["durability"] = durability;
  run.summary["medium"] = medium;
  run.summary["throughput_ops_per_s"] = ops_per_s;
  run.manifest = json::parse(
      R"({"commit": "0123456789abcdef", "dirty": false, "compiler": "c", "build_type": "b",
    "fencepost_version": "v", "seed": 1, "command": ["x"], "run_id": "r", "created_utc": "t", "engine":
    {"version": "1", "power_loss": "all", "process_death": "all", "filesystem": null, "pmem_mode": "none",
     "pmem": null,
    "cache_bytes": 1, "tuning": {}}, "machine": {"cpu_model": "cpu", "cpus": 1, "kernel": "k"},
    "clock": {"source": "tsc", "read_ns": 1}})");
  run.manifest["engine"]["name"] = engine;
  run.manifest["engine"]["durability"] = durability;
  run.manifest["engine"]["medium"] = medium;
  return run;
}

bool Says(const PageData& page, const std::string& title) {
  for (const Notice& notice : page.notices) {
    if (notice.title == title) return true;
  }
  return false;
}

TEST(PageData, RowsOfDifferentMediaShareNoGroup) {
  LoadedResults results;
  results.runs = {MakeRun("lmdb", "power-fail", "page-cache", 5),
                  MakeRun("lmdb", "power-fail", "tmpfs", 50)};
  const PageData page = PickFigures(results);
  ASSERT_EQ(page.groups.size(), 2U);
  EXPECT_EQ(page.groups[0].medium, "tmpfs");
  EXPECT_TRUE(Says(page, "tmpfs is DRAM"));
  EXPECT_TRUE(Says(page, "Single runs"));
  EXPECT_FALSE(Says(page, "Unequal durability"));
}

TEST(PageData, GroupsOfOneMediumAreToldApartBesideTheVerdictsToo) {
  LoadedResults results;
  results.runs = {MakeRun("lmdb", "power-fail", "tmpfs", 5)};
  EXPECT_EQ(PickFigures(results).engine_tables.at(0).conditions, "");
  results.runs.push_back(results.runs[0]);
  results.runs[1].summary["verify"] = "stamp";
  const PageData page = PickFigures(results);
  ASSERT_EQ(page.engine_tables.size(), 2U);
  EXPECT_NE(page.engine_tables[0].conditions, page.engine_tables[1].conditions);
}

TEST(PageData, UnequalDurabilityIsSaid) {
  LoadedResults results;
  results.runs = {MakeRun("lmdb", "power-fail", "page-cache", 5),
                  MakeRun("rocksdb", "prefix", "page-cache", 50)};
  const PageData page = PickFigures(results);
  ASSERT_EQ(page.groups.size(), 1U);
  EXPECT_TRUE(page.groups[0].mixed_durability);
  EXPECT_TRUE(Says(page, "Unequal durability"));
}

TEST(PageData, AnUnknownMediumIsModelled) {
  LoadedResults results;
  results.runs = {MakeRun("cmap", "power-fail", "optane", 5)};
  const PageData page = PickFigures(results);
  EXPECT_TRUE(page.groups[0].modelled);
  EXPECT_TRUE(Says(page, "Modelled media"));
}

std::string TextOf(const PageData& page, const std::string& title) {
  for (const Notice& notice : page.notices) {
    if (notice.title == title) return notice.text;
  }
  return "";
}

TEST(PageData, WarningsThatDifferInTheirNumbersOnlyAreSaidOnce) {
  LoadedResults results;
  results.runs = {MakeRun("lmdb", "power-fail", "page-cache", 5),
                  MakeRun("cmap", "power-fail", "tmpfs", 5),
                  MakeRun("rocksdb", "power-fail", "tmpfs", 5)};
  results.runs[0].summary["warnings"] = {"the repeats lie 9 % apart", "load 1.5 on 2 CPUs"};
  results.runs[1].summary["warnings"] = {"the repeats lie 104 % apart"};
  results.runs[2].summary["warnings"] = {"the repeats lie 11 % apart"};
  EXPECT_EQ(TextOf(PickFigures(results), "From the runs"),
            "load 1.5 on 2 CPUs; the repeats lie 104 % apart (and 2 alike).");
}

TEST(PageData, AMachineIsOneRowHoweverItsClockVaries) {
  LoadedResults results;
  results.runs = {MakeRun("lmdb", "power-fail", "page-cache", 5),
                  MakeRun("cmap", "power-fail", "tmpfs", 5)};
  results.runs[1].manifest["clock"]["read_ns"] = 19.4;
  const std::vector<FactTable> facts = PickFigures(results).facts;
  ASSERT_EQ(facts[0].title, "Machine");
  ASSERT_EQ(facts[0].rows.size(), 1U);
  EXPECT_EQ(facts[0].rows[0].back(), "tsc, 1–19 ns a read");
  results.runs[1].manifest["machine"]["kernel"] = "k2";
  EXPECT_EQ(PickFigures(results).facts[0].rows.size(), 2U);
}

TEST(PageData, ALooseRunsLatencyIsOfItsReads) {
  LoadedResults results;
  results.runs = {MakeRun("lmdb", "power-fail", "page-cache", 5)};
  const SpeedRow row = PickFigures(results).groups[0].rows[0];
  EXPECT_EQ(row.latency_kind, "READ");
  EXPECT_EQ(row.p99_ns->median, 2);
  EXPECT_FALSE(row.throughput_ops_per_s->low);
}

}  // namespace
}  // namespace fencepost::page
