// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "harness/crash/crash_story.h"
#include "harness/crash/report_parts.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxFrames = 16;

template <typename Bytes>
std::string Hex(const Bytes& bytes) {
  std::string text;
  for (const auto byte : bytes) {
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<uint8_t>(byte));
  }
  return text;
}

class Reporter {
 public:
  Reporter(const CrashContext& context, const TraceFile& trace, const ExploreResult& result)
      : context_(context), trace_(trace), result_(result) {}

  json Whole(const std::vector<MinimalViolation>& violations,
             const std::vector<Story>& stories) const {
    std::vector<json> list;
    for (size_t i = 0; i < violations.size(); ++i) {
      list.push_back(ViolationJson(violations[i], stories[i]));
    }
    json report = ReportHead(context_.folder, context_.command, "memory", context_.subject);
    report.update({{"recording",
                    {{"path", context_.recording},
                     {"trace_bytes", context_.trace_bytes},
                     {"events", context_.survey->events},
                     {"stores", context_.survey->stores},
                     {"operations", context_.survey->operations.size()},
                     {"unmapped_bytes", context_.survey->unmapped_bytes},
                     {"flushes_by", context_.survey->by_instruction ? "instruction" : "request"}}},
                   {"schedules", {{"asked", 1u}, {"recorded", 1u}, {"distinct", 1u}}},
                   {"settings", SettingsJson()},
                   {"explored", ExploredJson()},
                   {"assumptions", AssumptionsJson()},
                   {"violations", MergeByCause(std::move(list), context_.folder)},
                   {"mutations", nullptr}});
    return report;
  }

 private:
  json SettingsJson() const {
    const ExploreOptions& options = *context_.options;
    return {{"strategy", options.strategy.name},
            {"seed", options.seed},
            {"fault", "power-loss"},
            {"tearing", options.model.tearing == Tearing::kEightBytes ? "8" : "line"},
            {"eadr", options.model.eadr},
            {"shard", options.shard},
            {"shards", options.shards},
            {"depth", context_.depth},
            {"timeout_s", context_.timeout_s}};
  }

  // Whether there are crash points left to go on with.
  bool GoesOn() const {
    return !result_.stopped.empty() && result_.next_point < result_.crash_points;
  }

  json ExploredJson() const {
    return {{"crash_points", result_.crash_points},
            {"explored_points", result_.explored_points},
            {"log10_raw_states", Log10Json(result_.log10_raw_states)},
            {"log10_explored_raw_states", Log10Json(result_.log10_explored_raw_states)},
            {"states", result_.states},
            {"recoveries", result_.recoveries},
            {"traced_recoveries", result_.traced_recoveries},
            {"nested_points", result_.nested_points},
            {"nested_states", result_.nested_states},
            {"nested_recoveries", result_.nested_recoveries},
            {"outcomes", result_.outcomes},
            {"verdicts", result_.verdicts},
            {"failed_verdicts", result_.failed_verdicts},
            {"mixed_lines", result_.mixed_lines},
            {"every_state", result_.every_state},
            {"lines_cut", result_.lines_cut},
            {"stopped", result_.stopped.empty() ? json(nullptr) : json(result_.stopped)},
            {"next_point", GoesOn() ? json(result_.next_point) : json(nullptr)},
            {"seconds", result_.seconds}};
  }

  json AssumptionsJson() const {
    json list = {
        "Px86: each 64-byte line keeps a prefix of its cached stores; lines are independent.",
        context_.options->model.tearing == Tearing::kEightBytes
            ? "An aligned 8 bytes never tear; wider stores may."
            : "A store inside one line never tears.",
        kOneInterleaving, "Sizes of files are durable at once."};
    if (context_.options->strategy.by_reads()) {
      list.push_back(
          "A recovery depends on nothing but the bytes that it reads: one state in sixteen was "
          "recovered again with all others changed, and gave the same.");
    }
    if (context_.depth > 1) {
      list.push_back(
          "Recoveries of neighbouring crash points that leave the same behind have stored, flushed "
          "and fenced alike: one of each kind was traced.");
    }
    if (context_.options->model.eadr) {
      list.push_back("eADR: caches are flushed by the platform.");
    }
    if (context_.from_log) {
      list.push_back(
          "The trace comes from a store log, which has no threads, no non-temporal stores and no "
          "stores wider than 8 bytes; that it is complete, and that the image is the one that the "
          "run began with, could not be verified.");
    } else if (!context_.replay_verified) {
      list.push_back(
          "The program was killed: that the trace is complete could not be verified against what "
          "the run left.");
    }
    if (trace_.truncated()) list.push_back("The trace is cut: what came after is not explored.");
    if (!context_.survey->by_instruction) {
      list.push_back("The program announces its flushes by request; requests are taken as true.");
    }
    if (result_.mixed_lines > 0) {
      list.push_back(
          "Lines with both cached and non-temporal stores are over-approximated: a state of theirs "
          "may be one that no machine leaves.");
    }
    for (const std::string& remark : context_.remarks) list.push_back(remark);
    return list;
  }

  json FrameJson(const TraceFrame& frame) const {
    return {{"function", std::string(frame.function)},
            {"file", std::string(frame.source_file)},
            {"line", frame.line},
            {"object", std::string(frame.object)},
            {"text", DescribeFrame(frame)}};
  }

  json StackJson(uint32_t stack) const {
    json frames = json::array();
    for (const uint64_t address : trace_.Stack(stack)) {
      if (frames.size() == kMaxFrames) break;
      frames.push_back(FrameJson(trace_.Frame(address)));
    }
    return frames;
  }

  std::string PathOf(uint32_t file) const { return std::string(trace_.Path(file)); }

  json EventJson(const StoryEvent& event) const {
    return {{"event", event.event},
            {"what", event.what},
            {"thread", event.thread},
            {"where", event.stack == 0 ? json(nullptr) : json(WhereOf(trace_, event.stack))},
            {"missing_line", event.line ? json(*event.line) : json(nullptr)},
            {"bytes", event.bytes}};
  }

  // What should have made the line durable in time, in words.
  std::string CoverText(const MissingLine& missing, const Cover& cover) const {
    const bool around_cache = !missing.stores.empty() && missing.stores.front().non_temporal;
    const std::string fence =
        cover.fence ? fmt::format("the first fence that drains it, {}, comes after the crash",
                                  WhereOf(trace_, cover.fence->stack))
                    : std::string("no fence drains it, up to the end");
    if (around_cache) return fmt::format("a non-temporal store, held by no flush; {}", fence);
    if (!cover.flush) return "no flush of its line follows, up to the end";
    if (cover.flushed_before) {
      return fmt::format("flushed at {} (thread {}), not fenced; {}",
                         WhereOf(trace_, cover.flush->stack), cover.flush->thread, fence);
    }
    return fmt::format("not flushed before the crash; the first flush of its line, {}, comes after",
                       WhereOf(trace_, cover.flush->stack));
  }

  json MissingJson(const MissingLine& missing, const Cover& cover) const {
    json stores = json::array();
    for (const MissingStore& store : missing.stores) {
      stores.push_back({{"event", store.event},
                        {"thread", store.thread},
                        {"offset", store.offset},
                        {"bytes", store.bytes},
                        {"torn", store.torn},
                        {"non_temporal", store.non_temporal},
                        {"where", WhereOf(trace_, store.stack)},
                        {"stack", StackJson(store.stack)}});
    }
    return {{"file", PathOf(missing.line.file)},
            {"line", missing.line.number},
            {"offset", missing.line.number * kLineBytes},
            {"found", Hex(missing.found)},
            {"newest", Hex(missing.newest)},
            {"cover", CoverText(missing, cover)},
            {"stores", std::move(stores)}};
  }

  json SecondCrashJson(const std::optional<SecondCrash>& second) const {
    if (!second) return nullptr;
    return {{"before", CrashPointName(second->before)},
            {"where", second->where.empty() ? json(nullptr) : json(second->where)},
            {"ended", second->ended},
            {"first_answer", Hex(second->first_answer)}};
  }

  json ViolationJson(const MinimalViolation& violation, const Story& story) const {
    const FindingGroup& group = violation.group;
    json missing = json::array(), state = json::array(), timeline = json::array();
    for (size_t i = 0; i < violation.missing.size(); ++i) {
      missing.push_back(MissingJson(violation.missing[i], story.covers[i]));
    }
    for (const auto& [id, line] : group.state) {
      state.push_back({{"file", id.file}, {"line", id.number}, {"bytes", Hex(line.bytes)}});
    }
    for (const StoryEvent& event : story.timeline) timeline.push_back(EventJson(event));
    json entry = FindingJson(group.finding);
    entry.update({{"occurrences", group.occurrences},
                  {"recording", context_.recording},
                  {"crash_point",
                   {{"index", group.point.index},
                    {"event", group.point.event},
                    {"before", CrashPointName(group.point.before)},
                    {"where", group.point.stack == 0 ? json(nullptr)
                                                     : json(WhereOf(trace_, group.point.stack))},
                    {"stack", StackJson(group.point.stack)},
                    {"operations", OperationsAt(group.point.event, context_.survey->operations,
                                                context_.describe_operation)}}},
                  {"second_crash", SecondCrashJson(group.second)},
                  {"missing", std::move(missing)},
                  {"state", std::move(state)},
                  {"timeline", std::move(timeline)},
                  {"minimal", violation.minimal},
                  {"minimised_by", violation.recoveries}});
    return entry;
  }

  const CrashContext& context_;
  const TraceFile& trace_;
  const ExploreResult& result_;
};

}  // namespace

std::string CauseOf(const json& violation) {
  std::set<std::string> places;
  for (const json& missing : violation["missing"]) {
    if (missing.contains("place")) {
      places.insert(missing["place"].get<std::string>());
      continue;
    }
    for (const json& store : missing["stores"]) places.insert(store["where"].get<std::string>());
  }
  std::string cause;
  if (places.empty()) {
    cause = violation["kind"].get<std::string>();
    places.insert(violation["crash_point"]["where"].dump());
  }
  for (const std::string& place : places) cause += "\n" + place;
  return cause;
}

void NameViolation(size_t n, const fs::path& folder, json* violation) {
  (*violation)["id"] = fmt::format("V{}", n);
  (*violation)["replay"] = fmt::format("fencepost crash replay {} V{}", folder.string(), n);
}

Result<json> CrashJson(const CrashContext& context, TraceFile* trace, const ExploreResult& result,
                       const std::vector<MinimalViolation>& violations) {
  ASSIGN_OR_RETURN(const std::vector<Story> stories,
                   TellStories(trace, !context.survey->by_instruction, violations));
  json report = Reporter(context, *trace, result).Whole(violations, stories);
  report["groups_not_minimised"] = result.groups.size() - violations.size();
  report["verdict"] = CrashVerdict(report);
  return report;
}

// Whether the engine's class says anything of what the crash left; of a damaged medium its
// checksums do.
bool IsPromised(const json& report) {
  const std::string durability = report.contains("subject") && report["subject"].is_object()
                                     ? report["subject"].value("durability", "")
                                     : "";
  if (durability == "none") return false;
  if (report["domain"] == "medium") return report["settings"]["checksums"].get<bool>();
  return durability != "process-crash" || report["domain"] == "process";
}

json VerdictPart(const json& report) {
  const std::string domain = report["domain"].get<std::string>();
  const bool of_model = (domain == "memory" || domain == "files") &&
                        report["settings"].value("fault", "") == "power-loss";
  if (!of_model) return nullptr;
  json part = report;
  part["schema"] = "fencepost.verdict/1";
  for (const char* name : {"run_id", "created_utc", "command"}) part.erase(name);
  part["recording"].erase("path");
  for (const char* name : {"recoveries", "traced_recoveries", "nested_recoveries", "seconds"}) {
    part["explored"].erase(name);
  }
  for (json& violation : part["violations"]) {
    violation.erase("recording");
    violation.erase("replay");
  }
  return part;
}

bool IsOfKills(const json& report) {
  return report["domain"] == "process" || report["domain"] == "machine";
}

bool AnythingJudged(const json& report) {
  if (report["explored"]["verdicts"].get<uint64_t>() == 0) return false;
  return !IsOfKills(report) || report["recording"]["killed"].get<uint64_t>() > 0;
}

std::string CrashVerdict(const json& report) {
  const json& explored = report["explored"];
  if (!report["violations"].empty()) return IsPromised(report) ? "violated" : "informational";
  // Of a disk so many images were asked for, not every point.
  const bool all_points =
      report["domain"] == "disk" || explored["explored_points"] == explored["crash_points"];
  const bool whole = report["settings"]["shards"].get<uint64_t>() == 1;
  return all_points && AnythingJudged(report) && whole && explored["stopped"].is_null()
             ? "passed"
             : "incomplete";
}

}  // namespace fencepost
