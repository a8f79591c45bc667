// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_strategies.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <vector>

namespace fencepost {
namespace {

using Survivors = PosixModel::Survivors;

// Boundaries of one write that are tried each; of a longer one those near its ends.
constexpr size_t kMostBoundaries = 64;

// The undecided pieces of one event.
struct PendingEvent {
  uint64_t event = 0;
  std::vector<size_t> pieces = {};  // by index in pending()
};

std::vector<PendingEvent> UndecidedEvents(const PosixModel& model, uint64_t since) {
  std::vector<PendingEvent> events;
  for (size_t i = 0; i < model.pending().size(); ++i) {
    const FilePiece& piece = model.pending()[i];
    if (piece.durable || piece.id.event < since) continue;
    if (events.empty() || events.back().event != piece.id.event) {
      events.push_back({.event = piece.id.event});
    }
    events.back().pieces.push_back(i);
  }
  return events;
}

// What is durable, and all of before the event: allowed, since needs point backwards.
Survivors Before(const PosixModel& model, uint64_t event) {
  Survivors survivors = model.Oldest();
  for (size_t i = 0; i < survivors.size(); ++i) {
    if (model.pending()[i].id.event < event) survivors[i] = true;
  }
  return survivors;
}

bool GenerateAll(const PosixModel& model, const FileStrategyInput& /*input*/,
                 const FileStateVisitor& visit) {
  model.ForEachState(visit);
  return true;
}

bool GeneratePrefix(const PosixModel& model, const FileStrategyInput& input,
                    const FileStateVisitor& visit) {
  if (!visit(model.Oldest())) return true;
  for (const PendingEvent& event : UndecidedEvents(model, input.since)) {
    if (!visit(Before(model, event.event))) return true;
  }
  visit(model.Newest());
  return true;
}

bool GenerateOneMissing(const PosixModel& model, const FileStrategyInput& /*input*/,
                        const FileStateVisitor& visit) {
  if (!visit(model.Newest())) return true;
  const auto without = [&](std::span<const size_t> pieces) {
    Survivors survivors = model.Newest();
    for (const size_t piece : pieces) survivors[piece] = false;
    model.DropWithoutNeeded(&survivors);
    return visit(survivors);
  };
  // The latest first: those of before have been tried with what was there then.
  const std::vector<PendingEvent> events = UndecidedEvents(model, 0);
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (!without(event->pieces)) return true;
    if (event->pieces.size() == 1) continue;
    for (const size_t& piece : event->pieces) {
      if (!without({&piece, 1})) return true;
    }
  }
  return true;
}

bool GenerateOneOnly(const PosixModel& model, const FileStrategyInput& /*input*/,
                     const FileStateVisitor& visit) {
  if (!visit(model.Oldest())) return true;
  const auto only = [&](std::span<const size_t> pieces) {
    Survivors survivors = model.Oldest();
    for (const size_t piece : pieces) survivors[piece] = true;
    model.AddNeeded(&survivors);
    return visit(survivors);
  };
  const std::vector<PendingEvent> events = UndecidedEvents(model, 0);
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (!only(event->pieces)) return true;
    if (event->pieces.size() == 1) continue;
    for (const size_t& piece : event->pieces) {
      if (!only({&piece, 1})) return true;
    }
  }
  return true;
}

// From 1 to `parts` - 1: all, or those near the ends and the middle.
std::vector<size_t> Boundaries(size_t parts, bool* complete) {
  std::vector<size_t> boundaries;
  for (size_t k = 1; k < parts; ++k) {
    const bool near =
        k <= kMostBoundaries / 4 || parts - k <= kMostBoundaries / 4 || k == parts / 2;
    if (parts <= kMostBoundaries || near) {
      boundaries.push_back(k);
    } else {
      *complete = false;
    }
  }
  return boundaries;
}

bool GenerateTorn(const PosixModel& model, const FileStrategyInput& input,
                  const FileStateVisitor& visit) {
  bool complete = true;
  for (const PendingEvent& event : UndecidedEvents(model, input.since)) {
    std::vector<size_t> sectors;
    Survivors rest = Before(model, event.event);
    for (const size_t piece : event.pieces) {
      if (model.pending()[piece].kind == FilePiece::Kind::kData) {
        sectors.push_back(piece);
      } else {
        rest[piece] = true;  // the size, if it survives without some of the data
      }
    }
    const auto tear = [&](const auto& survives) {
      Survivors survivors = rest;
      for (size_t i = 0; i < sectors.size(); ++i) survivors[sectors[i]] = survives(i);
      model.DropWithoutNeeded(&survivors);
      return visit(survivors);
    };
    for (const size_t k : Boundaries(sectors.size(), &complete)) {
      if (!tear([&](size_t i) { return i < k; })) return complete;
      if (!tear([&](size_t i) { return i >= k; })) return complete;
    }
    if (sectors.size() < 2) continue;
    for (const size_t odd : {0u, 1u}) {
      if (!tear([&](size_t i) { return i % 2 == odd; })) return complete;
    }
  }
  return complete;
}

// Of each chain a length, then what that leaves of needs is mended. Chains one by one would hardly
// ever give states near the newest or the oldest, or near those in trace order: a drawn `lean`
// does.
class Sampler {
 public:
  Sampler(const PosixModel& model, uint64_t seed)
      : model_(model), random_(seed), chains_(model.Chains()), lengths_(chains_.size()) {
    for (const size_t chain : chains_) ++lengths_[chain];
  }

  Survivors Draw() {
    const auto lean = static_cast<Lean>(Below(4));
    const uint64_t one_in = Below(2) == 0 ? 4 : 32;  // so many chains go their own way
    const uint64_t boundary =
        chains_.empty() ? 0 : model_.pending()[Below(chains_.size())].id.event;
    std::vector<size_t> kept(lengths_.size());
    std::vector<bool> own(lengths_.size());
    for (size_t chain = 0; chain < lengths_.size(); ++chain) {
      own[chain] = lean == kNowhere || Below(one_in) == 0;
      kept[chain] = own[chain] ? Below(lengths_[chain] + 1) : lean == kNewest ? lengths_[chain] : 0;
    }
    Survivors survivors = model_.Oldest();
    std::vector<size_t> seen(lengths_.size());
    for (size_t i = 0; i < chains_.size(); ++i) {
      const size_t chain = chains_[i];
      const bool in_order = lean == kTraceOrder && !own[chain];
      const bool survives =
          in_order ? model_.pending()[i].id.event < boundary : seen[chain] < kept[chain];
      ++seen[chain];
      if (survives) survivors[i] = true;
    }
    if (Below(2) == 0) {
      model_.AddNeeded(&survivors);
    } else {
      model_.DropWithoutNeeded(&survivors);
    }
    return survivors;
  }

 private:
  enum Lean : unsigned char { kNowhere, kNewest, kOldest, kTraceOrder };
  uint64_t Below(uint64_t end) { return random_() % end; }

  const PosixModel& model_;
  std::mt19937_64 random_;
  const std::vector<size_t> chains_;
  std::vector<size_t> lengths_;
};

bool GenerateSample(const PosixModel& model, const FileStrategyInput& input,
                    const FileStateVisitor& visit) {
  Sampler sampler(model, input.seed);
  for (uint64_t i = 0; i < input.count; ++i) {
    if (!visit(sampler.Draw())) return true;
  }
  return true;
}

bool GenerateStandard(const PosixModel& model, const FileStrategyInput& input,
                      const FileStateVisitor& visit) {
  bool complete = true, goes_on = true;
  const FileStateVisitor watched = [&](const Survivors& survivors) {
    return goes_on = visit(survivors);
  };
  for (const auto generate : {GeneratePrefix, GenerateTorn, GenerateOneMissing, GenerateOneOnly}) {
    if (goes_on) complete &= generate(model, input, watched);
  }
  return complete;
}

constexpr FileStrategyRow kStrategies[] = {
    {"reads", "every state that recovery can tell apart, found by watching what it reads", false,
     nullptr},
    {"all", "every state that the file system allows", false, GenerateAll},
    {"prefix",
     "the calls have survived up to one of them, in trace order (those before the last crash point "
     "together)",
     false, GeneratePrefix},
    {"one-missing", "everything has survived but one call, or part of it, and what needs it", false,
     GenerateOneMissing},
    {"one-only", "nothing has survived but one call, or part of it, and what it needs", false,
     GenerateOneOnly},
    {"torn",
     "the calls have survived up to a write, of which the first sectors have, the last, or every "
     "other one",
     false, GenerateTorn},
    {"standard", "prefix, torn, one-missing and one-only together", false, GenerateStandard},
    {"sample", "so many states of each crash point, drawn with the seed", true, GenerateSample},
};

}  // namespace

std::span<const FileStrategyRow> FileStrategies() { return kStrategies; }

Result<FileStrategy> ParseFileStrategy(const std::string& text) {
  const size_t colon = text.find(':');
  std::vector<std::string> known;
  for (const FileStrategyRow& row : kStrategies) {
    known.push_back(fmt::format("{}{}", row.name, row.takes_count ? ":N" : ""));
    if (row.name != text.substr(0, colon) || row.takes_count != (colon != std::string::npos)) {
      continue;
    }
    FileStrategy strategy{.row = &row, .name = text};
    if (!row.takes_count) return strategy;
    const char* const end = text.data() + text.size();
    const auto [next, error] = std::from_chars(text.data() + colon + 1, end, strategy.count);
    if (error == std::errc() && next == end && strategy.count > 0) return strategy;
    return Status::InvalidArgument(fmt::format("strategy '{}': N must be a count from 1", text));
  }
  return Status::InvalidArgument(
      fmt::format("no strategy '{}'; there are {}", text, fmt::join(known, ", ")));
}

}  // namespace fencepost
