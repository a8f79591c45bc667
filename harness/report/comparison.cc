// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "harness/report/provenance.h"
#include "harness/run_files.h"
#include "harness/stats/effect_size.h"
#include "harness/stats/estimate_json.h"

namespace fencepost {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

// One number of each summary; nothing if one of them does not have it.
std::vector<double> Values(const ComparedRuns& runs, const Pointer& field) {
  std::vector<double> values;
  for (const json& summary : runs.summaries) {
    if (!summary.contains(field) || !summary.at(field).is_number()) return {};
    values.push_back(summary.at(field).get<double>());
  }
  return values;
}

bool AllPositive(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return value > 0; });
}

ComparedMeasure Measure(const ComparedCell& cell, const Pointer& field, bool paired) {
  const std::vector<double> base = Values(cell.base, field), test = Values(cell.test, field);
  ComparedMeasure measure;
  if (base.empty() || test.empty()) return measure;
  measure.base = MedianEstimate(base);
  measure.test = MedianEstimate(test);
  measure.cliffs_delta = CliffsDelta(test, base);
  if (!AllPositive(base) || !AllPositive(test)) return measure;
  measure.ratio =
      paired ? MedianRatioEstimate(test, base) : UnpairedMedianRatioEstimate(test, base);
  return measure;
}

// READ if both sides did it, else what they did most of.
std::string CommonKind(const ComparedCell& cell) {
  if (cell.base.summaries.empty() || cell.test.summaries.empty()) return "";
  const json &base = cell.base.summaries.front()["kinds"],
             &test = cell.test.summaries.front()["kinds"];
  std::string best;
  uint64_t most = 0;
  for (const auto& [kind, record] : base.items()) {
    if (!test.contains(kind)) continue;
    if (kind == "READ") return kind;
    if (const uint64_t count = record.value("count", uint64_t{0}); count > most) {
      most = count;
      best = kind;
    }
  }
  return best;
}

std::set<std::string> TextsOf(const ComparedRuns& runs, const char* field) {
  std::set<std::string> texts;
  for (const json& summary : runs.summaries) {
    if (!summary.contains(field)) continue;
    const json& value = summary[field];
    texts.insert(value.is_string() ? value.get<std::string>() : value.dump());
  }
  return texts;
}

// Whether the sides did the same operations, as far as the hashes of their traces tell.
void CompareTraces(ComparedCell* cell) {
  const std::set<std::string> base = TextsOf(cell->base, "trace_hash"),
                              test = TextsOf(cell->test, "trace_hash");
  if (base == test && !base.contains("null")) return;
  if (base.contains("null") || test.contains("null")) {
    cell->warnings.push_back("traces: not known to be the same (fencepost.trace=live has no hash)");
    return;
  }
  const std::set<std::string> base_count = TextsOf(cell->base, "operations"),
                              test_count = TextsOf(cell->test, "operations");
  if (base_count == test_count) {
    cell->warnings.push_back(fmt::format("traces differ: hashes {} and {}, of {} operations",
                                         fmt::join(base, ", "), fmt::join(test, ", "),
                                         fmt::join(base_count, ", ")));
    return;
  }
  const auto least = [](const std::set<std::string>& texts) {
    return texts.size() == 1 ? *texts.begin() : fmt::format("{} and more", *texts.begin());
  };
  cell->warnings.push_back(
      fmt::format("traces differ in length, as runs by time do ({} and {} operations): their "
                  "hashes do not tell "
                  "whether the operations were the same",
                  least(base_count), least(test_count)));
}

// Settings that change what is measured.
void CompareSettings(ComparedCell* cell) {
  constexpr const char* kFields[] = {
      "engine",       "workload",         "threads",         "medium",           "durability",
      "phase",        "record_count",     "verify",          "value_bytes_mean", "update",
      "relaxed_load", "target_ops_per_s", "injected_spin_ns"};
  for (const char* field : kFields) {
    const std::set<std::string> base = TextsOf(cell->base, field),
                                test = TextsOf(cell->test, field);
    if (base == test) continue;
    cell->warnings.push_back(
        fmt::format("{} differs: {} and {}", field, fmt::join(base, ", "), fmt::join(test, ", ")));
  }
}

void AddRunWarnings(const ComparedRuns& runs, std::vector<std::string>* warnings) {
  for (const json& summary : runs.summaries) {
    if (!summary.contains("warnings")) continue;
    for (const json& warning : summary["warnings"]) {
      const std::string text = warning.get<std::string>();
      if (std::find(warnings->begin(), warnings->end(), text) == warnings->end()) {
        warnings->push_back(text);
      }
    }
  }
}

json MeasureJson(const ComparedMeasure& measure) {
  return {{"base", EstimateJson(measure.base)},
          {"test", EstimateJson(measure.test)},
          {"ratio", EstimateJson(measure.ratio, "the ratio")},
          {"cliffs_delta", measure.cliffs_delta ? json(*measure.cliffs_delta) : json(nullptr)}};
}

json RunsJson(const ComparedRuns& runs) {
  json ids = json::array();
  for (const json& summary : runs.summaries) ids.push_back(summary.at("run_id"));
  return {{"engine", runs.engine}, {"workload", runs.workload},     {"threads", runs.threads},
          {"medium", runs.medium}, {"durability", runs.durability}, {"runs", std::move(ids)}};
}

json PairedJson(const ComparedCell& cell) {
  json pairs = json::array();
  for (const ComparedPair& pair : cell.pairs) {
    pairs.push_back({{"base", pair.base_run},
                     {"test", pair.test_run},
                     {"first", pair.base_first ? "base" : "test"},
                     {"log_ratio", pair.log_ratio}});
  }
  const bool judged = !cell.pairs.empty();
  return {{"pairs", std::move(pairs)},
          {"interval_width", judged ? json(cell.judged.width) : json(nullptr)},
          {"p_value", judged ? json(cell.judged.p_value) : json(nullptr)},
          {"p_adjusted", judged ? json(cell.judged.p_adjusted) : json(nullptr)},
          {"verdict", judged ? json(Name(cell.judged.verdict)) : json(nullptr)}};
}

json CellJson(const ComparedCell& cell, bool paired) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? json(nullptr) : json(text);
  };
  return {{"base", RunsJson(cell.base)},
          {"test", RunsJson(cell.test)},
          {"placement", text_or_null(cell.placement)},
          {"throughput_ops_per_s", MeasureJson(cell.throughput)},
          {"latency_kind", text_or_null(cell.latency_kind)},
          {"latency_p50_ns", MeasureJson(cell.p50)},
          {"latency_p99_ns", MeasureJson(cell.p99)},
          {"paired", paired ? PairedJson(cell) : json(nullptr)},
          {"skipped", text_or_null(cell.skipped)},
          {"failed", text_or_null(cell.failed)},
          {"warnings", cell.warnings}};
}

json SideJson(const ComparedSide& side) {
  const auto text = [&](const char* field) { return side.manifest.value(field, "unknown"); };
  const json machine = side.manifest.value("machine", json::object());
  return {{"label", side.label},
          {"fencepost_version", text("fencepost_version")},
          {"commit", text("commit")},
          {"dirty", side.manifest.value("dirty", false)},
          {"compiler", text("compiler")},
          {"build_type", text("build_type")},
          {"cpu_model", machine.value("cpu_model", "unknown")},
          {"kernel", machine.value("kernel", "unknown")},
          {"properties", side.properties}};
}

json SettingsJson(const PairedSettings& settings) {
  return {{"min_pairs", settings.min_pairs}, {"max_pairs", settings.max_pairs},
          {"turn_ms", settings.turn_ms},     {"threshold", settings.threshold},
          {"alpha", settings.alpha},         {"seed", settings.seed}};
}

}  // namespace

ComparedRuns MakeComparedRuns(std::vector<json> summaries) {
  CHECK(!summaries.empty());
  const json& first = summaries.front();
  ComparedRuns runs;
  runs.engine = first.at("engine").get<std::string>();
  runs.workload = first.at("workload").get<std::string>();
  runs.threads = first.at("threads").get<unsigned>();
  runs.medium = first.at("medium").get<std::string>();
  runs.durability = first.at("durability").get<std::string>();
  runs.relaxed_load = first.value("relaxed_load", false);
  runs.summaries = std::move(summaries);
  return runs;
}

std::string ComparedCell::Name() const {
  const auto name = [](const ComparedRuns& runs) {
    return fmt::format("{} {} {} thr", runs.engine, runs.workload, runs.threads);
  };
  return name(base) == name(test) ? name(base) : name(base) + " / " + name(test);
}

size_t Comparison::regressions() const {
  return static_cast<size_t>(std::count_if(cells.begin(), cells.end(), [](const auto& cell) {
    return cell.judged.verdict == PairedVerdict::kSlower;
  }));
}

void Evaluate(Comparison* comparison) {
  std::vector<std::vector<double>> log_ratios;
  for (ComparedCell& cell : comparison->cells) {
    cell.throughput = Measure(cell, Pointer("/throughput_ops_per_s"), comparison->paired);
    cell.latency_kind = CommonKind(cell);
    if (!cell.latency_kind.empty()) {
      const std::string latency = "/kinds/" + cell.latency_kind + "/latency_ns/";
      cell.p50 = Measure(cell, Pointer(latency + "p50"), comparison->paired);
      cell.p99 = Measure(cell, Pointer(latency + "p99"), comparison->paired);
    }
    std::vector<double>& ratios = log_ratios.emplace_back();
    for (const ComparedPair& pair : cell.pairs) ratios.push_back(pair.log_ratio);
    if (!cell.base.summaries.empty() && !cell.test.summaries.empty()) {
      CompareSettings(&cell);
      // By time, the two runs of a pair always differ in length; they have one seed.
      if (!comparison->paired) CompareTraces(&cell);
    }
    AddRunWarnings(cell.base, &cell.warnings);
    AddRunWarnings(cell.test, &cell.warnings);
  }
  if (!comparison->paired) return;
  const std::vector<PairedCell> judged = JudgePairs(log_ratios, comparison->settings);
  for (size_t i = 0; i < judged.size(); ++i) {
    ComparedCell& cell = comparison->cells[i];
    cell.judged = judged[i];
    if (judged[i].ratio.count == 0) continue;
    cell.throughput.ratio = judged[i].ratio;
    if (judged[i].width >= comparison->settings.threshold) {
      cell.warnings.push_back(fmt::format(
          "the interval is still {:.1f} % wide after {} pairs (threshold {:.1f} %)",
          judged[i].width * 100, judged[i].ratio.count, comparison->settings.threshold * 100));
    }
  }
}

Status CheckComparable(const Comparison& comparison) {
  for (const ComparedCell& cell : comparison.cells) {
    const std::string &base = cell.base.durability, &test = cell.test.durability;
    // An engine that stores nothing promises nothing: it is the floor, not a competitor.
    if (base == test || base == "none" || test == "none") continue;
    return Status::InvalidArgument(fmt::format(
        "runs of different durability are not comparable ({}: {}, {}: {}); --unequal-durability "
        "compares them all the same, and labels it",
        cell.base.engine, base, cell.test.engine, test));
  }
  return Status::Ok();
}

json ComparisonJson(const Comparison& comparison, const std::string& id,
                    const std::vector<std::string>& command) {
  json cells = json::array();
  for (const ComparedCell& cell : comparison.cells) {
    cells.push_back(CellJson(cell, comparison.paired));
  }
  return {
      {"schema", "fencepost.comparison/1"},
      {"comparison_id", id},
      {"created_utc", UtcTimestamp()},
      {"command", command},
      {"paired", comparison.paired},
      {"partial", comparison.partial},
      {"unequal_durability", comparison.unequal_durability},
      {"base", SideJson(comparison.base)},
      {"test", SideJson(comparison.test)},
      {"paired_settings", comparison.paired ? SettingsJson(comparison.settings) : json(nullptr)},
      {"settings", comparison.paired ? comparison.bench : json(nullptr)},
      {"noise", comparison.paired ? comparison.noise : json(nullptr)},
      {"regressions", comparison.paired ? json(comparison.regressions()) : json(nullptr)},
      {"cells", std::move(cells)},
      {"warnings", comparison.warnings}};
}

}  // namespace fencepost
