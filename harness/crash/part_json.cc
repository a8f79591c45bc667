// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/part_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace fencepost {
namespace {

using nlohmann::json;

json KeyJson(const OutcomeKey& key) { return {key.high, key.low}; }

OutcomeKey OutcomeKeyOf(const json& key) {
  return {key.at(0).get<uint64_t>(), key.at(1).get<uint64_t>()};
}

json StateJson(const CrashState& state) {
  json lines = json::array();
  for (const auto& [id, line] : state) {
    lines.push_back({id.file, id.number, std::string(line.bytes.begin(), line.bytes.end()),
                     line.survived, line.torn});
  }
  return lines;
}

void ReadState(const json& lines, CrashState* state) {
  for (const json& line : lines) {
    LineState& held = (*state)[{line.at(0).get<uint32_t>(), line.at(1).get<uint64_t>()}];
    const std::string bytes = line.at(2).get<std::string>();
    if (bytes.size() != held.bytes.size()) throw json::other_error::create(0, "a line", &line);
    std::copy(bytes.begin(), bytes.end(), held.bytes.begin());
    held.survived = line.at(3).get<uint64_t>();
    held.torn = line.at(4).get<uint64_t>();
  }
}

json PieceListJson(const std::vector<PieceId>& pieces) {
  json list = json::array();
  for (const PieceId& piece : pieces) list.push_back({piece.event, piece.part});
  return list;
}

std::vector<PieceId> PieceListOf(const json& list) {
  std::vector<PieceId> pieces;
  for (const json& piece : list) {
    pieces.push_back({piece.at(0).get<uint64_t>(), piece.at(1).get<uint32_t>()});
  }
  return pieces;
}

json StateJson(const FileCrashState& state) {
  return {{"through", state.through},
          {"lost", PieceListJson(state.lost)},
          {"kept", PieceListJson(state.kept)}};
}

void ReadState(const json& document, FileCrashState* state) {
  *state = {.through = document.at("through").get<uint64_t>(),
            .lost = PieceListOf(document.at("lost")),
            .kept = PieceListOf(document.at("kept"))};
}

json SecondJson(const std::optional<SecondCrash>& second) {
  if (!second) return nullptr;
  return {{"before", static_cast<int>(second->before)},
          {"where", second->where},
          {"ended", second->ended},
          {"first_answer", second->first_answer}};
}

std::optional<SecondCrash> SecondOf(const json& document) {
  if (document.is_null()) return std::nullopt;
  return SecondCrash{.before = static_cast<CrashPoint::Before>(document.at("before").get<int>()),
                     .where = document.at("where").get<std::string>(),
                     .ended = document.at("ended").get<bool>(),
                     .first_answer = document.at("first_answer").get<std::string>()};
}

template <typename State>
json GroupsJson(
    const std::map<typename VerdictTallyOf<State>::Key, FindingGroupOf<State>>& groups) {
  json list = json::array();
  for (const auto& [key, group] : groups) {
    list.push_back({{"kind", group.finding.kind},
                    {"subject", group.finding.subject},
                    {"message", group.finding.message},
                    {"allowed", group.finding.allowed},
                    {"found", group.finding.found},
                    {"point",
                     {group.point.index, group.point.event, static_cast<int>(group.point.before),
                      group.point.thread, group.point.stack}},
                    {"state", StateJson(group.state)},
                    {"outcome",
                     {static_cast<int>(group.outcome.end), group.outcome.code, group.outcome.answer,
                      group.outcome.complaint}},
                    {"second", SecondJson(group.second)},
                    {"occurrences", group.occurrences}});
  }
  return list;
}

template <typename State>
void ReadGroups(const json& list,
                std::map<typename VerdictTallyOf<State>::Key, FindingGroupOf<State>>* groups) {
  for (const json& entry : list) {
    const json& point = entry.at("point");
    const json& outcome = entry.at("outcome");
    FindingGroupOf<State> group;
    group.finding = {.kind = entry.at("kind").get<std::string>(),
                     .subject = entry.at("subject").get<std::string>(),
                     .message = entry.at("message").get<std::string>(),
                     .allowed = entry.at("allowed").get<std::string>(),
                     .found = entry.at("found").get<std::string>()};
    group.point = {.index = point.at(0).get<uint64_t>(),
                   .event = point.at(1).get<uint64_t>(),
                   .before = static_cast<CrashPoint::Before>(point.at(2).get<int>()),
                   .thread = point.at(3).get<uint32_t>(),
                   .stack = point.at(4).get<uint32_t>()};
    ReadState(entry.at("state"), &group.state);
    group.outcome = {.end = static_cast<Outcome::End>(outcome.at(0).get<int>()),
                     .code = outcome.at(1).get<int>(),
                     .answer = outcome.at(2).get<std::string>(),
                     .complaint = outcome.at(3).get<std::string>()};
    group.second = SecondOf(entry.at("second"));
    group.occurrences = entry.at("occurrences").get<uint64_t>();
    VerdictTallyOf<State>::AddGroup(std::move(group), groups);
  }
}

template <typename State>
json WholePartJson(const ExplorePartOf<State>& part) {
  json points = json::array(), uses = json::array(), outcomes = json::array();
  for (const ExploredPoint& point : part.points) {
    points.push_back(
        {point.index, point.size.log10_raw_states, point.size.mixed_lines, point.explored});
  }
  for (const auto& [before, use] : part.verdicts.uses) {
    uses.push_back({{"before", KeyJson(before)},
                    {"point", use.point},
                    {"came_of_it", KeyJson(use.came_of_it)},
                    {"failed", use.failed},
                    {"groups", GroupsJson<State>(use.groups)}});
  }
  for (const OutcomeKey& key : part.verdicts.outcomes) outcomes.push_back(KeyJson(key));
  const bool any = !part.verdicts.groups.empty() ||
                   std::any_of(part.verdicts.uses.begin(), part.verdicts.uses.end(),
                               [](const auto& use) { return !use.second.groups.empty(); });
  return {{"points", std::move(points)},
          {"states", part.states},
          {"nested_points", part.nested_points},
          {"nested_states", part.nested_states},
          {"states_cut", part.states_cut},
          {"judged", part.verdicts.judged},
          {"failed", part.verdicts.failed},
          {"groups", GroupsJson<State>(part.verdicts.groups)},
          {"uses", std::move(uses)},
          {"outcomes", std::move(outcomes)},
          // Nobody asks for them where nothing was found.
          {"places", any ? part.places : std::vector<std::string>()},
          {"recoveries", part.recoveries},
          {"traced_recoveries", part.traced_recoveries},
          {"nested_recoveries", part.nested_recoveries},
          {"checks", part.checks},
          {"seconds", part.seconds}};
}

template <typename State>
Result<ExplorePartOf<State>> WholePartOf(const json& document) {
  using Use = typename VerdictTallyOf<State>::Use;
  ExplorePartOf<State> part;
  try {
    for (const json& point : document.at("points")) {
      part.points.push_back({.index = point.at(0).get<uint64_t>(),
                             .size = {.log10_raw_states = point.at(1).get<double>(),
                                      .mixed_lines = point.at(2).get<uint64_t>()},
                             .explored = point.at(3).get<bool>()});
    }
    document.at("states").get_to(part.states);
    document.at("nested_points").get_to(part.nested_points);
    document.at("nested_states").get_to(part.nested_states);
    document.at("states_cut").get_to(part.states_cut);
    document.at("judged").get_to(part.verdicts.judged);
    document.at("failed").get_to(part.verdicts.failed);
    ReadGroups<State>(document.at("groups"), &part.verdicts.groups);
    for (const json& entry : document.at("uses")) {
      Use use{.point = entry.at("point").get<uint64_t>(),
              .came_of_it = OutcomeKeyOf(entry.at("came_of_it")),
              .failed = entry.at("failed").get<bool>()};
      ReadGroups<State>(entry.at("groups"), &use.groups);
      part.verdicts.uses.emplace(OutcomeKeyOf(entry.at("before")), std::move(use));
    }
    for (const json& key : document.at("outcomes")) {
      part.verdicts.outcomes.insert(OutcomeKeyOf(key));
    }
    document.at("places").get_to(part.places);
    document.at("recoveries").get_to(part.recoveries);
    document.at("traced_recoveries").get_to(part.traced_recoveries);
    document.at("nested_recoveries").get_to(part.nested_recoveries);
    document.at("checks").get_to(part.checks);
    document.at("seconds").get_to(part.seconds);
  } catch (const json::exception& error) {
    return Status::Corrupt(fmt::format("it is no part of an exploration: {}", error.what()));
  }
  return part;
}

}  // namespace

json PartJson(const ExplorePart& part) { return WholePartJson(part); }
json PartJson(const FileExplorePart& part) { return WholePartJson(part); }

Result<ExplorePart> MemoryPartOf(const json& document) { return WholePartOf<CrashState>(document); }
Result<FileExplorePart> FilePartOf(const json& document) {
  return WholePartOf<FileCrashState>(document);
}

}  // namespace fencepost
