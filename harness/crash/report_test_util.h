// SPDX-License-Identifier: BSD-3-Clause
// For tests of reports: a whole one, small and sound, to be changed where a test needs it.
#ifndef FENCEPOST_HARNESS_CRASH_REPORT_TEST_UTIL_H_
#define FENCEPOST_HARNESS_CRASH_REPORT_TEST_UTIL_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace fencepost {

inline nlohmann::json TestStore(const std::string& where) {
  return {{"event", uint64_t{5}},   {"thread", 1u},
          {"offset", uint64_t{64}}, {"bytes", uint64_t{8}},
          {"torn", false},          {"non_temporal", false},
          {"where", where},         {"stack", nlohmann::json::array()}};
}

// A violation of this kind, whose missing stores were made at these places.
inline nlohmann::json TestViolation(const std::string& kind, const std::vector<std::string>& places,
                                    uint64_t occurrences = 1) {
  nlohmann::json missing = nlohmann::json::array();
  for (const std::string& place : places) {
    missing.push_back({{"file", "/dev/shm/pool"},
                       {"line", uint64_t{1}},
                       {"offset", uint64_t{64}},
                       {"found", std::string(128, '0')},
                       {"newest", std::string(128, '1')},
                       {"cover", "no flush of its line follows, up to the end"},
                       {"stores", nlohmann::json::array({TestStore(place)})}});
  }
  nlohmann::json state = nlohmann::json::array();
  state.push_back({{"file", 1u}, {"line", uint64_t{1}}, {"bytes", std::string(128, '0')}});
  return {
      {"id", "V1"},
      {"kind", kind},
      {"subject", "user1"},
      {"message", "key user1 is " + kind},
      {"allowed", "v2"},
      {"found", "absent"},
      {"occurrences", occurrences},
      {"recording", "/results/old/recording"},
      {"replay", "fencepost crash replay old V1"},
      {"crash_point",
       {{"index", uint64_t{3}},
        {"event", uint64_t{9}},
        {"before", "a fence"},
        {"where", "Put (store.c:12)"},
        {"stack", nlohmann::json::array()},
        {"operations", {{"acknowledged", uint64_t{2}}, {"under_way", nlohmann::json::array()}}}}},
      {"missing", std::move(missing)},
      {"state", std::move(state)},
      {"timeline", nlohmann::json::array()},
      {"minimal", true},
      {"second_crash", nullptr},
      {"minimised_by", uint64_t{4}}};
}

// One site of each verdict.
inline nlohmann::json TestMutations() {
  const nlohmann::json site = {{"kind", "flush"},
                               {"where", "Put (store.c:12)"},
                               {"function", "Put"},
                               {"file", "/src/store.c"},
                               {"line", 12u},
                               {"events", uint64_t{7}},
                               {"verdict", "necessary"},
                               {"violation", nullptr},
                               {"explored", nullptr}};
  nlohmann::json necessary = site, not_shown = site;
  necessary["violation"] = {
      {"kind", "lost"},
      {"subject", "user1"},
      {"message", "key user1 is lost"},
      {"crash_point",
       {{"event", uint64_t{9}}, {"before", "a fence"}, {"where", "Put (store.c:13)"}}}};
  not_shown["verdict"] = "not shown necessary";
  not_shown["explored"] = {{"crash_points", uint64_t{100}},
                           {"explored_points", uint64_t{100}},
                           {"recoveries", uint64_t{80}},
                           {"every_state", true},
                           {"stopped", nullptr}};
  nlohmann::json sites = nlohmann::json::array();
  sites.push_back(std::move(not_shown));
  sites.push_back(std::move(necessary));
  return {{"skipped", nullptr}, {"sites", std::move(sites)}};
}

inline nlohmann::json OneSchedule() {
  return {{"asked", uint64_t{1}}, {"recorded", uint64_t{1}}, {"distinct", uint64_t{1}}};
}

// Of 100 crash points, all explored, nothing found.
inline nlohmann::json TestReport() {
  return {{"schema", "fencepost.crash/1"},
          {"run_id", "old"},
          {"created_utc", "2026-01-31T12:34:56Z"},
          {"command", {"fencepost", "crash", "map"}},
          {"fencepost_version", "0.1.0"},
          {"commit", "abc"},
          {"domain", "memory"},
          {"subject", {{"engine", "map"}, {"properties", {{"recordcount", "10"}}}}},
          {"recording",
           {{"path", "/results/old/recording"},
            {"trace_bytes", uint64_t{4096}},
            {"events", uint64_t{1000}},
            {"stores", uint64_t{300}},
            {"operations", uint64_t{20}},
            {"unmapped_bytes", uint64_t{0}},
            {"flushes_by", "instruction"}}},
          {"schedules", OneSchedule()},
          {"settings",
           {{"strategy", "all"},
            {"seed", uint64_t{1}},
            {"fault", "power-loss"},
            {"tearing", "8"},
            {"eadr", false},
            {"shard", uint64_t{0}},
            {"shards", uint64_t{1}},
            {"depth", uint64_t{1}},
            {"timeout_s", 10.0}}},
          {"explored",
           {{"crash_points", uint64_t{100}},
            {"explored_points", uint64_t{100}},
            {"log10_raw_states", 3.0},
            {"log10_explored_raw_states", 3.0},
            {"states", uint64_t{500}},
            {"recoveries", uint64_t{80}},
            {"traced_recoveries", uint64_t{0}},
            {"nested_points", uint64_t{0}},
            {"nested_states", uint64_t{0}},
            {"nested_recoveries", uint64_t{0}},
            {"outcomes", uint64_t{8}},
            {"verdicts", uint64_t{400}},
            {"failed_verdicts", uint64_t{0}},
            {"mixed_lines", uint64_t{0}},
            {"every_state", true},
            {"lines_cut", false},
            {"stopped", nullptr},
            {"next_point", nullptr},
            {"seconds", 1.5}}},
          {"assumptions", {"Sizes of files are durable at once."}},
          {"violations", nlohmann::json::array()},
          {"mutations", nullptr},
          {"groups_not_minimised", uint64_t{0}},
          {"verdict", "passed"}};
}

// The crash points from `begin` up to `end` only.
inline nlohmann::json TestPart(uint64_t begin, uint64_t end) {
  nlohmann::json report = TestReport();
  nlohmann::json& explored = report["explored"];
  explored["explored_points"] = end - begin;
  explored["every_state"] = false;
  if (end < 100) {
    explored["stopped"] = "interrupted";
    explored["next_point"] = end;
  }
  return report;
}

inline nlohmann::json TestShard(uint64_t shard, uint64_t shards) {
  nlohmann::json report = TestReport();
  report["settings"]["shard"] = shard;
  report["settings"]["shards"] = shards;
  report["explored"]["every_state"] = false;
  return report;
}

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_REPORT_TEST_UTIL_H_
