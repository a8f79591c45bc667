// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "harness/report/page/figures.h"
#include "harness/report/page/number_text.h"

namespace fencepost::page {
namespace {

using nlohmann::json;

struct Column {
  std::string title;
  bool number = false;
  bool sorts = true;
};

Markup Head(const std::vector<Column>& columns) {
  Markup cells;
  for (const Column& column : columns) {
    cells +=
        Element("th",
                {{"scope", "col"},
                 {"class", column.number ? "num" : "text"},
                 {column.sorts ? "data-sort" : "data-plain", column.number ? "number" : "text"}},
                column.title);
  }
  return Element("thead", {}, Element("tr", {}, cells));
}

Markup Table(const std::string& caption, const std::string& style,
             const std::vector<Column>& columns, const Markup& bodies) {
  return Element(
      "div", {{"class", "scroll"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", caption}},
      Element("table", {{"class", style}}, Element("caption", {}, caption), Head(columns), bodies));
}

Markup GroupHead(const std::string& words, const std::string& conditions, size_t columns) {
  return Element("tr", {{"class", "group"}},
                 Element("th", {{"colspan", fmt::format("{}", columns)}, {"scope", "rowgroup"}},
                         Element("b", {}, words), " ", Element("span", {}, conditions)));
}

Markup TextCell(const std::string& text, const std::string& label = "") {
  return Element("td", {{"data-label", label}}, text);
}

// A file's name, which may be long: it may be broken anywhere.
Markup WorkloadCell(const std::string& name) {
  return Element("td", {{"class", "workload"}}, name);
}

Markup NumberCell(double value, const std::string& text, const std::string& label = "") {
  return Element(
      "td", {{"class", "num"}, {"data-v", fmt::format("{}", value)}, {"data-label", label}}, text);
}

Markup NoCell(const std::string& label = "") {
  return Element("td", {{"class", "num none"}, {"data-v", ""}, {"data-label", label}}, "–");
}

Markup SpreadCell(const std::optional<Spread>& spread, std::string (*text)(double),
                  const std::string& label = "") {
  if (!spread) return NoCell(label);
  Markup inside = Element("span", {}, text(spread->median));
  if (spread->low && spread->high) {
    inside += Element("small", {{"title", spread->method}},
                      fmt::format("{}–{}", text(*spread->low), text(*spread->high)));
  }
  return Element(
      "td",
      {{"class", "num"}, {"data-v", fmt::format("{}", spread->median)}, {"data-label", label}},
      inside);
}

Markup EngineKey(const std::string& engine, const std::string& settings) {
  Markup key =
      Join(Element("svg", {{"viewBox", "-8 -8 16 16"}, {"class", "key"}, {"aria-hidden", "true"}},
                   EngineMark(engine)),
           Element("b", {}, engine));
  if (!settings.empty()) key += Element("small", {}, settings);
  return key;
}

Markup EngineCell(const SpeedRow& row) {
  return Element("th",
                 {{"scope", "row"}, {"class", "engine"}, {"data-v", row.engine + row.settings}},
                 EngineKey(row.engine, row.settings));
}

Markup DurabilityCell(const std::string& durability, bool mixed) {
  return Element("td", {{"class", mixed ? "promise mixed" : "promise"}, {"data-label", "promises"}},
                 durability);
}

Markup Chip(const CrashRow& crash) {
  const json& explored = crash.report["explored"];
  const json& settings = crash.report["settings"];
  const std::string sign = crash.style == "good"   ? "✓"
                           : crash.style == "bad"  ? "✗"
                           : crash.style == "open" ? "…"
                                                   : "i";
  std::string detail;
  if (crash.report["domain"] == "process") {
    detail =
        fmt::format("{} of {} runs killed", crash.report["recording"]["killed"].get<uint64_t>(),
                    crash.report["recording"]["rounds"].get<uint64_t>());
  } else if (crash.report["domain"] == "machine") {
    detail = fmt::format("{} of {} runs, {}", crash.report["recording"]["killed"].get<uint64_t>(),
                         crash.report["recording"]["rounds"].get<uint64_t>(), crash.model);
  } else {
    detail = fmt::format("{}, {}, {} states", crash.model, settings["strategy"].get<std::string>(),
                         Grouped(explored["states"].get<double>()));
  }
  if (crash.fault != "kill" && crash.fault != "power-loss") detail = crash.fault + ", " + detail;
  return Element(
      "a",
      {{"class", "chip " + crash.style},
       {"href", "#" + crash.report["run_id"].get<std::string>()},
       {"title", fmt::format("{}", fmt::join(crash.limits, " "))}},
      Element("b", {}, Element("span", {{"aria-hidden", "true"}}, sign), " ", crash.word),
      Element("small", {}, detail));
}

// What sorts worst last: no verdict after every verdict.
int Badness(const CrashRow& crash) {
  if (crash.word == "proved") return 0;
  if (crash.style == "good") return 1;
  if (crash.style == "note") return 2;
  return crash.style == "open" ? 3 : 4;
}

Markup ChipsCell(const PageData& page, const std::vector<size_t>& crashes,
                 const std::string& label) {
  if (crashes.empty()) {
    return Element("td", {{"class", "none"}, {"data-v", "5"}, {"data-label", label}}, "not tested");
  }
  int worst = 0;
  Markup chips;
  for (size_t i : crashes) {
    worst = std::max(worst, Badness(page.crashes[i]));
    chips += Chip(page.crashes[i]);
  }
  return Element("td",
                 {{"class", "chips"}, {"data-v", fmt::format("{}", worst)}, {"data-label", label}},
                 chips);
}

}  // namespace

Markup EngineTables(const PageData& page) {
  std::vector<Column> columns = {
      {"engine"}, {"promises"}, {"power loss", true}, {"process killed", true}};
  bool faults = false;
  for (const EngineTable& table : page.engine_tables) {
    for (const SafetyRow& row : table.rows) faults |= !row.faults.empty();
  }
  if (faults) columns.push_back({"failing disk", true});
  std::vector<std::string> labels;
  for (const auto& [workload, threads] : page.engine_columns) {
    labels.push_back(fmt::format("{}, {} thr, ops/s", workload, threads));
    columns.push_back({labels.back(), true});
  }
  Markup bodies;
  for (const EngineTable& table : page.engine_tables) {
    const std::string words = table.medium.empty() ? "crashed, and not timed here"
                                                   : MediumWords(table.medium, table.modelled);
    Markup rows = GroupHead(words, table.conditions, columns.size());
    for (const SafetyRow& row : table.rows) {
      Markup cells = Element(
          "th", {{"scope", "row"}, {"class", "engine"}, {"data-v", row.engine + row.settings}},
          EngineKey(row.engine, row.settings));
      cells += DurabilityCell(row.durability, false);
      cells += ChipsCell(page, row.power_loss, "power loss");
      cells += ChipsCell(page, row.killed, "process killed");
      if (faults) cells += ChipsCell(page, row.faults, "failing disk");
      for (size_t i = 0; i < labels.size(); ++i) {
        cells += SpreadCell(row.throughput_ops_per_s[i], Grouped, labels[i]);
      }
      rows += Element("tr", {}, cells);
    }
    bodies += Element("tbody", {}, rows);
  }
  return Table("Fast and safe, one row an engine and class", "cards", columns, bodies);
}

Markup SpeedTable(const std::vector<Group>& groups) {
  const std::vector<Column> columns = {{"engine"},
                                       {"workload"},
                                       {"thr", true},
                                       {"promises"},
                                       {"operations/s", true},
                                       {"log scale", true, false},
                                       {"of"},
                                       {"p50, µs", true},
                                       {"p99, µs", true},
                                       {"harness floor, ns", true},
                                       {"remarks", false, false}};
  Markup bodies;
  for (const Group& group : groups) {
    const LogScale scale = ThroughputScale(group);
    Markup rows =
        GroupHead(MediumWords(group.medium, group.modelled), group.conditions, columns.size());
    for (const SpeedRow& row : group.rows) {
      Markup cells = EngineCell(row);
      cells += WorkloadCell(row.workload);
      cells += NumberCell(row.threads, fmt::format("{}", row.threads));
      cells += DurabilityCell(row.durability, group.mixed_durability);
      cells += SpreadCell(row.throughput_ops_per_s, Grouped);
      cells += Element("td", {{"class", "figure"}}, Strip(row, scale));
      cells += TextCell(row.latency_kind);
      cells += SpreadCell(row.p50_ns, Microseconds);
      cells += SpreadCell(row.p99_ns, Microseconds);
      cells += SpreadCell(row.floor_ns, Grouped);
      cells += Element("td", {{"class", row.bad ? "remark bad" : "remark"}},
                       fmt::format("{}", fmt::join(row.remarks, "; ")));
      rows += Element("tr", {}, cells);
    }
    bodies += Element("tbody", {}, rows);
  }
  return Table("Throughput and latency: medians, the interval of the median below", "speed",
               columns, bodies);
}

Markup LatencyTable(const std::vector<Group>& groups) {
  std::vector<Column> columns = {
      {"engine"}, {"workload"}, {"thr", true}, {"operation"}, {"count", true}};
  const std::pair<const char*, const char*> percentiles[] = {
      {"mean", "mean"},   {"p50", "p50"},       {"p90", "p90"}, {"p99", "p99"},
      {"p99_9", "p99.9"}, {"p99_99", "p99.99"}, {"max", "max"}};
  for (const auto& [field, title] : percentiles) columns.push_back({title, true});
  Markup bodies;
  for (const Group& group : groups) {
    Markup rows =
        GroupHead(MediumWords(group.medium, group.modelled), group.conditions, columns.size());
    for (const SpeedRow& row : group.rows) {
      if (row.summary.is_null()) continue;
      for (const auto& [kind, record] : row.summary["kinds"].items()) {
        Markup cells = EngineCell(row);
        cells += WorkloadCell(row.workload);
        cells += NumberCell(row.threads, fmt::format("{}", row.threads));
        cells += TextCell(group.mixed_durability ? kind + ", " + row.durability : kind);
        cells += NumberCell(record["count"], Grouped(record["count"].get<double>()));
        for (const auto& [field, title] : percentiles) {
          const double ns = record["latency_ns"][field];
          cells += NumberCell(ns, Microseconds(ns));
        }
        rows += Element("tr", {}, cells);
      }
    }
    bodies += Element("tbody", {}, rows);
  }
  return Table("Service time in µs, by kind of operation; of the repeat in the middle", "latency",
               columns, bodies);
}

Markup CostTable(const std::vector<Group>& groups) {
  const std::vector<Column> columns = {{"engine"},
                                       {"workload"},
                                       {"thr", true},
                                       {"operations", true},
                                       {"write amplification", true},
                                       {"space amplification", true},
                                       {"opened in, ms", true},
                                       {"stored", true},
                                       {"lines flushed", true},
                                       {"fences", true},
                                       {"syncs", true},
                                       {"CPU, s", true},
                                       {"memory peak", true}};
  Markup bodies;
  for (const Group& group : groups) {
    if (group.medium == "none") continue;
    Markup rows =
        GroupHead(MediumWords(group.medium, group.modelled), group.conditions, columns.size());
    for (const SpeedRow& row : group.rows) {
      if (row.summary.is_null()) continue;
      const json &stats = row.summary["engine_stats"], &process = row.summary["process"];
      const auto number = [](const json& value, std::string (*text)(double)) {
        return value.is_number() ? NumberCell(value, text(value)) : NoCell();
      };
      const auto ratio = [](double value) { return fmt::format("{:.2f}", value); };
      Markup cells = EngineCell(row);
      cells += WorkloadCell(row.workload);
      cells += NumberCell(row.threads, fmt::format("{}", row.threads));
      cells += number(row.summary["operations"], Grouped);
      cells += number(row.summary["write_amplification"], ratio);
      cells += number(row.summary["space_amplification"], ratio);
      cells += number(row.summary["open_s"],
                      [](double open_s) { return fmt::format("{:.2f}", open_s * 1e3); });
      cells += number(stats["storage_bytes"], Bytes);
      for (const char* field : {"flushed_lines", "fences", "syncs"})
        cells += number(stats[field], Grouped);
      const double user_s = process["cpu_user_s"], system_s = process["cpu_system_s"];
      cells += Element("td", {{"class", "num"}, {"data-v", fmt::format("{}", user_s)}},
                       fmt::format("{:.2f} + {:.2f}", user_s, system_s));
      cells += number(process["rss_peak_bytes"], Bytes);
      rows += Element("tr", {}, cells);
    }
    bodies += Element("tbody", {}, rows);
  }
  return Table("What a run cost, its load included in counts of the engine; CPU is user + system",
               "cost", columns, bodies);
}

Markup CrashTable(const std::vector<CrashRow>& crashes) {
  const std::vector<Column> columns = {{"engine or program"},
                                       {"promises"},
                                       {"verdict", true},
                                       {"fault"},
                                       {"model"},
                                       {"strategy"},
                                       {"operations", true},
                                       {"crash points", true},
                                       {"states allowed", true},
                                       {"tried", true},
                                       {"recoveries", true},
                                       {"verdicts", true},
                                       {"failed", true},
                                       {"time, s", true}};
  Markup rows;
  for (const CrashRow& crash : crashes) {
    const json& explored = crash.report["explored"];
    const auto count = [&](const char* field) {
      return NumberCell(explored[field], Grouped(explored[field].get<double>()));
    };
    Markup cells = Element(
        "th", {{"scope", "row"}, {"class", "engine"}, {"data-v", crash.engine + crash.settings}},
        EngineKey(crash.engine, crash.settings));
    cells += TextCell(crash.durability.empty() ? "its checker" : crash.durability);
    cells += Element(
        "td", {{"class", "verdict " + crash.style}, {"data-v", fmt::format("{}", Badness(crash))}},
        crash.word);
    cells += TextCell(crash.fault);
    cells += TextCell(crash.model);
    cells += TextCell(crash.report["settings"]["strategy"]);
    const double operations = crash.report["recording"]["operations"];
    cells += NumberCell(operations, Grouped(operations));
    cells +=
        NumberCell(explored["crash_points"],
                   explored["explored_points"] == explored["crash_points"]
                       ? Grouped(explored["crash_points"].get<double>())
                       : fmt::format("{} of {}", Grouped(explored["explored_points"].get<double>()),
                                     Grouped(explored["crash_points"].get<double>())));
    const json& raw = explored["log10_raw_states"];
    cells += raw.is_null() ? NoCell() : NumberCell(raw, PowerOfTen(raw));
    for (const char* field : {"states", "recoveries", "verdicts", "failed_verdicts"})
      cells += count(field);
    cells +=
        NumberCell(explored["seconds"], fmt::format("{:.1f}", explored["seconds"].get<double>()));
    rows += Element("tr", {{"id", crash.report["run_id"].get<std::string>()}}, cells);
  }
  return Table("Campaigns of crashes", "crashes", columns, Element("tbody", {}, rows));
}

namespace {

Markup ViolationCard(const json& violation) {
  Markup missing;
  for (const json& piece : violation["missing"]) {
    std::string what = piece.contains("what") ? piece["what"].get<std::string>() : "";
    if (what.empty()) {
      for (const json& store : piece["stores"]) {
        what += fmt::format("{}{}: {} bytes", what.empty() ? "" : "; ",
                            store["where"].get<std::string>(), store["bytes"].get<uint64_t>());
      }
    }
    missing += Element("li", {}, what, Element("small", {}, piece["cover"].get<std::string>()));
  }
  const json& point = violation["crash_point"];
  Markup rows;
  const auto add = [&](const char* name, const Markup& value) {
    rows += Join(Element("dt", {}, name), Element("dd", {}, value));
  };
  add("crash",
      Join("before ", point["before"].get<std::string>(), " at event ", point["event"].dump(), ", ",
           point["operations"]["acknowledged"].dump(), " operations acknowledged"));
  add("allowed", Element("code", {}, violation["allowed"].get<std::string>()));
  add("found", Element("code", {}, violation["found"].get<std::string>()));
  if (!violation["missing"].empty()) add("had to survive, and did not", Element("ul", {}, missing));
  add("again", Element("code", {{"class", "command"}}, violation["replay"].get<std::string>()));
  return Element("article", {{"class", "violation"}},
                 Element("h4", {}, violation["id"].get<std::string>(), " ",
                         violation["message"].get<std::string>()),
                 Element("p", {{"class", "muted"}}, violation["kind"].get<std::string>(), ", seen ",
                         Grouped(violation["occurrences"].get<double>()), " times"),
                 Element("dl", {}, rows));
}

}  // namespace

Markup Violations(const std::vector<CrashRow>& crashes) {
  Markup all;
  for (const CrashRow& crash : crashes) {
    if (crash.report["violations"].empty()) continue;
    Markup cards;
    for (const json& violation : crash.report["violations"]) cards += ViolationCard(violation);
    const std::string title =
        fmt::format("{}{}{}, {}", crash.engine, crash.durability.empty() ? "" : ", ",
                    crash.durability, crash.model);
    all += Element("details", {{"class", "campaign"}},
                   Element("summary", {}, Element("b", {}, title), ": ", crash.word), cards);
  }
  Markup limits;
  for (const CrashRow& crash : crashes) {
    std::vector<std::string> said = crash.limits;
    for (const json& assumption : crash.report["assumptions"]) said.push_back(assumption);
    Markup items;
    for (const std::string& text : said) items += Element("li", {}, text);
    limits += Join(Element("h4", {}, crash.engine, " ", crash.durability, ", ", crash.fault, ", ",
                           crash.model),
                   Element("ul", {}, items));
  }
  all += Element("details", {{"class", "campaign"}},
                 Element("summary", {}, "What these verdicts take for granted, and do not cover"),
                 limits);
  return all;
}

Markup Facts(const FactTable& table) {
  constexpr size_t kShortFact = 20;  // a date still fits: is not broken in two
  std::vector<Column> columns;
  for (const std::string& title : table.columns) columns.push_back({title});
  Markup rows;
  for (const std::vector<std::string>& row : table.rows) {
    Markup cells;
    for (size_t i = 0; i < row.size(); ++i) {
      if (table.columns[i] == "command") {
        cells +=
            Element("td", {{"class", "long"}}, Element("code", {{"class", "command"}}, row[i]));
      } else {
        cells += Element("td", {{"class", row[i].size() <= kShortFact ? "short" : "text"}}, row[i]);
      }
    }
    rows += Element("tr", {}, cells);
  }
  return Join(Element("h3", {}, table.title),
              Table(table.title, "facts", columns, Element("tbody", {}, rows)));
}

}  // namespace fencepost::page
