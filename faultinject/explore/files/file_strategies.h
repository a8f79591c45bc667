// SPDX-License-Identifier: BSD-3-Clause
// Strategies for files: which of the states that the model allows are tried at a crash point.
//
// Every state that a strategy gives is one that the model allows. Only `all` gives every one. The
// same state may come more than once, and different states may give equal trees.
//
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_STRATEGIES_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_STRATEGIES_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "engines/status.h"
#include "faultinject/model/posix/posix_model.h"

namespace fencepost {

// Sees one state; returns whether to go on.
using FileStateVisitor = std::function<bool(const PosixModel::Survivors&)>;

struct FileStrategyInput {
  uint64_t seed = 0;   // of this crash point
  uint64_t count = 0;  // what stood behind the colon
  // The event of the crash point before: what is pending since then has not been tried yet.
  uint64_t since = 0;
};

struct FileStrategyRow {
  std::string_view name;
  std::string_view description;  // one line
  bool takes_count = false;      // "sample:1000"
  // Calls `visit` for the states of a crash point. Returns false if it left some out of what its
  // description says.
  // Null for `reads`, which finds its states while it recovers.
  bool (*generate)(const PosixModel& model, const FileStrategyInput& input,
                   const FileStateVisitor& visit);
};

std::span<const FileStrategyRow> FileStrategies();

struct FileStrategy {
  const FileStrategyRow* row = nullptr;
  uint64_t count = 0;
  std::string name;  // as the user wrote it

  bool by_reads() const { return row->generate == nullptr; }
  bool exhaustive() const { return row->name == "all" || by_reads(); }
  // REQUIRES: not by_reads().
  bool Generate(const PosixModel& model, uint64_t seed, uint64_t since,
                const FileStateVisitor& visit) const {
    return row->generate(model, {seed, count, since}, visit);
  }
};

// kInvalidArgument, naming those there are, otherwise.
Result<FileStrategy> ParseFileStrategy(const std::string& text);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_STRATEGIES_H_
