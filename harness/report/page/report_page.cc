// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/report_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>

#include "harness/report/page/embedded_files.h"
#include "harness/report/page/figures.h"
#include "harness/report/page/markup.h"
#include "harness/report/page/tables.h"

namespace fencepost::page {
namespace {

// Puts `values` in the place of {{name}}, in one pass: what is put in is not looked at again.
std::string Fill(std::string_view text,
                 const std::map<std::string, std::string, std::less<>>& values) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t begin = text.find("{{", at);
    if (begin == std::string_view::npos) return out.append(text.substr(at));
    const size_t end = text.find("}}", begin);
    CHECK(end != std::string_view::npos);
    const auto value = values.find(text.substr(begin + 2, end - begin - 2));
    CHECK(value != values.end());
    out.append(text.substr(at, begin - at)).append(value->second);
    at = end + 2;
  }
}

std::string TitleOf(const PageData& page) {
  std::set<std::string> engines;
  for (const EngineTable& table : page.engine_tables) {
    for (const SafetyRow& row : table.rows) engines.insert(row.engine);
  }
  for (const CrashRow& crash : page.crashes) engines.insert(crash.engine);
  if (engines.empty()) return "The harness alone";
  return fmt::format("{}", fmt::join(engines, ", "));
}

Markup Section(const char* id, const char* title, const char* lead, const Markup& inside) {
  return Element("section", {{"id", id}}, Element("h2", {}, title),
                 Element("p", {{"class", "lead"}}, lead), inside);
}

Markup NoticeList(const std::vector<Notice>& notices) {
  Markup items;
  for (const Notice& notice : notices) {
    items += Element("li", {{"class", notice.grave ? "grave" : "mild"}},
                     Element("b", {}, notice.title), " ", notice.text);
  }
  return notices.empty()
             ? Markup()
             : Element("aside", {{"class", "notices"}, {"aria-label", "Before you compare"}},
                       Element("h2", {}, "Before you compare"), Element("ul", {}, items));
}

// The rows of the harness itself, wherever they are.
std::vector<SpeedRow> Floors(const PageData& page) {
  std::vector<SpeedRow> floors;
  for (const Group& group : page.groups) {
    if (group.medium != "none") continue;
    for (const SpeedRow& row : group.rows) {
      if (row.throughput_ops_per_s && row.throughput_ops_per_s->median > 0) floors.push_back(row);
    }
  }
  return floors;
}

Markup GroupTitle(const Group& group) {
  return Join(
      Element("h3", {}, MediumWords(group.medium, group.modelled),
              group.mixed_durability ? Element("span", {{"class", "badge"}}, "unequal durability")
                                     : Markup(),
              group.modelled ? Element("span", {{"class", "badge"}}, "modelled") : Markup()),
      Element("p", {{"class", "muted"}}, group.conditions));
}

Markup Figures(const PageData& page, bool latency) {
  const std::vector<SpeedRow> floors = Floors(page);
  Markup all;
  for (const Group& group : page.groups) {
    if (group.medium == "none" && page.groups.size() > 1) continue;
    const Markup figure = latency ? LatencyFigure(group) : ThroughputFigure(group, floors);
    if (figure.raw.empty()) continue;
    all += Join(GroupTitle(group), Element("div", {{"class", "panels"}}, figure));
  }
  return all;
}

}  // namespace

std::string RenderPage(const PageData& page, const std::string& title, const std::string& made) {
  Markup sections, links;
  const auto add = [&](const char* id, const char* name, const char* lead, const Markup& inside) {
    links += Element("a", {{"href", std::string("#") + id}}, name);
    sections += Section(id, name, lead, inside);
  };
  if (!page.engine_tables.empty()) {
    add("engines", "Fast and safe",
        "Operations a second at the fewest threads, beside what was left after crashes of the same "
        "engine, class and "
        "settings. Compare speeds inside one medium only.",
        EngineTables(page));
  }
  if (!page.groups.empty()) {
    add("speed", "Throughput",
        "The mark is the median of the repeats, the bar its interval, each tick one repeat. A "
        "dashed "
        "line, where it is near enough, is the harness itself, on an engine that stores nothing.",
        Join(Figures(page, false), SpeedTable(page.groups)));
    add("latency", "Latency",
        "Service time by percentile; each nine takes as much room as the one before. Of the repeat "
        "in the middle by "
        "throughput.",
        Join(Figures(page, true), LatencyTable(page.groups)));
    add("cost", "Cost", "What the runs wrote, flushed and used.", CostTable(page.groups));
  }
  if (!page.crashes.empty()) {
    add("crashes", "Crashes",
        "Proved: of every state that the model allows, one that recovery cannot tell from it was "
        "recovered and judged. "
        "Passed: none of the states that were tried fails.",
        Join(CrashTable(page.crashes), Violations(page.crashes)));
  }
  Markup facts;
  for (const FactTable& table : page.facts) facts += Facts(table);
  add("provenance", "Environment and provenance",
      "Where, of which build and by which command each number was made.", facts);
  const std::string heading = title.empty() ? TitleOf(page) : title;
  return Fill(EmbeddedFile("page.html"), {{"title", EscapeHtml(heading)},
                                          {"style", std::string(EmbeddedFile("page.css"))},
                                          {"script", std::string(EmbeddedFile("page.js"))},
                                          {"script_sha256", std::string(EmbeddedSha256("page.js"))},
                                          {"links", links.raw},
                                          {"notices", NoticeList(page.notices).raw},
                                          {"sections", sections.raw},
                                          {"made", EscapeHtml(made)}});
}

}  // namespace fencepost::page
