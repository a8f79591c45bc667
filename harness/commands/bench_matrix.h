// SPDX-License-Identifier: BSD-3-Clause
// The cells of `fencepost bench`: which there are, in which order they run, and what their repeats
// come to.
#ifndef FENCEPOST_HARNESS_COMMANDS_BENCH_MATRIX_H_
#define FENCEPOST_HARNESS_COMMANDS_BENCH_MATRIX_H_

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engines/engine_table.h"
#include "harness/placement.h"
#include "harness/stats/stats.h"

namespace fencepost {

struct Cell {
  const EngineRow* row = nullptr;
  std::string workload_file;
  std::string workload;  // its name
  unsigned threads = 1;
  Placement placement = Placement::kDefault;
  fencepost::Medium medium = fencepost::Medium::kNone;  // where it is to run
  Durability durability = Durability::kNone;
  std::string asked_durability;           // as the user wrote it; empty: the engine's strongest
  std::string skipped;                    // why it is not run; empty if it is
  std::string failed;                     // the first error of a repeat
  std::vector<nlohmann::json> summaries;  // of the repeats that ended

  // "lmdb-workloada-t1-default", with the durability that was asked for, if one was
  std::string Name() const;
  std::string MediumLabel() const;  // of the first summary, or where it was to run
};

// The runs of all cells: each repeat is one random permutation of the cells, so that a drift of
// the machine meets all of them alike.
struct RunOrder {
  size_t cell = 0;
  unsigned repeat = 0;
};
std::vector<RunOrder> InterleavedOrder(const std::vector<Cell>& cells, unsigned repeats,
                                       uint64_t seed);

// Of the repeats that ran to their end, in the order in which they did.
std::vector<double> Throughputs(const Cell& cell);

// Median and its interval over a cell's repeats of one number of the summary.
std::optional<Estimate> CellEstimate(const Cell& cell, const nlohmann::json::json_pointer& field);

// kInvalidArgument if the cells promise different things: such a comparison must be asked for.
Status CheckEqualDurability(const std::vector<Cell>& cells);

// The kind of operation that a cell's latencies are quoted of: READ, or what it did most of.
std::string MainKind(const Cell& cell);

nlohmann::json CellJson(const Cell& cell);
std::string MatrixTable(const std::vector<Cell>& cells);
// Beside speed: how long opening the store took, what it wrote and what it occupies for each byte
// of the user's. Medians; empty where none of it is known.
std::string CostTable(const std::vector<Cell>& cells);
// What the harness itself costs, by workload and threads; empty if it was not measured.
std::string FloorLine(const std::vector<Cell>& cells);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_BENCH_MATRIX_H_
