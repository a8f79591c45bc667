// SPDX-License-Identifier: BSD-3-Clause
// What the terminal shows of a report.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "harness/crash/crash_report.h"
#include "harness/crash/crash_statement.h"
#include "harness/crash/mutations.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string MissingText(const json& missing) {
  if (missing.contains("what")) {
    return fmt::format("    {}\n      {}\n", missing["what"].get<std::string>(),
                       missing["cover"].get<std::string>());
  }
  const json& stores = missing["stores"];
  std::string text = fmt::format("    line {:#x} of {}", missing["offset"].get<uint64_t>(),
                                 missing["file"].get<std::string>());
  std::set<std::string> shown;
  for (const json& store : stores) {
    const std::string where = store["where"].get<std::string>();
    if (!shown.insert(where).second) continue;
    text += fmt::format("\n      {}: {} bytes{}", where, store["bytes"].get<uint64_t>(),
                        store["torn"].get<bool>() ? ", torn" : "");
  }
  return text + fmt::format("\n      {}\n", missing["cover"].get<std::string>());
}

// The last places that stored before the crash.
std::string LastStoresText(const json& timeline) {
  constexpr size_t kMost = 3;
  std::vector<std::string> places;
  for (const json& event : timeline) {
    if (event["what"] == "crash") break;
    if (event["what"] != "store" || event["where"].is_null()) continue;
    const std::string where = event["where"].get<std::string>();
    std::erase(places, where);
    places.push_back(where);
  }
  std::string text;
  for (size_t i = places.size() > kMost ? places.size() - kMost : 0; i < places.size(); ++i) {
    text += fmt::format("      {}\n", places[i]);
  }
  return text;
}

// The recording that shows it, if it is another one than most campaigns have.
std::string FirstSeenIn(const json& violation) {
  const std::string name = fs::path(violation["recording"].get<std::string>()).filename().string();
  return name == "recording" ? "" : ", first in " + name;
}

// Of a bit that read back flipped.
std::string FlipText(const json& violation) {
  const json& state = violation["state"];
  return fmt::format(
      "\n{}  {}\n  bit {} of byte {} of {} reads back flipped\n  seen {} times; "
      "reproduce: {}\n",
      violation["id"].get<std::string>(), violation["message"].get<std::string>(),
      state["bit"].get<uint64_t>(), state["byte"].get<uint64_t>(), state["file"].get<std::string>(),
      violation["occurrences"].get<uint64_t>(), violation["replay"].get<std::string>());
}

// Of an image of a disk.
std::string ImageText(const json& violation) {
  const json& state = violation["state"];
  return fmt::format(
      "\n  image {}: of {} writes that no flush covered {} had not survived, and {} "
      "in part\n",
      state["image"].get<uint64_t>(), state["undecided_writes"].get<uint64_t>(),
      state["lost_writes"].get<uint64_t>(), state["torn_writes"].get<uint64_t>());
}

std::string ViolationText(const json& violation) {
  if (violation["state"].contains("bit")) return FlipText(violation);
  const json& point = violation["crash_point"];
  const json& operations = point["operations"];
  std::string text = fmt::format("\n{}  {}\n", violation["id"].get<std::string>(),
                                 violation["message"].get<std::string>());
  text += fmt::format("  crash before {}{} (event {}), {} operations acknowledged",
                      point["before"].get<std::string>(),
                      point["where"].is_null() ? "" : " at " + point["where"].get<std::string>(),
                      point["event"].get<uint64_t>(), operations["acknowledged"].get<uint64_t>());
  for (const json& operation : operations["under_way"]) {
    text += fmt::format(", under way: {}", operation["what"].get<std::string>());
  }
  if (const json& second = violation["second_crash"]; !second.is_null()) {
    text +=
        fmt::format("\n  and a second crash {}{}\n",
                    second["ended"].get<bool>()
                        ? "after the recovery from it"
                        : "in the recovery from it, before " + second["before"].get<std::string>(),
                    second["where"].is_null() ? "" : " at " + second["where"].get<std::string>());
  } else if (violation["state"].contains("image")) {
    text += ImageText(violation);
  } else if (violation["missing"].empty()) {
    // Of a run that was not recorded nothing is known but its end.
    text += violation["timeline"].empty() && violation["state"].is_array() ? std::string("\n")
            : violation["state"].is_object()
                ? std::string("\n  everything that was written had survived\n")
                : fmt::format("\n  every store had survived; the last of them:\n{}",
                              LastStoresText(violation["timeline"]));
  } else {
    // Of files: a name below a directory that is not there, a sector's next write.
    const bool may_rest_on_it = violation["missing"].front().contains("what");
    text += violation["minimal"].get<bool>()
                ? fmt::format("\n  had to survive, and did not (everything else had{}):\n",
                              may_rest_on_it ? ", but for what rests on it" : "")
                : "\n  did not survive (all else had; less may do, the search was cut short):\n";
    for (const json& missing : violation["missing"]) text += MissingText(missing);
  }
  text +=
      fmt::format("  seen {} times{}; reproduce: {}\n", violation["occurrences"].get<uint64_t>(),
                  FirstSeenIn(violation), violation["replay"].get<std::string>());
  return text;
}

// What the run did to its data.
std::string RecordedText(const json& report) {
  const json& recording = report["recording"];
  if (report["domain"] == "machine") {
    return fmt::format("power cut in {} of {} runs ({}, {})", recording["killed"].get<uint64_t>(),
                       recording["rounds"].get<uint64_t>(),
                       report["settings"]["file_system"].get<std::string>(),
                       report["settings"]["accelerator"].get<std::string>());
  }
  if (report["domain"] == "process") {
    return fmt::format("{} of {} runs killed", recording["killed"].get<uint64_t>(),
                       recording["rounds"].get<uint64_t>());
  }
  if (report["domain"] == "disk") {
    const auto restarts = recording["guest_restarts"].get<uint64_t>();
    return fmt::format("{} writes, {} flushes of the disk ({}, {}){}",
                       recording["writes"].get<uint64_t>(), recording["flushes"].get<uint64_t>(),
                       report["settings"]["file_system"].get<std::string>(),
                       report["settings"]["accelerator"].get<std::string>(),
                       restarts == 0 ? "" : fmt::format("; guests started anew: {}", restarts));
  }
  if (report["domain"] == "memory") {
    return fmt::format("{} stores", recording["stores"].get<uint64_t>());
  }
  if (report["domain"] == "medium") {
    return fmt::format("{} bytes read of {} files", recording["bytes_read"].get<uint64_t>(),
                       recording["files"].get<uint64_t>());
  }
  return fmt::format("{} writes, {} syncs on {}", recording["writes"].get<uint64_t>(),
                     recording["syncs"].get<uint64_t>(),
                     report["settings"]["file_system"].get<std::string>());
}

// How much was looked at.
std::string AmountText(const json& report) {
  const json& explored = report["explored"];
  const double seconds = explored["seconds"].get<double>();
  const auto recoveries = explored["recoveries"].get<uint64_t>();
  const double rate = seconds > 0 ? static_cast<double>(recoveries) / seconds : 0;
  const auto operations = report["recording"]["operations"].get<uint64_t>();
  // A kill leaves one state, and which instants there are nobody knows.
  if (IsOfKills(report)) {
    return fmt::format(
        "{} operations, {}; seed {}: {} recoveries in {:.1f} s ({:.0f}/s), {} outcomes\n",
        operations, RecordedText(report), report["settings"]["seed"].get<uint64_t>(), recoveries,
        seconds, rate, explored["outcomes"].get<uint64_t>());
  }
  if (report["domain"] == "medium") {
    const auto refused = report["recording"]["refused"].get<uint64_t>();
    const auto failed = explored["failed_verdicts"].get<uint64_t>();
    return fmt::format(
        "{} operations, closed; {}\n"
        "seed {}: {} bits flipped, one at a time, in {:.1f} s ({:.0f}/s): {} changed nothing, {} "
        "were reported by the engine, {} were not\n",
        operations, RecordedText(report), report["settings"]["seed"].get<uint64_t>(), recoveries,
        seconds, rate, recoveries - refused - failed, refused, failed);
  }
  return fmt::format(
      "{} operations, {}; {} of {} crash points, {} raw states in all\n"
      "strategy {}, seed {}: {} states, {} distinct images recovered in {:.1f} s ({:.0f}/s), "
      "{} outcomes, {} verdicts\n",
      operations, RecordedText(report), explored["explored_points"].get<uint64_t>(),
      explored["crash_points"].get<uint64_t>(), PowerOfTen(explored["log10_raw_states"]),
      report["settings"]["strategy"].get<std::string>(), report["settings"]["seed"].get<uint64_t>(),
      explored["states"].get<uint64_t>(), recoveries, seconds, rate,
      explored["outcomes"].get<uint64_t>(), explored["verdicts"].get<uint64_t>());
}

// What the numbers of a campaign of several schedules are of; empty for a single one.
std::string SchedulesLine(const json& report) {
  const json& schedules = report["schedules"];
  const auto asked = schedules["asked"].get<uint64_t>();
  const std::string fault = report["settings"]["fault"].get<std::string>();
  if (report["domain"] == "files" && fault != "power-loss") {
    const auto runs = schedules["recorded"].get<uint64_t>();
    return fmt::format("{} runs{}, in each of which another call failed ({}); in these together:\n",
                       runs, runs < asked ? fmt::format(" of at most {}", asked) : "", fault);
  }
  if (asked == 1) return {};
  const auto recorded = schedules["recorded"].get<uint64_t>();
  return fmt::format("{} of {} schedules recorded, {} distinct; in these together:\n", recorded,
                     asked, schedules["distinct"].get<uint64_t>());
}

std::string WhyNothingIsPromised(const json& report) {
  const json& subject = report["subject"];
  if (report["domain"] == "medium") {
    return fmt::format("{} has no checksums of what it reads",
                       subject["engine"].get<std::string>());
  }
  return fmt::format("durability {} promises nothing after such a crash",
                     subject["durability"].get<std::string>());
}

}  // namespace

std::string CrashText(const json& report, const std::string& path) {
  const json& explored = report["explored"];
  std::string text = SchedulesLine(report) + AmountText(report);
  for (const json& violation : report["violations"]) text += ViolationText(violation);
  const std::string verdict = CrashVerdict(report);
  const auto shards = report["settings"]["shards"].get<uint64_t>();
  const std::string cut = !explored["stopped"].is_null()
                              ? ": " + explored["stopped"].get<std::string>()
                          : shards > 1 ? fmt::format(": one shard of {}", shards)
                                       : "";
  if (verdict == "informational") {
    text += fmt::format("\n{} kinds of damage in {} of {} verdicts: information, since {}\n",
                        report["violations"].size(), explored["failed_verdicts"].get<uint64_t>(),
                        explored["verdicts"].get<uint64_t>(), WhyNothingIsPromised(report));
  } else if (verdict == "violated") {
    text += fmt::format("\nVIOLATED: {} distinct violations in {} of {} verdicts\n",
                        report["violations"].size(), explored["failed_verdicts"].get<uint64_t>(),
                        explored["verdicts"].get<uint64_t>());
    if (const auto more = report.value("groups_not_minimised", uint64_t{0}); more > 0) {
      text += fmt::format("and failures at {} more places, not looked into\n", more);
    }
    if (!cut.empty()) text += fmt::format("INCOMPLETE{}\n", cut);
  } else if (verdict == "passed") {
    text += StatementOf(report);
  } else {
    text += fmt::format("no violation in what was explored; INCOMPLETE{}\n", cut);
  }
  text += MutationsText(report);
  const bool is_said = verdict == "passed" && explored["every_state"].get<bool>();
  const bool of_schedules = report["settings"]["fault"] == "power-loss" &&
                            report["schedules"]["asked"].get<uint64_t>() > 1;
  if (verdict != "violated" && !is_said && of_schedules) {
    text += "of other schedules of the threads this says nothing\n";
  }
  return text + fmt::format("report: {}\n", path);
}

}  // namespace fencepost
