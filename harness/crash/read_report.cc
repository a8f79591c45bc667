// SPDX-License-Identifier: BSD-3-Clause
// Reads a report, and believes nothing of it: the file may be of another program, or cut.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>

#include "harness/crash/crash_report.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

using IsOfType = bool (*)(const json& value);

struct Field {
  const char* pointer;
  IsOfType is;
};

bool HasFields(const json& object, std::initializer_list<Field> fields) {
  return std::all_of(fields.begin(), fields.end(), [&](const Field& field) {
    const json::json_pointer pointer(field.pointer);
    return object.contains(pointer) && field.is(object.at(pointer));
  });
}

bool IsCount(const json& value) { return value.is_number_unsigned(); }
bool IsNumber(const json& value) { return value.is_number(); }
bool IsText(const json& value) { return value.is_string(); }
bool IsFlag(const json& value) { return value.is_boolean(); }
bool IsList(const json& value) { return value.is_array(); }
bool IsObject(const json& value) { return value.is_object(); }
bool IsCountOrNull(const json& value) { return IsCount(value) || value.is_null(); }
bool IsNumberOrNull(const json& value) { return IsNumber(value) || value.is_null(); }
bool IsObjectOrNull(const json& value) { return IsObject(value) || value.is_null(); }
bool IsTextOrNull(const json& value) { return IsText(value) || value.is_null(); }

template <typename IsElement>
bool Each(const json& list, const IsElement& is) {
  return std::all_of(list.begin(), list.end(), is);
}

bool IsSecondCrashOrNull(const json& value) {
  return value.is_null() || HasFields(value, {{"/before", IsText},
                                              {"/where", IsTextOrNull},
                                              {"/ended", IsFlag},
                                              {"/first_answer", IsText}});
}

bool IsMissing(const json& missing) {
  if (missing.is_object() && missing.contains("what")) {
    return HasFields(missing, {{"/what", IsText}, {"/place", IsText}, {"/cover", IsText}});
  }
  const auto is_store = [](const json& store) {
    return HasFields(store, {{"/where", IsText}, {"/bytes", IsCount}, {"/torn", IsFlag}});
  };
  return HasFields(
             missing,
             {{"/file", IsText}, {"/offset", IsCount}, {"/cover", IsText}, {"/stores", IsList}}) &&
         Each(missing["stores"], is_store);
}

bool IsState(const json& state) {
  const auto is_line = [](const json& line) {
    return HasFields(line, {{"/file", IsCount}, {"/line", IsCount}, {"/bytes", IsText}});
  };
  const auto is_piece = [](const json& piece) {
    return IsList(piece) && piece.size() == 2 && Each(piece, IsCount);
  };
  if (IsList(state)) return Each(state, is_line);
  if (IsObject(state) && state.contains("bit")) {
    return HasFields(state, {{"/file", IsText}, {"/byte", IsCount}, {"/bit", IsCount}});
  }
  if (IsObject(state) && state.contains("image")) {
    return HasFields(state, {{"/image", IsCount},
                             {"/undecided_writes", IsCount},
                             {"/lost_writes", IsCount},
                             {"/torn_writes", IsCount}});
  }
  return HasFields(state, {{"/through", IsCount}, {"/lost", IsList}, {"/kept", IsList}}) &&
         Each(state["lost"], is_piece) && Each(state["kept"], is_piece);
}

bool IsViolation(const json& violation) {
  const auto is_operation = [](const json& operation) {
    return HasFields(operation, {{"/what", IsText}});
  };
  const auto is_event = [](const json& event) {
    return HasFields(event, {{"/what", IsText}, {"/where", IsTextOrNull}});
  };
  return HasFields(violation, {{"/id", IsText},
                               {"/kind", IsText},
                               {"/message", IsText},
                               {"/replay", IsText},
                               {"/occurrences", IsCount},
                               {"/recording", IsText},
                               {"/crash_point/index", IsCount},
                               {"/crash_point/event", IsCount},
                               {"/crash_point/before", IsText},
                               {"/crash_point/where", IsTextOrNull},
                               {"/crash_point/operations/acknowledged", IsCount},
                               {"/crash_point/operations/under_way", IsList},
                               {"/second_crash", IsSecondCrashOrNull},
                               {"/missing", IsList},
                               {"/minimal", IsFlag},
                               {"/state", IsState},
                               {"/timeline", IsList}}) &&
         Each(violation["crash_point"]["operations"]["under_way"], is_operation) &&
         Each(violation["missing"], IsMissing) && Each(violation["timeline"], is_event);
}

bool IsMutation(const json& site) {
  if (!HasFields(site, {{"/kind", IsText},
                        {"/where", IsText},
                        {"/events", IsCount},
                        {"/verdict", IsText},
                        {"/violation", IsObjectOrNull},
                        {"/explored", IsObjectOrNull}})) {
    return false;
  }
  if (site["verdict"] == "necessary") {
    return HasFields(site, {{"/violation/message", IsText},
                            {"/violation/crash_point/event", IsCount},
                            {"/violation/crash_point/before", IsText},
                            {"/violation/crash_point/where", IsTextOrNull}});
  }
  return HasFields(site, {{"/explored/crash_points", IsCount},
                          {"/explored/explored_points", IsCount},
                          {"/explored/recoveries", IsCount},
                          {"/explored/every_state", IsFlag},
                          {"/explored/stopped", IsTextOrNull}});
}

bool IsMutationsOrNull(const json& value) {
  return value.is_null() || (HasFields(value, {{"/skipped", IsTextOrNull}, {"/sites", IsList}}) &&
                             Each(value["sites"], IsMutation));
}

// What crashes in memory and crashes in files have of their own.
bool IsOfItsDomain(const json& report) {
  if (report["domain"] == "files") {
    return HasFields(report, {{"/recording/trace_bytes", IsCount},
                              {"/recording/events", IsCount},
                              {"/recording/writes", IsCount},
                              {"/recording/syncs", IsCount},
                              {"/settings/file_system", IsText},
                              {"/settings/sector_bytes", IsCount},
                              {"/settings/tearing", IsFlag}});
  }
  if (report["domain"] == "process") {
    return HasFields(report, {{"/recording/rounds", IsCount}, {"/recording/killed", IsCount}});
  }
  if (report["domain"] == "machine") {
    return HasFields(report, {{"/recording/rounds", IsCount},
                              {"/recording/killed", IsCount},
                              {"/settings/file_system", IsText},
                              {"/settings/accelerator", IsText}});
  }
  if (report["domain"] == "disk") {
    return HasFields(report, {{"/recording/writes", IsCount},
                              {"/recording/flushes", IsCount},
                              {"/recording/guest_restarts", IsCount},
                              {"/settings/sector_bytes", IsCount},
                              {"/settings/file_system", IsText},
                              {"/settings/accelerator", IsText}});
  }
  if (report["domain"] == "medium") {
    return HasFields(report, {{"/recording/files", IsCount},
                              {"/recording/bytes_read", IsCount},
                              {"/recording/refused", IsCount},
                              {"/settings/checksums", IsFlag}});
  }
  return report["domain"] == "memory" && HasFields(report, {{"/recording/trace_bytes", IsCount},
                                                            {"/recording/events", IsCount},
                                                            {"/recording/stores", IsCount},
                                                            {"/settings/tearing", IsText},
                                                            {"/settings/eadr", IsFlag}});
}

// Whether all is there that this program reads of a report.
bool IsWhole(const json& report) {
  return report.is_object() &&
         HasFields(report, {{"/schema", IsText},
                            {"/domain", IsText},
                            {"/groups_not_minimised", IsCount},
                            {"/subject", IsObject},
                            {"/assumptions", IsList},
                            {"/violations", IsList},
                            {"/mutations", IsMutationsOrNull},
                            {"/recording/path", IsText},
                            {"/recording/operations", IsCount},
                            {"/schedules/asked", IsCount},
                            {"/schedules/recorded", IsCount},
                            {"/schedules/distinct", IsCount},
                            {"/settings/strategy", IsText},
                            {"/settings/seed", IsCount},
                            {"/settings/fault", IsText},
                            {"/settings/shard", IsCount},
                            {"/settings/shards", IsCount},
                            {"/settings/depth", IsCount},
                            {"/settings/timeout_s", IsNumber},
                            {"/explored/crash_points", IsCount},
                            {"/explored/explored_points", IsCount},
                            {"/explored/log10_raw_states", IsNumberOrNull},
                            {"/explored/log10_explored_raw_states", IsNumberOrNull},
                            {"/explored/states", IsCount},
                            {"/explored/recoveries", IsCount},
                            {"/explored/traced_recoveries", IsCount},
                            {"/explored/nested_points", IsCount},
                            {"/explored/nested_states", IsCount},
                            {"/explored/nested_recoveries", IsCount},
                            {"/explored/outcomes", IsCount},
                            {"/explored/verdicts", IsCount},
                            {"/explored/failed_verdicts", IsCount},
                            {"/explored/mixed_lines", IsCount},
                            {"/explored/every_state", IsFlag},
                            {"/explored/lines_cut", IsFlag},
                            {"/explored/stopped", IsTextOrNull},
                            {"/explored/next_point", IsCountOrNull},
                            {"/explored/seconds", IsNumber}}) &&
         report["schema"] == "fencepost.crash/1" && IsOfItsDomain(report) &&
         Each(report["violations"], IsViolation);
}

}  // namespace

Result<json> ReadReport(const fs::path& folder) {
  const fs::path path = folder / "crash.json";
  std::ifstream in(path);
  if (!in) {
    return Status::InvalidArgument(fmt::format("{}: has no crash.json", folder.string()));
  }
  json report = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!IsWhole(report)) {
    return Status::Corrupt(fmt::format("{}: is no report of this version", path.string()));
  }
  return report;
}

}  // namespace fencepost
