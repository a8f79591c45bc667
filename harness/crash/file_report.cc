// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/file_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "faultinject/explore/files/io_text.h"
#include "harness/crash/crash_report.h"
#include "harness/crash/report_parts.h"

namespace fencepost {
namespace {

using nlohmann::json;

json PiecesJson(const std::vector<PieceId>& pieces) {
  json list = json::array();
  for (const PieceId& piece : pieces) list.push_back({piece.event, piece.part});
  return list;
}

Result<std::vector<PieceId>> ParsePieces(const json& list) {
  std::vector<PieceId> pieces;
  for (const json& piece : list) {
    if (piece.size() != 2) return Status::Corrupt("crash.json: a piece of the state is damaged");
    pieces.push_back({piece[0].get<uint64_t>(), piece[1].get<uint32_t>()});
  }
  return pieces;
}

class FileReporter {
 public:
  FileReporter(const FileCrashContext& context, const FileExploreResult& result)
      : context_(context), result_(result) {}

  json Whole(const std::vector<FileMinimalViolation>& violations) const {
    std::vector<json> list;
    list.reserve(violations.size());
    for (const FileMinimalViolation& violation : violations) {
      list.push_back(ViolationJson(violation));
    }
    json report = ReportHead(context_.folder, context_.command, "files", context_.subject);
    const IoSurvey& survey = context_.run->survey;
    report.update({{"recording",
                    {{"path", context_.recording},
                     {"trace_bytes", context_.trace_bytes},
                     {"events", survey.events},
                     {"writes", survey.writes},
                     {"mapped_writes", survey.mapped_writes},
                     {"bytes_written", survey.bytes_written},
                     {"syncs", survey.syncs},
                     {"failed_syncs", survey.failed_syncs},
                     {"operations", survey.operations.size()}}},
                   {"schedules", {{"asked", 1u}, {"recorded", 1u}, {"distinct", 1u}}},
                   {"settings", SettingsJson()},
                   {"explored", ExploredJson()},
                   {"assumptions", AssumptionsJson()},
                   {"violations", MergeByCause(std::move(list), context_.folder)},
                   {"mutations", nullptr}});
    report["groups_not_minimised"] = result_.groups.size() - violations.size();
    report["verdict"] = CrashVerdict(report);
    return report;
  }

 private:
  uint64_t SectorBytes() const {
    const FileExploreOptions& options = *context_.options;
    return options.model.sector_bytes != 0 ? options.model.sector_bytes
                                           : options.file_system->sector_bytes;
  }

  json SettingsJson() const {
    const FileExploreOptions& options = *context_.options;
    // What was done, not what was wanted.
    const FileStrategy& used = result_.unwatched.empty() ? options.strategy : options.unwatched;
    return {{"strategy", used.name},
            {"seed", options.seed},
            {"fault", "power-loss"},
            {"file_system", std::string(options.file_system->name)},
            {"sector_bytes", SectorBytes()},
            {"tearing", options.model.tearing},
            {"shard", options.shard},
            {"shards", options.shards},
            {"depth", 1u},
            {"timeout_s", context_.timeout_s}};
  }

  json ExploredJson() const {
    const bool goes_on = !result_.stopped.empty() && result_.next_point < result_.crash_points;
    return {{"crash_points", result_.crash_points},
            {"explored_points", result_.explored_points},
            {"log10_raw_states", Log10Json(result_.log10_raw_states)},
            {"log10_explored_raw_states", Log10Json(result_.log10_explored_raw_states)},
            {"states", result_.states},
            {"recoveries", result_.recoveries},
            {"traced_recoveries", 0u},
            {"nested_points", 0u},
            {"nested_states", 0u},
            {"nested_recoveries", 0u},
            {"outcomes", result_.outcomes},
            {"verdicts", result_.verdicts},
            {"failed_verdicts", result_.failed_verdicts},
            {"mixed_lines", 0u},
            {"every_state", result_.every_state},
            {"lines_cut", result_.states_cut},
            {"stopped", result_.stopped.empty() ? json(nullptr) : json(result_.stopped)},
            {"next_point", goes_on ? json(result_.next_point) : json(nullptr)},
            {"seconds", result_.seconds}};
  }

  json AssumptionsJson() const {
    const FileExploreOptions& options = *context_.options;
    json list = {
        fmt::format("File system {}: {} ({}).", options.file_system->name,
                    options.file_system->description, options.file_system->source),
        options.model.tearing
            ? fmt::format("A write is torn between sectors of {} bytes, never inside one.",
                          SectorBytes())
            : std::string("No write is torn."),
        "The one interleaving that was recorded; the run began with a store that was durable."};
    if (!result_.unwatched.empty()) {
      list.push_back(fmt::format("Strategy {} was used in place of reads: {}.",
                                 options.unwatched.name, result_.unwatched));
    } else if (options.strategy.by_reads()) {
      list.push_back(
          "A recovery depends on nothing but what it reads of its files: the first sixteen, and "
          "one in sixteen, were executed again with all else changed, and gave the same.");
    }
    if (context_.run->survey.mapped_writes > 0) {
      list.push_back(
          "What was stored in shared mappings was seen at syncs, at the marks of operations and "
          "when a mapping went; what it held in between was not.");
    }
    for (const std::string& remark : context_.remarks) list.push_back(remark);
    return list;
  }

  json WhereJson(uint32_t place) const {
    return place == 0 ? json(nullptr) : json(result_.places.at(place));
  }

  json ViolationJson(const FileMinimalViolation& violation) const {
    const FileFindingGroup& group = violation.group;
    json missing = json::array();
    for (const MissingPiece& piece : violation.missing) {
      missing.push_back({{"what", piece.what},
                         {"place", piece.place},
                         {"event", piece.id.event},
                         {"part", piece.id.part},
                         {"operation", piece.operation ? json(*piece.operation) : json(nullptr)},
                         {"cover", piece.cover}});
    }
    json entry = FindingJson(group.finding);
    entry.update({{"occurrences", group.occurrences},
                  {"recording", context_.recording},
                  {"crash_point",
                   {{"index", group.point.index},
                    {"event", group.point.event},
                    {"before", CrashPointName(group.point.before)},
                    {"where", WhereJson(group.point.stack)},
                    {"stack", json::array()},
                    {"operations", OperationsAt(group.point.event, context_.run->survey.operations,
                                                context_.describe_operation)}}},
                  {"second_crash", nullptr},
                  {"missing", std::move(missing)},
                  {"state",
                   {{"through", group.state.through},
                    {"lost", PiecesJson(group.state.lost)},
                    {"kept", PiecesJson(group.state.kept)}}},
                  {"timeline", Timeline(violation)},
                  {"minimal", violation.minimal},
                  {"minimised_by", violation.recoveries}});
    return entry;
  }

  // What happened around the crash; what is missing is always among it.
  json Timeline(const FileMinimalViolation& violation) const {
    constexpr uint64_t kBefore = 24, kAfter = 8;
    const uint64_t crash = violation.group.point.event;
    std::map<uint64_t, size_t> missing;  // by event
    for (size_t i = 0; i < violation.missing.size(); ++i) {
      missing.try_emplace(violation.missing[i].id.event, i);
    }
    json list = json::array();
    FileTree tree = context_.run->initial;
    const std::vector<IoEvent>& events = context_.run->events;
    uint64_t after = 0;
    for (uint64_t i = 0; i <= events.size(); ++i) {
      if (i == crash) list.push_back(TimelineJson(i, "crash", nullptr, std::nullopt));
      if (i == events.size()) break;
      const bool applies = tree.Apply(events[i]).ok();
      const auto lost = missing.find(i);
      const bool near = i + kBefore >= crash && after < kAfter;
      const bool told = events[i].kind != IoEvent::Kind::kContent;
      if (!applies || !told || (!near && lost == missing.end())) continue;
      after += i >= crash ? 1 : 0;
      list.push_back(
          TimelineJson(i, DescribeEvent(events[i], tree.Paths()), &events[i],
                       lost == missing.end() ? std::nullopt : std::optional<size_t>(lost->second)));
    }
    return list;
  }

  static json TimelineJson(uint64_t number, const std::string& what, const IoEvent* event,
                           std::optional<size_t> missing) {
    return {{"event", number},
            {"what", what},
            {"thread", event == nullptr ? 0 : event->thread},
            {"where", nullptr},
            {"missing_line", missing ? json(*missing) : json(nullptr)},
            {"bytes", event == nullptr ? 0 : event->data.size()}};
  }

  const FileCrashContext& context_;
  const FileExploreResult& result_;
};

}  // namespace

json FileCrashJson(const FileCrashContext& context, const FileExploreResult& result,
                   const std::vector<FileMinimalViolation>& violations) {
  return FileReporter(context, result).Whole(violations);
}

Result<FileCrashState> ParseFileState(const json& state) {
  if (!state.is_object()) return Status::Corrupt("crash.json: the state is damaged");
  FileCrashState parsed{.through = state.at("through").get<uint64_t>()};
  ASSIGN_OR_RETURN(parsed.lost, ParsePieces(state.at("lost")));
  ASSIGN_OR_RETURN(parsed.kept, ParsePieces(state.at("kept")));
  return parsed;
}

}  // namespace fencepost
