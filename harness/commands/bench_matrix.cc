// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/bench_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "harness/stats/estimate_json.h"
#include "harness/stats/noise.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

using nlohmann::json;

json::json_pointer Latency(const std::string& kind, std::string_view percentile) {
  return json::json_pointer(fmt::format("/kinds/{}/latency_ns/{}", kind, percentile));
}

std::string Microseconds(const std::optional<Estimate>& estimate) {
  return estimate ? fmt::format("{:.2f}", estimate->value * 1e-3) : "-";
}

// What a reader must know to read the row.
std::string Remark(const Cell& cell) {
  if (!cell.skipped.empty()) return cell.skipped;
  if (!cell.failed.empty()) return fmt::format("FAILED: {}", cell.failed);
  std::string remark;
  const bool partial = std::any_of(cell.summaries.begin(), cell.summaries.end(),
                                   [](const json& s) { return s.at("partial").get<bool>(); });
  if (partial) remark = "partial";
  const auto add = [&](const std::string& text) {
    remark += fmt::format("{}{}", remark.empty() ? "" : "; ", text);
  };
  if (!cell.summaries.empty()) {
    const uint64_t spin_ns = cell.summaries.front().value("injected_spin_ns", uint64_t{0});
    if (spin_ns > 0) add(fmt::format("INJECTED: {} ns a call", spin_ns));
  }
  if (const std::optional<RepeatNoise> noise = JudgeRepeats(Throughputs(cell))) {
    for (const std::string& warning : NoiseWarnings(*noise)) add(warning);
  }
  if (cell.MediumLabel().ends_with("-modelled")) {
    add("modelled, not measured");
  }
  if (cell.MediumLabel() == "tmpfs") {
    add(cell.row->capabilities.persistent_memory ? "emulated pmem" : "sync is free here");
  }
  return remark;
}

}  // namespace

std::string Cell::Name() const {
  return fmt::format("{}-{}-t{}-{}{}{}", row->name, workload, threads, PlacementName(placement),
                     asked_durability.empty() ? "" : "-", asked_durability);
}

std::string Cell::MediumLabel() const {
  return summaries.empty() ? std::string(MediumName(medium))
                           : summaries.front().at("medium").get<std::string>();
}

std::vector<RunOrder> InterleavedOrder(const std::vector<Cell>& cells, unsigned repeats,
                                       uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<RunOrder> order;
  for (unsigned repeat = 0; repeat < repeats; ++repeat) {
    std::vector<size_t> permutation(cells.size());
    std::iota(permutation.begin(), permutation.end(), size_t{0});
    // Fisher-Yates by hand: std::shuffle's draws differ between standard libraries.
    for (size_t i = permutation.size(); i > 1; --i)
      std::swap(permutation[i - 1], permutation[random() % i]);
    for (size_t cell : permutation) {
      if (cells[cell].skipped.empty()) order.push_back({cell, repeat});
    }
  }
  return order;
}

std::vector<double> Throughputs(const Cell& cell) {
  std::vector<double> values;
  for (const json& summary : cell.summaries) {
    if (!summary.at("partial").get<bool>()) {
      values.push_back(summary.at("throughput_ops_per_s").get<double>());
    }
  }
  return values;
}

std::optional<Estimate> CellEstimate(const Cell& cell, const json::json_pointer& field) {
  std::vector<double> whole, partial;
  for (const json& summary : cell.summaries) {
    if (!summary.contains(field) || !summary.at(field).is_number()) continue;
    std::vector<double>& values = summary.value("partial", false) ? partial : whole;
    values.push_back(summary.at(field).get<double>());
  }
  if (whole.empty() && partial.empty()) return std::nullopt;
  return MedianEstimate(whole.empty() ? partial : whole);
}

Status CheckEqualDurability(const std::vector<Cell>& cells) {
  std::map<Durability, std::set<std::string_view>> engines;
  for (const Cell& cell : cells) {
    if (cell.row->capabilities.stores_data) engines[cell.durability].insert(cell.row->name);
  }
  if (engines.size() <= 1) return Status::Ok();
  std::string promises;
  for (const auto& [durability, names] : engines) {
    for (std::string_view name : names) {
      promises +=
          fmt::format("{}{}: {}", promises.empty() ? "" : ", ", name, DurabilityName(durability));
    }
  }
  return Status::InvalidArgument(fmt::format(
      "engines of different durability are not comparable ({}); --unequal-durability compares "
      "them all the same, and labels it",
      promises));
}

std::string MainKind(const Cell& cell) {
  std::string best;
  uint64_t most = 0;
  if (cell.summaries.empty()) return best;
  if (cell.summaries.front().at("kinds").contains("READ")) return "READ";
  for (const auto& [kind, record] : cell.summaries.front().at("kinds").items()) {
    if (const uint64_t count = record.at("count"); count > most) {
      most = count;
      best = kind;
    }
  }
  return best;
}

json CellJson(const Cell& cell) {
  const std::string kind = MainKind(cell);
  json repeats = json::array(), warnings = json::array();
  // Each once, though every repeat may have it.
  const auto add_warning = [&](const json& warning) {
    if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) {
      warnings.push_back(warning);
    }
  };
  for (const json& summary : cell.summaries) {
    repeats.push_back(summary.at("run_id"));
    for (const json& warning : summary.at("warnings")) add_warning(warning);
  }
  const std::optional<RepeatNoise> noise = JudgeRepeats(Throughputs(cell));
  if (noise) {
    for (const std::string& warning : NoiseWarnings(*noise)) add_warning(warning);
  }
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? json(nullptr) : json(text);
  };
  return {
      {"engine", cell.row->name},
      {"workload", cell.workload},
      {"threads", cell.threads},
      {"placement", PlacementName(cell.placement)},
      {"medium", cell.MediumLabel()},
      {"durability", DurabilityName(cell.durability)},
      {"repeats", std::move(repeats)},
      {"throughput_ops_per_s",
       EstimateJson(CellEstimate(cell, json::json_pointer("/throughput_ops_per_s")))},
      {"latency_kind", text_or_null(kind)},
      {"latency_p50_ns", EstimateJson(CellEstimate(cell, Latency(kind, "p50")))},
      {"latency_p99_ns", EstimateJson(CellEstimate(cell, Latency(kind, "p99")))},
      {"floor_ns_per_op", EstimateJson(CellEstimate(cell, json::json_pointer("/floor_ns_per_op")))},
      {"noise", ToJson(noise)},
      {"skipped", text_or_null(cell.skipped)},
      {"failed", text_or_null(cell.failed)},
      {"warnings", std::move(warnings)}};
}

namespace {

// Engines that are compared with each other stand together: same workload, same medium.
std::vector<const Cell*> InTableOrder(const std::vector<Cell>& cells) {
  std::vector<const Cell*> sorted;
  for (const Cell& cell : cells) sorted.push_back(&cell);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Cell* a, const Cell* b) {
    return std::tuple(a->workload, a->threads, a->MediumLabel()) <
           std::tuple(b->workload, b->threads, b->MediumLabel());
  });
  return sorted;
}

// The columns that say which cell a row is of, and `more`.
TextTable TableOfCells(std::vector<TextTable::Column> more) {
  std::vector<TextTable::Column> columns = {
      {"workload"}, {"medium"}, {"durability"}, {"engine"}, {"thr", TextTable::Align::kRight}};
  columns.insert(columns.end(), more.begin(), more.end());
  return TextTable(std::move(columns));
}

void AddRowOf(const Cell& cell, std::vector<std::string> more, TextTable* table) {
  std::vector<std::string> row = {cell.workload, cell.MediumLabel(),
                                  std::string(DurabilityName(cell.durability)),
                                  std::string(cell.row->name), fmt::format("{}", cell.threads)};
  row.insert(row.end(), more.begin(), more.end());
  table->AddRow(std::move(row));
}

}  // namespace

std::string MatrixTable(const std::vector<Cell>& cells) {
  using Align = TextTable::Align;
  TextTable table = TableOfCells({{"ops/s", Align::kRight},
                                  {"interval of the median", Align::kRight},
                                  {"of"},
                                  {"p50 us", Align::kRight},
                                  {"p99 us", Align::kRight},
                                  {"remark"}});
  for (const Cell* cell : InTableOrder(cells)) {
    const auto ops = CellEstimate(*cell, json::json_pointer("/throughput_ops_per_s"));
    const std::string kind = MainKind(*cell);
    AddRowOf(*cell,
             {ops ? Grouped(ops->value) : "-",
              ops && ops->count > 1 ? fmt::format("{}-{} ({:.0f} %)", Grouped(ops->low),
                                                  Grouped(ops->high), ops->confidence * 100)
                                    : "-",
              kind.empty() ? "-" : kind, Microseconds(CellEstimate(*cell, Latency(kind, "p50"))),
              Microseconds(CellEstimate(*cell, Latency(kind, "p99"))), Remark(*cell)},
             &table);
  }
  return table.Render();
}

std::string CostTable(const std::vector<Cell>& cells) {
  using Align = TextTable::Align;
  TextTable table = TableOfCells({{"opened in ms", Align::kRight},
                                  {"written/user's", Align::kRight},
                                  {"occupied/user's", Align::kRight}});
  bool any = false;
  bool any_pool = false, any_device = false;
  for (const Cell* cell : InTableOrder(cells)) {
    const auto open_s = CellEstimate(*cell, json::json_pointer("/open_s"));
    const auto written = CellEstimate(*cell, json::json_pointer("/write_amplification"));
    const auto occupied = CellEstimate(*cell, json::json_pointer("/space_amplification"));
    if (!open_s && !written && !occupied) continue;
    any = true;
    any_pool |= cell->row->capabilities.persistent_memory;
    any_device |= std::any_of(cell->summaries.begin(), cell->summaries.end(), [](const json& run) {
      return run.value("write_amplification_counts", json()) == "device";
    });
    const auto shown = [](const std::optional<Estimate>& estimate, double factor) {
      return estimate ? fmt::format("{:.2f}", estimate->value * factor) : "-";
    };
    AddRowOf(*cell, {shown(open_s, 1e3), shown(written, 1), shown(occupied, 1)}, &table);
  }
  if (!any) return "";
  return table.Render() +
         (any_pool ? "a pool in persistent memory has its full size from the beginning\n" : "") +
         (any_device ? "written: at most; where the device's count (everybody's) is less than the "
                       "process's (in whole folios), the device's\n"
                     : "");
}

std::string FloorLine(const std::vector<Cell>& cells) {
  std::map<std::string, std::vector<double>> floors;
  for (const Cell& cell : cells) {
    if (const auto floor = CellEstimate(cell, json::json_pointer("/floor_ns_per_op"))) {
      floors[fmt::format("{} {} thr", cell.workload, cell.threads)].push_back(floor->value);
    }
  }
  std::string out;
  for (const auto& [what, values] : floors) {
    out += fmt::format("{}{} {:.0f} ns", out.empty() ? "" : ", ", what, Median(values));
  }
  return out.empty() ? out : fmt::format("harness floor (blackhole), an operation: {}\n", out);
}

}  // namespace fencepost
