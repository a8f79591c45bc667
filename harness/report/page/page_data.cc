// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/page_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "harness/report/page/crash_rows.h"
#include "harness/report/page/facts.h"
#include "harness/report/page/notices.h"
#include "harness/report/page/number_text.h"

namespace fencepost::page {
namespace {

using nlohmann::json;

constexpr std::string_view kMedia[] = {"dax", "tmpfs", "page-cache", "block"};

int MediumRank(const std::string& medium) {
  if (medium == "none") return 9;
  const auto* found = std::find(std::begin(kMedia), std::end(kMedia), medium);
  return static_cast<int>(found - std::begin(kMedia));
}

// A medium that is none of those that a machine can have is a model's; results may say so, too.
bool IsModelled(const std::string& medium, const json& document) {
  return MediumRank(medium) == 4 || document.value("modelled", false);
}

std::optional<Spread> SpreadOf(const json& interval) {
  if (interval.is_null()) return std::nullopt;
  Spread spread{.median = interval["median"], .low = {}, .high = {}, .method = interval["method"]};
  if (!interval["low"].is_null()) spread.low = interval["low"].get<double>();
  if (!interval["high"].is_null()) spread.high = interval["high"].get<double>();
  return spread;
}

std::optional<Spread> Single(const json& number) {
  if (!number.is_number()) return std::nullopt;
  return Spread{.median = number, .low = {}, .high = {}, .method = "single run"};
}

std::string SettingsOf(const json& manifest) {
  std::vector<std::string> settings;
  for (const auto& [name, value] : manifest["engine"]["tuning"].items()) {
    if (!IsPromiseFree(name)) settings.push_back(name + "=" + value.get<std::string>());
  }
  return fmt::format("{}", fmt::join(settings, ", "));
}

bool FailedCheck(const json& summary) {
  const json& verification = summary["verification"];
  for (const char* name : {"lost", "stale", "torn", "foreign", "phantom", "length"}) {
    if (verification[name] > 0) return true;
  }
  return false;
}

// What must be equal for rows to share an axis; also what is said over them.
std::string ConditionsOf(const LoadedRun& run, const std::string& bench) {
  const json& summary = run.summary;
  std::vector<std::string> parts;
  parts.push_back(bench.empty() ? "single runs, neither interleaved nor paired" : bench);
  parts.push_back(fmt::format("{} records of {:.0f} B",
                              Grouped(summary["record_count"].get<double>()),
                              summary["value_bytes_mean"].get<double>()));
  parts.push_back(fmt::format("verify {}", summary["verify"].get<std::string>()));
  parts.push_back(fmt::format("updates {}", summary["update"].get<std::string>()));
  // An engine of one class has no weaker one to load at: its runs are no less comparable.
  if (summary["relaxed_load"] && summary["phase"] == "load")
    parts.push_back("loads relaxed, ended by one Sync");
  if (const double target = summary["target_ops_per_s"]; target > 0) {
    parts.push_back(fmt::format("open loop at {} operations/s", Grouped(target)));
  }
  parts.push_back(MachineName(run.manifest));
  parts.push_back("commit " + CommitName(run.manifest));
  return fmt::format("{}", fmt::join(parts, " · "));
}

class Picker {
 public:
  explicit Picker(const LoadedResults& results) : results_(results) {}

  PageData Pick();

 private:
  void AddBench(const LoadedBench& bench);
  void AddLooseRun(const LoadedRun& run);
  void FillFromRun(SpeedRow& row, const LoadedRun& run) const;
  Group& GroupOf(const std::string& medium, bool modelled, const std::string& conditions);
  void AddEngineTables();
  void AddVerdicts(SafetyRow& row) const;

  const LoadedResults& results_;
  PageData page_;
};

Group& Picker::GroupOf(const std::string& medium, bool modelled, const std::string& conditions) {
  for (Group& group : page_.groups) {
    if (group.medium == medium && group.modelled == modelled && group.conditions == conditions) {
      return group;
    }
  }
  Group& group = page_.groups.emplace_back();
  group.medium = medium;
  group.modelled = modelled;
  group.conditions = conditions;
  return group;
}

void Picker::FillFromRun(SpeedRow& row, const LoadedRun& run) const {
  row.summary = run.summary;
  row.settings = SettingsOf(run.manifest);
  if (run.summary["phase"] == "load") row.workload += " (load)";
  const std::string pmem = run.manifest["engine"]["pmem_mode"];
  if (pmem == "forced-on-tmpfs") row.remarks.push_back("persistent memory emulated by DRAM");
  if (pmem == "msync") row.remarks.push_back("made durable by msync");
  if (pmem == "none" && run.summary["medium"] == "tmpfs") {
    row.remarks.push_back("sync is free here");
  }
}

void Picker::AddBench(const LoadedBench& bench) {
  const json& report = bench.report;
  const bool paired =
      report.contains("paired") && report["paired"] != false && !report["paired"].is_null();
  const std::string name =
      fmt::format("bench {}, repeats {}", report["bench_id"].get<std::string>(),
                  paired ? "paired" : "interleaved, not paired");
  const LoadedRun* any = nullptr;
  for (const auto& runs : bench.cell_runs) {
    if (any == nullptr && !runs.empty()) any = &runs.front();
  }
  for (size_t i = 0; i < bench.cell_runs.size(); ++i) {
    const json& cell = report["cells"][i];
    std::vector<const LoadedRun*> runs;
    for (const LoadedRun& run : bench.cell_runs[i]) runs.push_back(&run);
    std::stable_sort(runs.begin(), runs.end(), [](const LoadedRun* a, const LoadedRun* b) {
      return a->summary["throughput_ops_per_s"] < b->summary["throughput_ops_per_s"];
    });
    SpeedRow row;
    row.engine = cell["engine"];
    row.durability = cell["durability"];
    row.workload = cell["workload"];
    row.threads = cell["threads"];
    row.throughput_ops_per_s = SpreadOf(cell["throughput_ops_per_s"]);
    row.p50_ns = SpreadOf(cell["latency_p50_ns"]);
    row.p99_ns = SpreadOf(cell["latency_p99_ns"]);
    row.floor_ns = SpreadOf(cell["floor_ns_per_op"]);
    if (!cell["latency_kind"].is_null()) row.latency_kind = cell["latency_kind"];
    if (!cell["skipped"].is_null())
      row.remarks.push_back("skipped: " + cell["skipped"].get<std::string>());
    if (!cell["failed"].is_null()) {
      row.remarks.push_back("failed: " + cell["failed"].get<std::string>());
      row.bad = true;
    }
    for (const LoadedRun* run : runs) {
      row.repeats_ops_per_s.push_back(run->summary["throughput_ops_per_s"]);
      if (run->summary["partial"] || FailedCheck(run->summary)) {
        row.bad = true;
        row.remarks.push_back(run->summary["partial"] ? "partial" : "values did not verify");
      }
    }
    if (runs.empty() && row.remarks.empty()) row.remarks.push_back("not run");
    if (!runs.empty()) FillFromRun(row, *runs[(runs.size() - 1) / 2]);
    const LoadedRun* like = runs.empty() ? any : runs.front();
    GroupOf(cell["medium"], IsModelled(cell["medium"], cell),
            like == nullptr ? name : ConditionsOf(*like, name))
        .rows.push_back(std::move(row));
  }
}

void Picker::AddLooseRun(const LoadedRun& run) {
  const json& summary = run.summary;
  SpeedRow row;
  row.engine = summary["engine"];
  row.durability = summary["durability"];
  row.workload = summary["workload"];
  row.threads = summary["threads"];
  row.throughput_ops_per_s = Single(summary["throughput_ops_per_s"]);
  row.floor_ns = Single(summary["floor_ns_per_op"]);
  // As a bench quotes it: READ, or what the run did most of.
  uint64_t most = 0;
  for (const auto& [kind, record] : summary["kinds"].items()) {
    const uint64_t count = kind == "READ" ? UINT64_MAX : record["count"].get<uint64_t>();
    if (count > most) {
      most = count;
      row.latency_kind = kind;
    }
  }
  if (!row.latency_kind.empty()) {
    const json& latency = summary["kinds"][row.latency_kind]["latency_ns"];
    row.p50_ns = Single(latency["p50"]);
    row.p99_ns = Single(latency["p99"]);
  }
  if (summary["partial"] || FailedCheck(summary)) {
    row.bad = true;
    row.remarks.push_back(summary["partial"] ? "partial" : "values did not verify");
  }
  FillFromRun(row, run);
  GroupOf(summary["medium"], IsModelled(summary["medium"], summary), ConditionsOf(run, ""))
      .rows.push_back(std::move(row));
}

void Picker::AddVerdicts(SafetyRow& row) const {
  for (size_t i = 0; i < page_.crashes.size(); ++i) {
    const CrashRow& crash = page_.crashes[i];
    if (!crash.is_engine || crash.engine != row.engine || crash.durability != row.durability ||
        crash.settings != row.settings) {
      continue;
    }
    if (crash.fault == "power-loss") {
      row.power_loss.push_back(i);
    } else {
      (crash.fault == "kill" ? row.killed : row.faults).push_back(i);
    }
  }
}

void Picker::AddEngineTables() {
  // The fewest threads of each workload: more of them have their rows further down.
  std::map<std::string, unsigned> fewest;
  for (const Group& group : page_.groups) {
    if (group.medium == "none") continue;
    for (const SpeedRow& row : group.rows) {
      auto [entry, is_new] = fewest.emplace(row.workload, row.threads);
      if (!is_new) entry->second = std::min(entry->second, row.threads);
    }
  }
  page_.engine_columns.assign(fewest.begin(), fewest.end());
  using Key = std::tuple<std::string, std::string, std::string>;
  std::set<Key> timed;
  for (const Group& group : page_.groups) {
    if (group.medium == "none") continue;
    EngineTable table{
        .medium = group.medium, .modelled = group.modelled, .conditions = {}, .rows = {}};
    const auto alike =
        std::count_if(page_.groups.begin(), page_.groups.end(), [&](const Group& other) {
          return other.medium == group.medium && other.modelled == group.modelled;
        });
    if (alike > 1) table.conditions = group.conditions;
    std::map<Key, size_t> index;
    for (const SpeedRow& row : group.rows) {
      const Key key(row.engine, row.durability, row.settings);
      timed.insert(key);
      const auto [entry, is_new] = index.emplace(key, table.rows.size());
      if (is_new) {
        SafetyRow& engine = table.rows.emplace_back();
        std::tie(engine.engine, engine.durability, engine.settings) = key;
        engine.throughput_ops_per_s.resize(page_.engine_columns.size());
        AddVerdicts(engine);
      }
      for (size_t i = 0; i < page_.engine_columns.size(); ++i) {
        if (page_.engine_columns[i] == std::pair(row.workload, row.threads) &&
            row.throughput_ops_per_s) {
          table.rows[entry->second].throughput_ops_per_s[i] = row.throughput_ops_per_s;
        }
      }
    }
    page_.engine_tables.push_back(std::move(table));
  }
  EngineTable untimed;
  for (const CrashRow& crash : page_.crashes) {
    if (!crash.is_engine ||
        !timed.insert({crash.engine, crash.durability, crash.settings}).second) {
      continue;
    }
    SafetyRow& engine = untimed.rows.emplace_back();
    engine.engine = crash.engine;
    engine.durability = crash.durability;
    engine.settings = crash.settings;
    engine.throughput_ops_per_s.resize(page_.engine_columns.size());
    AddVerdicts(engine);
  }
  if (!untimed.rows.empty()) page_.engine_tables.push_back(std::move(untimed));
}

PageData Picker::Pick() {
  for (const LoadedBench& bench : results_.benches) AddBench(bench);
  for (const LoadedRun& run : results_.runs) AddLooseRun(run);
  for (const LoadedCampaign& campaign : results_.campaigns) {
    page_.crashes.push_back(MakeCrashRow(campaign.report));
  }
  std::stable_sort(page_.groups.begin(), page_.groups.end(), [](const Group& a, const Group& b) {
    return MediumRank(a.medium) < MediumRank(b.medium);
  });
  for (Group& group : page_.groups) {
    std::stable_sort(group.rows.begin(), group.rows.end(),
                     [](const SpeedRow& a, const SpeedRow& b) {
                       return std::tie(a.workload, a.threads) < std::tie(b.workload, b.threads);
                     });
    std::set<std::string> promises;
    for (const SpeedRow& row : group.rows) promises.insert(row.durability);
    group.mixed_durability = promises.size() > 1;
  }
  AddEngineTables();
  page_.notices = MakeNotices(page_, results_);
  page_.facts = MakeFacts(results_);
  return std::move(page_);
}

}  // namespace

std::string MediumWords(const std::string& medium, bool modelled) {
  if (modelled) return medium + ": modelled from published measurements, not measured";
  if (medium == "dax") return "dax: persistent memory, mapped without a page cache";
  if (medium == "tmpfs") return "tmpfs: DRAM; a file engine's sync is free here";
  if (medium == "page-cache") return "page-cache: files on a disk, through the kernel's page cache";
  if (medium == "block") return "block: files on a disk, past the page cache";
  return "no medium: the harness itself";
}

PageData PickFigures(const LoadedResults& results) { return Picker(results).Pick(); }

}  // namespace fencepost::page
