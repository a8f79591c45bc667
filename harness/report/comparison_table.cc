// SPDX-License-Identifier: BSD-3-Clause
// A Comparison as text.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <tuple>

#include "harness/report/comparison.h"
#include "harness/report/provenance.h"
#include "harness/stats/effect_size.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

std::string OrDash(const std::optional<Estimate>& estimate, double scale, int decimals) {
  if (!estimate) return "-";
  return decimals == 0 ? Grouped(estimate->value * scale)
                       : fmt::format("{:.{}f}", estimate->value * scale, decimals);
}

std::string RatioText(const ComparedMeasure& measure) {
  return measure.ratio ? fmt::format("{:.3f}", measure.ratio->value) : "-";
}

std::string IntervalText(const ComparedMeasure& measure) {
  if (!measure.ratio || measure.ratio->count < 2 || measure.ratio->confidence == 0) return "-";
  return fmt::format("{:.3f}-{:.3f} ({:.0f} %)", measure.ratio->low, measure.ratio->high,
                     measure.ratio->confidence * 100);
}

std::string EffectText(const ComparedMeasure& measure) {
  // Of one run a side it is always 1, and says nothing.
  if (!measure.cliffs_delta || !measure.ratio || measure.ratio->count < 2) return "-";
  return fmt::format("{:+.2f} {}", *measure.cliffs_delta, EffectName(*measure.cliffs_delta));
}

std::string Verdict(const ComparedCell& cell) {
  if (!cell.skipped.empty()) return cell.skipped;
  if (!cell.failed.empty()) return fmt::format("FAILED: {}", cell.failed);
  return cell.pairs.empty() ? "-" : std::string(Name(cell.judged.verdict));
}

// "a", or "a / b" where the sides differ.
std::string Both(const std::string& base, const std::string& test) {
  return base == test || test.empty() ? base : base + " / " + test;
}

void AddRow(const Comparison& comparison, const ComparedCell& cell, const std::string& what,
            const ComparedMeasure& measure, double scale, int decimals, TextTable* table) {
  const bool first = what == "ops/s";
  std::vector<std::string> row = {
      first ? Both(cell.base.workload, cell.test.workload) : "",
      first ? Both(cell.base.engine, cell.test.engine) : "",
      first ? Both(cell.base.medium, cell.test.medium) : "",
      first ? Both(cell.base.durability, cell.test.durability) : "",
      first ? Both(fmt::format("{}", cell.base.threads), fmt::format("{}", cell.test.threads)) : "",
      what,
      OrDash(measure.base, scale, decimals),
      OrDash(measure.test, scale, decimals),
      RatioText(measure),
      IntervalText(measure),
      EffectText(measure)};
  if (comparison.paired) {
    const bool judged = first && !cell.pairs.empty();
    row.push_back(judged ? fmt::format("{}", cell.pairs.size()) : "");
    row.push_back(judged ? fmt::format("{:.2g}", cell.judged.p_adjusted) : "");
    row.push_back(first ? Verdict(cell) : "");
  } else {
    row.push_back(
        first ? fmt::format("{} / {}", cell.base.summaries.size(), cell.test.summaries.size())
              : "");
  }
  table->AddRow(std::move(row));
}

std::string Heading(const Comparison& comparison) {
  std::string out;
  const std::tuple<const char*, const ComparedSide*> sides[] = {{"base", &comparison.base},
                                                                {"test", &comparison.test}};
  for (const auto& [name, side] : sides) {
    out += fmt::format("{}: {} ({}){}{}\n", name, side->label, BuildText(side->manifest),
                       side->properties.empty() ? "" : ", with ", fmt::join(side->properties, " "));
  }
  return out;
}

std::string Meaning(const Comparison& comparison) {
  if (!comparison.paired) {
    return "UNPAIRED: the runs were not made side by side. Whatever else changed between them is "
           "in "
           "these ratios;\nnothing is guaranteed. bench --against interleaves two builds, and "
           "judges "
           "them.\n";
  }
  const size_t regressions = comparison.regressions();
  return fmt::format(
      "paired: ratio is test/base, from the median log-ratio; sign-flip test, Holm over all cells, "
      "alpha {:g}\n{}\n",
      comparison.settings.alpha,
      regressions == 0
          ? std::string("no regression shown")
          : fmt::format("REGRESSION: {} of {} cells slower", regressions, comparison.cells.size()));
}

}  // namespace

std::string ComparisonTable(const Comparison& comparison) {
  using Align = TextTable::Align;
  std::vector<TextTable::Column> columns = {{"workload"},
                                            {"engine"},
                                            {"medium"},
                                            {"durability"},
                                            {"thr", Align::kRight},
                                            {"of"},
                                            {"base", Align::kRight},
                                            {"test", Align::kRight},
                                            {"test/base", Align::kRight},
                                            {"interval", Align::kRight},
                                            {"Cliff's delta"}};
  if (comparison.paired) {
    columns.insert(columns.end(), {{"pairs", Align::kRight}, {"p", Align::kRight}, {"verdict"}});
  } else {
    columns.push_back({"runs", Align::kRight});
  }
  TextTable table(columns);
  std::string warnings;
  for (const ComparedCell& cell : comparison.cells) {
    AddRow(comparison, cell, "ops/s", cell.throughput, 1, 0, &table);
    if (cell.p50.base) {
      AddRow(comparison, cell, cell.latency_kind + " p50 us", cell.p50, 1e-3, 2, &table);
      AddRow(comparison, cell, cell.latency_kind + " p99 us", cell.p99, 1e-3, 2, &table);
    }
    for (const std::string& warning : cell.warnings) {
      warnings += fmt::format("warning: {}: {}\n", cell.Name(), warning);
    }
  }
  for (const std::string& warning : comparison.warnings) {
    warnings += fmt::format("warning: {}\n", warning);
  }
  return Heading(comparison) + "\n" + table.Render() + "\n" + Meaning(comparison) + warnings;
}

}  // namespace fencepost
