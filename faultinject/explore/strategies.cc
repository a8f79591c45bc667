// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/strategies.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <set>
#include <vector>

namespace fencepost {
namespace {

// Choices of one line that are tried each; a line of 64 bytes written around the cache has 2^8.
constexpr size_t kMaxLineChoices = 1 << 14;

struct Lines {
  std::vector<LineId> ids;
  std::vector<std::vector<LineState>> states;  // durable first, newest last
  bool complete = true;                        // every state of every line is there
};

// Trace order only: what a line with too many states is left with.
std::vector<LineState> StatesInOrder(const Px86Line& line) {
  std::vector<LineState> states = {line.Oldest()};
  const auto add = [&](const LineState& state) {
    if (state.bytes != states.back().bytes) states.push_back(state);
  };
  for (const PendingStore& store : line.pending()) add(line.BeforeEvent(store.event));
  add(line.Newest());
  return states;
}

Lines StatesOf(const Px86& model) {
  Lines lines;
  for (const auto& [id, line] : model.lines()) {
    if (!line.undecided()) continue;
    lines.ids.push_back(id);
    lines.states.push_back(ContentsToTry(line, &lines.complete));
  }
  return lines;
}

// The state in which each line is what `choose` says.
template <typename Choose>
CrashState Together(const Px86& model, Choose&& choose) {
  CrashState state;
  for (const auto& [id, line] : model.lines()) {
    if (line.undecided()) state.emplace_hint(state.end(), id, choose(line));
  }
  return state;
}

CrashState AllNewest(const Px86& model) {
  return Together(model, [](const Px86Line& line) { return line.Newest(); });
}

CrashState AllOldest(const Px86& model) {
  return Together(model, [](const Px86Line& line) { return line.Oldest(); });
}

// Undecided stores since an event. Those before it have had their turn at earlier crash points, and
// some are never flushed (locks that libpmemobj keeps in the pool): they go together.
std::vector<uint64_t> PendingEvents(const Px86& model, uint64_t since) {
  std::set<uint64_t> events;
  for (const auto& [id, line] : model.lines()) {
    for (const PendingStore& store : line.pending()) {
      if (store.event >= since) events.insert(store.event);
    }
  }
  return {events.begin(), events.end()};
}

bool GenerateAll(const Px86& model, const StrategyInput& /*input*/, const StateVisitor& visit) {
  const Lines lines = StatesOf(model);
  std::vector<size_t> digits(lines.ids.size(), 0);
  CrashState state;
  for (size_t i = 0; i < digits.size(); ++i) state[lines.ids[i]] = lines.states[i][0];
  while (visit(state)) {
    size_t i = 0;
    for (; i < digits.size(); ++i) {
      digits[i] = digits[i] + 1 < lines.states[i].size() ? digits[i] + 1 : 0;
      state[lines.ids[i]] = lines.states[i][digits[i]];
      if (digits[i] != 0) break;
    }
    if (i == digits.size()) break;
  }
  return lines.complete;
}

bool GeneratePrefix(const Px86& model, const StrategyInput& input, const StateVisitor& visit) {
  if (!visit(AllOldest(model))) return true;
  for (const uint64_t event : PendingEvents(model, input.since)) {
    if (!visit(Together(model, [&](const Px86Line& line) { return line.BeforeEvent(event); })))
      return true;
  }
  visit(AllNewest(model));
  return true;
}

bool GenerateSuffix(const Px86& model, const StrategyInput& input, const StateVisitor& visit) {
  if (!visit(AllNewest(model))) return true;
  for (const uint64_t event : PendingEvents(model, input.since)) {
    if (!visit(Together(model, [&](const Px86Line& line) { return line.SinceEvent(event); })))
      return true;
  }
  visit(AllOldest(model));
  return true;
}

bool GenerateOneMissing(const Px86& model, const StrategyInput& /*input*/,
                        const StateVisitor& visit) {
  const Lines lines = StatesOf(model);
  CrashState state = AllNewest(model);
  if (!visit(state)) return lines.complete;
  for (size_t i = 0; i < lines.ids.size(); ++i) {
    LineState& missing = state[lines.ids[i]];
    const LineState newest = missing;
    for (size_t s = 0; s + 1 < lines.states[i].size(); ++s) {
      missing = lines.states[i][s];
      if (!visit(state)) return lines.complete;
    }
    missing = newest;
  }
  return lines.complete;
}

bool GenerateOneOnly(const Px86& model, const StrategyInput& /*input*/, const StateVisitor& visit) {
  const Lines lines = StatesOf(model);
  CrashState state = AllOldest(model);
  if (!visit(state)) return lines.complete;
  for (size_t i = 0; i < lines.ids.size(); ++i) {
    LineState& only = state[lines.ids[i]];
    const LineState oldest = only;
    for (size_t s = 1; s < lines.states[i].size(); ++s) {
      only = lines.states[i][s];
      if (!visit(state)) return lines.complete;
    }
    only = oldest;
  }
  return lines.complete;
}

bool GenerateSample(const Px86& model, const StrategyInput& input, const StateVisitor& visit) {
  std::mt19937_64 random(input.seed);
  for (uint64_t i = 0; i < input.count; ++i) {
    if (!visit(Together(model, [&](const Px86Line& line) { return line.Sample(random); })))
      return true;
  }
  return true;
}

constexpr StrategyRow kStrategies[] = {
    {"reads", "every state that recovery can tell apart, found by watching what it reads", false,
     nullptr},
    {"all", "every state that the model allows", false, GenerateAll},
    {"prefix",
     "the stores have survived up to one of them, in trace order (those before the last crash "
     "point together)",
     false, GeneratePrefix},
    {"suffix", "the stores have survived from one of them on, as far as x86 allows (as above)",
     false, GenerateSuffix},
    {"one-missing", "every line is as new as can be but for one, which has each of its states",
     false, GenerateOneMissing},
    {"one-only", "no line is newer than must be but for one, which has each of its states", false,
     GenerateOneOnly},
    {"sample", "so many states of each crash point, drawn with the seed", true, GenerateSample},
};

struct Alias {
  std::string_view theirs, ours;
};

// pmreorder's engines, by what comes closest. It never tries evictions, and tries orders inside a
// line that x86 forbids; ours do neither.
constexpr Alias kPmreorderEngines[] = {
    {"NoReorderNoCheck", ""},          {"NoReorderDoCheck", "prefix"},
    {"ReorderAccumulative", "prefix"}, {"ReorderReverseAccumulative", "suffix"},
    {"ReorderPartial", "sample:10"},   {"ReorderFull", "all"},
};

}  // namespace

std::span<const StrategyRow> Strategies() { return kStrategies; }

std::vector<LineState> ContentsToTry(const Px86Line& line, bool* complete) {
  auto states = line.States(kMaxLineChoices);
  if (states) return std::move(*states);
  *complete = false;
  return StatesInOrder(line);
}

bool Strategy::exhaustive() const { return row != nullptr && (row->name == "all" || by_reads()); }

bool Strategy::Generate(const Px86& model, uint64_t seed, uint64_t since,
                        const StateVisitor& visit) const {
  return row == nullptr || row->generate(model, {seed, count, since}, visit);
}

Result<Strategy> ParseStrategy(const std::string& text) {
  std::string_view wanted = text;
  for (const Alias& alias : kPmreorderEngines) {
    if (alias.theirs == text) wanted = alias.ours;
  }
  if (wanted.empty() && !text.empty()) return Strategy{.name = text};
  const size_t colon = wanted.find(':');
  const std::string_view name = wanted.substr(0, colon);
  std::vector<std::string> known;
  for (const StrategyRow& row : kStrategies) {
    known.push_back(fmt::format("{}{}", row.name, row.takes_count ? ":N" : ""));
    if (row.name != name || row.takes_count != (colon != std::string_view::npos)) continue;
    Strategy strategy{.row = &row, .name = text};
    if (!row.takes_count) return strategy;
    const std::string_view digits = wanted.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), strategy.count);
    if (error == std::errc() && end == digits.data() + digits.size() && strategy.count > 0)
      return strategy;
    return Status::InvalidArgument(fmt::format("strategy '{}': N must be a count from 1", text));
  }
  return Status::InvalidArgument(
      fmt::format("no strategy '{}'; there are {}, and pmreorder's engine names", text,
                  fmt::join(known, ", ")));
}

}  // namespace fencepost
