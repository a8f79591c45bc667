// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/mutations.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/interrupt.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

using nlohmann::json;

constexpr const char* kNecessary = "necessary";
constexpr const char* kNotShown = "not shown necessary";

json ExploredJson(const ExploreResult& result) {
  return {{"crash_points", result.crash_points},
          {"explored_points", result.explored_points},
          {"recoveries", result.recoveries},
          {"every_state", result.every_state},
          {"stopped", result.stopped.empty() ? json(nullptr) : json(result.stopped)}};
}

std::string ExploredText(const json& explored) {
  std::string text = fmt::format(
      "{} of {} crash points, {} recoveries, {}", explored["explored_points"].get<uint64_t>(),
      explored["crash_points"].get<uint64_t>(), explored["recoveries"].get<uint64_t>(),
      explored["every_state"].get<bool>() ? "every state" : "not every state");
  if (!explored["stopped"].is_null()) {
    text += "; INCOMPLETE: " + explored["stopped"].get<std::string>();
  }
  return text;
}

std::string PreventedText(const json& violation) {
  const json& point = violation["crash_point"];
  return fmt::format("{}; crash before {}{} (event {})", violation["message"].get<std::string>(),
                     point["before"].get<std::string>(),
                     point["where"].is_null() ? "" : " at " + point["where"].get<std::string>(),
                     point["event"].get<uint64_t>());
}

}  // namespace

std::string WhyNotMutated(const json& report) {
  if (report["verdict"] == "passed") return {};
  if (report["verdict"] == "violated") return "the recording fails as it is";
  const json& explored = report["explored"];
  return fmt::format("the recording as it is was not explored to its end: {}",
                     explored["stopped"].is_null() ? "nothing was judged"
                                                   : explored["stopped"].get<std::string>());
}

json MutationJson(const MutationSite& site, const MutationResult& result, const TraceFile& trace) {
  json violation = nullptr, explored = nullptr;
  if (result.necessary()) {
    const FindingGroup& group = *result.violation;
    const CrashPoint& point = group.point;
    const json where = point.stack == 0 ? json(nullptr) : json(MutationPlace(trace, point.stack));
    violation = {
        {"kind", group.finding.kind},
        {"subject", group.finding.subject},
        {"message", group.finding.message},
        {"crash_point",
         {{"event", point.event}, {"before", CrashPointName(point.before)}, {"where", where}}}};
  } else {
    explored = ExploredJson(result.explored);
  }
  return {{"kind", MutationKind(site)},
          {"where", site.where},
          {"function", site.function},
          {"file", site.file},
          {"line", site.line},
          {"events", site.events},
          {"verdict", result.necessary() ? kNecessary : kNotShown},
          {"violation", std::move(violation)},
          {"explored", std::move(explored)}};
}

Result<json> Mutate(const json& report, const Recording& recording, TraceFile* trace,
                    const TraceSurvey& survey, const CampaignSettings& settings,
                    const CampaignParts& parts, Progress* progress) {
  const std::string why_not = WhyNotMutated(report);
  if (!why_not.empty()) return json{{"skipped", why_not}, {"sites", json::array()}};
  ASSIGN_OR_RETURN(const std::vector<MutationSite> sites, FindMutationSites(trace, survey));
  std::vector<json> rows;
  for (const MutationSite& site : sites) {
    const auto number = static_cast<double>(rows.size());
    const ExploreHooks hooks = {
        .progress =
            [&](const ExploreProgress& now) {
              progress->Update(
                  (number + now.fraction) / static_cast<double>(sites.size()),
                  fmt::format("site {} of {}, without the {} at {}: {} recoveries", rows.size() + 1,
                              sites.size(), MutationKind(site), site.where, now.recoveries));
            },
        .interrupted = Interrupted};
    Result<MutationResult> result =
        ExploreWithout(site, recording, trace, survey, settings.explore, settings.pool,
                       parts.recoverer.get(), parts.judge.get(), hooks);
    if (!result.ok()) {
      // Images that no run of the program leaves may be too much for a recovery that is watched.
      MutationResult failed;
      failed.explored.stopped = std::string(result.status().message());
      result = std::move(failed);
    }
    rows.push_back(MutationJson(site, *result, *trace));
  }
  std::stable_partition(rows.begin(), rows.end(),
                        [](const json& row) { return row["verdict"] == kNotShown; });
  return json{{"skipped", nullptr}, {"sites", std::move(rows)}};
}

std::string MutationsText(const json& report) {
  const json& mutations = report["mutations"];
  if (mutations.is_null()) return {};
  if (!mutations["skipped"].is_null()) {
    return fmt::format("not mutated: {}\n", mutations["skipped"].get<std::string>());
  }
  const json& sites = mutations["sites"];
  TextTable table({{"verdict"}, {"kind"}, {"site"}, {"events", TextTable::Align::kRight}, {""}});
  size_t not_shown = 0;
  bool all_tried = true;
  for (const json& site : sites) {
    const bool necessary = site["verdict"] == kNecessary;
    table.AddRow({site["verdict"].get<std::string>(), site["kind"].get<std::string>(),
                  site["where"].get<std::string>(),
                  fmt::format("{}", site["events"].get<uint64_t>()),
                  necessary ? PreventedText(site["violation"]) : ExploredText(site["explored"])});
    if (necessary) continue;
    ++not_shown;
    all_tried &= site["explored"]["every_state"].get<bool>();
  }
  std::string text = fmt::format(
      "\nleft out in turn, each alone: {} of {} sites of flushes, fences and msyncs are not shown "
      "necessary\n",
      not_shown, sites.size());
  if (!all_tried) {
    text += fmt::format("`{}` does not try every state: it may have missed what they prevent\n",
                        report["settings"]["strategy"].get<std::string>());
  }
  return sites.empty() ? text : text + table.Render();
}

}  // namespace fencepost
