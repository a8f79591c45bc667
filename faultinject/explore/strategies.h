// SPDX-License-Identifier: BSD-3-Clause
// Strategies: which of the states that the model allows are tried at a crash point.
//
// Every state that a strategy gives is one that the model allows. Only `all` gives every one, and
// `reads` every one that recovery can tell apart.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_STRATEGIES_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_STRATEGIES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "faultinject/model/px86.h"

namespace fencepost {

// A crash state: what each line in which the crash had a choice came to hold. All others hold what
// is in the image.
using CrashState = std::map<LineId, LineState>;

// Sees one state; returns whether to go on.
using StateVisitor = std::function<bool(const CrashState&)>;

struct StrategyInput {
  uint64_t seed = 0;   // of this crash point
  uint64_t count = 0;  // what stood behind the colon
  uint64_t since = 0;  // the event of the crash point before
};

struct StrategyRow {
  std::string_view name;
  std::string_view description;  // one line
  bool takes_count = false;      // "sample:1000"
  // Calls `visit` for the states of a crash point. Returns false if a line had too many states to
  // try each: then its stores survive in trace order only.
  // Null for `reads`, which finds its states while it recovers (read_explorer.h).
  bool (*generate)(const Px86& model, const StrategyInput& input, const StateVisitor& visit);
};

std::span<const StrategyRow> Strategies();

struct Strategy {
  const StrategyRow* row = nullptr;  // null: no state is tried (pmreorder's NoReorderNoCheck)
  uint64_t count = 0;
  std::string name;  // as the user wrote it

  bool exhaustive() const;
  bool by_reads() const { return row != nullptr && row->generate == nullptr; }
  bool Generate(const Px86& model, uint64_t seed, uint64_t since, const StateVisitor& visit) const;
};

// The contents of a line that are tried: every one, the durable one first and the newest last, or,
// and then `complete` becomes false, those in trace order if there are too many.
std::vector<LineState> ContentsToTry(const Px86Line& line, bool* complete);

// "prefix", "sample:100", or one of pmreorder's engine names. kInvalidArgument, naming those there
// are, otherwise.
Result<Strategy> ParseStrategy(const std::string& text);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_STRATEGIES_H_
