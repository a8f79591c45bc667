// SPDX-License-Identifier: BSD-3-Clause
// Two sides compared, cell by cell: what `bench --against` and `compare` leave and print.
//
// Every ratio is test over base. Paired: run i of either side ran beside the other's; the ratio of
// throughputs is that of the median log-ratio, and it has a verdict. Unpaired: the runs were made
// at different times, so a ratio holds whatever else changed between them; there is no verdict.
//
// Threads: none.
// Schema: results/schema/comparison.schema.json.
#ifndef FENCEPOST_HARNESS_REPORT_COMPARISON_H_
#define FENCEPOST_HARNESS_REPORT_COMPARISON_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "harness/stats/paired.h"

namespace fencepost {

// One side of a cell.
struct ComparedRuns {
  std::string engine;
  std::string workload;
  unsigned threads = 1;
  std::string medium;
  std::string durability;
  bool relaxed_load = false;
  std::vector<nlohmann::json> summaries;  // of runs that came to their end
};
// From the first of summary.json documents of one cell. REQUIRES: at least one.
ComparedRuns MakeComparedRuns(std::vector<nlohmann::json> summaries);

struct ComparedMeasure {
  std::optional<Estimate> base, test;
  std::optional<Estimate> ratio;       // nothing where a value is 0
  std::optional<double> cliffs_delta;  // of test over base
};

struct ComparedPair {
  std::string base_run, test_run;
  bool base_first = true;
  double log_ratio = 0;  // ln(test / base), of throughputs
};

struct ComparedCell {
  ComparedRuns base, test;
  std::string placement;  // empty: not known
  std::string skipped, failed;
  std::vector<ComparedPair> pairs;  // paired only; pairs[i] are summaries[i]
  PairedCell judged;                // paired only
  ComparedMeasure throughput, p50, p99;
  std::string latency_kind;           // what the latencies are of; empty: nothing in common
  std::vector<std::string> warnings;  // in what the sides differ, and what their runs warn of

  std::string Name() const;  // "lmdb workloada 1 thr", both sides where they differ
};

// The program and machine of a side: from a manifest.json.
struct ComparedSide {
  std::string label;  // a path, as the user gave it
  nlohmann::json manifest = nlohmann::json::object();
  std::vector<std::string> properties;  // given to this side alone
};

struct Comparison {
  bool paired = false;
  bool partial = false;
  bool unequal_durability = false;
  ComparedSide base, test;
  PairedSettings settings;  // paired only
  nlohmann::json bench;     // paired only: what makes the bench again
  nlohmann::json noise;     // paired only
  std::vector<ComparedCell> cells;
  std::vector<std::string> warnings;

  size_t regressions() const;  // cells with the verdict kSlower
};

// Fills medians, ratios, effect sizes, verdicts and the warnings of all cells.
void Evaluate(Comparison* comparison);

// kInvalidArgument if a cell compares different promises.
Status CheckComparable(const Comparison& comparison);

nlohmann::json ComparisonJson(const Comparison& comparison, const std::string& id,
                              const std::vector<std::string>& command);
std::string ComparisonTable(const Comparison& comparison);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_REPORT_COMPARISON_H_
