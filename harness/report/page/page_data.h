// SPDX-License-Identifier: BSD-3-Clause
// What a report shows: figures picked from results, and what a reader must know of them.
//
// Invariants:
//   1. No figure is computed here: each is a number of a result (a median and the interval that the
//      harness made for it, a single run's figure), or a count of entries.
//   2. Rows of one Group were measured on one medium, machine and commit under one verification,
//   and
//      in one bench; only such rows may be put on one axis. Their durability may differ: then each
//      is labelled, and `mixed_durability` is set.
//   3. Of a cell's repeats, whatever has no interval is of one run: the one in the middle by
//      throughput (of an even number the slower of the two).
// Threads: none.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_PAGE_DATA_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_PAGE_DATA_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/report/page/load_results.h"

namespace fencepost::page {

// A median of repeats with its interval; of a single run, that.
struct Spread {
  double median = 0;
  std::optional<double> low, high;
  std::string method;
};

struct SpeedRow {
  std::string engine, durability, settings;  // settings: the engine's own, "a=1, b=2"
  std::string workload;                      // with " (load)" where it is one
  unsigned threads = 1;
  std::optional<Spread> throughput_ops_per_s, p50_ns, p99_ns, floor_ns;
  std::string latency_kind;
  std::vector<double> repeats_ops_per_s;
  std::vector<std::string> remarks;  // skipped, failed, partial, of one run ...
  bool bad = false;                  // failed, partial, or its values did not verify
  nlohmann::json summary;            // of the run in the middle; null: none has finished
};

struct Group {
  std::string medium;
  bool modelled = false;
  bool mixed_durability = false;
  std::string conditions;  // verification, machine, bench, ...
  std::vector<SpeedRow> rows;
};

struct CrashRow {
  std::string engine;  // or the program
  bool is_engine = true;
  std::string durability, settings, workload;
  std::string fault;  // "power-loss", "kill", ...
  std::string model;  // "Px86", the file system, "process"
  std::string word;   // "proved", "passed", "2 violations", "informational", "incomplete"
  std::string style;  // "good", "bad", "note", "open"
  std::vector<std::string> limits;  // what keeps the verdict from covering more
  nlohmann::json report;
};

// One engine and class in one group: fast and safe.
struct SafetyRow {
  std::string engine, durability, settings;
  std::vector<std::optional<Spread>> throughput_ops_per_s;  // by EngineTable::columns
  std::vector<size_t> power_loss, killed, faults;           // of PageData::crashes
};

struct EngineTable {
  std::string medium;  // empty: engines that were crashed and not timed
  bool modelled = false;
  std::string conditions;  // of the group, where several groups are of this medium
  std::vector<SafetyRow> rows;
};

struct Notice {
  bool grave = false;
  std::string title, text;
};

// A table of facts, a row a list of texts.
struct FactTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

struct PageData {
  std::vector<Notice> notices;
  std::vector<std::pair<std::string, unsigned>> engine_columns;  // workload, threads
  std::vector<EngineTable> engine_tables;
  std::vector<Group> groups;  // fast media first; the harness itself last
  std::vector<CrashRow> crashes;
  std::vector<FactTable> facts;
};

PageData PickFigures(const LoadedResults& results);

// "tmpfs" in words that say what it means for a comparison.
std::string MediumWords(const std::string& medium, bool modelled);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_PAGE_DATA_H_
