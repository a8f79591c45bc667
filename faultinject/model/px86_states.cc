// SPDX-License-Identifier: BSD-3-Clause
// The choices of a crash in one line, and the contents that they give.
//
// A store has `pieces` that survive each or not: its 8-byte units, or one if it never tears. A
// subset of the pieces is a number, bit i for piece i. Undecided cached stores survive as a prefix,
// of whose last store a subset that is not empty survives: 1 + the sum of (2^pieces - 1) choices.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <unordered_set>

#include "faultinject/model/px86.h"

namespace fencepost {
namespace {

constexpr unsigned kUnitBytes = 8;
constexpr size_t kNamedStores = 64;      // those with a bit in LineState
constexpr double kMostChoices = 0x1p53;  // up to there a double counts them exactly
using UnitSet = uint8_t;                 // bit i: the line's i-th aligned 8 bytes

unsigned FirstUnit(const PendingStore& store) { return store.begin / kUnitBytes; }
unsigned UnitCount(const PendingStore& store) {
  return (store.begin + store.bytes - 1u) / kUnitBytes - FirstUnit(store) + 1;
}
UnitSet AllUnits(const PendingStore& store) {
  return static_cast<UnitSet>(((1u << UnitCount(store)) - 1) << FirstUnit(store));
}

unsigned PieceCount(const PendingStore& store) { return store.atomic ? 1 : UnitCount(store); }
uint64_t SubsetCount(const PendingStore& store) { return uint64_t{1} << PieceCount(store); }
UnitSet UnitsOfSubset(const PendingStore& store, uint64_t subset) {
  if (subset == SubsetCount(store) - 1) return AllUnits(store);
  return static_cast<UnitSet>(subset << FirstUnit(store));
}

bool UndecidedCached(const PendingStore& store) { return !store.durable && !store.non_temporal; }
bool UndecidedNonTemporal(const PendingStore& store) {
  return !store.durable && store.non_temporal;
}

// What survives of a store that is not an undecided cached one; takes its bits from `subsets`.
UnitSet TakeUnits(const PendingStore& store, uint64_t* subsets) {
  if (store.durable) return AllUnits(store);
  const UnitSet units = UnitsOfSubset(store, *subsets & (SubsetCount(store) - 1));
  *subsets >>= PieceCount(store);
  return units;
}

// Store number `index` of the line survives with these of its units.
void Apply(const PendingStore& store, size_t index, UnitSet units, LineState* state) {
  if (units == 0) return;
  const bool whole = units == AllUnits(store);
  if (index < kNamedStores) (whole ? state->survived : state->torn) |= uint64_t{1} << index;
  if (whole) {
    std::memcpy(state->bytes.data() + store.begin, store.contents.data(), store.bytes);
    return;
  }
  for (unsigned i = 0; i < store.bytes; ++i) {
    const unsigned at = store.begin + i;
    if ((units >> at / kUnitBytes & 1) != 0) state->bytes[at] = store.contents[i];
  }
}

struct HashLine {
  size_t operator()(const LineBytes& bytes) const {
    return std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};

// Uniform in [0, count): a standard distribution's results differ between libraries.
uint64_t Below(uint64_t count, std::mt19937_64& random) {
  const uint64_t fair_end = UINT64_MAX - UINT64_MAX % count;
  uint64_t drawn = random();
  while (drawn >= fair_end) drawn = random();
  return drawn % count;
}

}  // namespace

bool Px86Line::mixed() const {
  const auto non_temporal = [](const PendingStore& store) { return store.non_temporal; };
  return std::any_of(pending_.begin(), pending_.end(), non_temporal) &&
         !std::all_of(pending_.begin(), pending_.end(), non_temporal);
}

double Px86Line::CachedChoices() const {
  uint64_t choices = 1;
  for (const PendingStore& store : pending_) {
    if (UndecidedCached(store)) choices += SubsetCount(store) - 1;
  }
  return static_cast<double>(choices);
}

size_t Px86Line::NonTemporalPieces() const {
  size_t pieces = 0;
  for (const PendingStore& store : pending_) {
    if (UndecidedNonTemporal(store)) pieces += PieceCount(store);
  }
  return pieces;
}

double Px86Line::RawStates() const {
  constexpr size_t kInfinite = 2000;  // as a power of 2; an int holds it
  return std::ldexp(CachedChoices(), static_cast<int>(std::min(NonTemporalPieces(), kInfinite)));
}

double Px86Line::Log10RawStates() const {
  return std::log10(CachedChoices()) + static_cast<double>(NonTemporalPieces()) * std::log10(2.0);
}

// `units_of` says for each undecided store which units survive.
template <typename UnitsOf>
LineState Px86Line::Survivors(const UnitsOf& units_of) const {
  LineState state;
  state.bytes = durable_;
  for (size_t i = 0; i < pending_.size(); ++i) {
    const PendingStore& store = pending_[i];
    Apply(store, i, store.durable ? AllUnits(store) : units_of(store), &state);
  }
  return state;
}

LineState Px86Line::Oldest() const {
  return Survivors([](const PendingStore&) { return UnitSet{0}; });
}

LineState Px86Line::Newest() const { return Survivors(AllUnits); }

LineState Px86Line::BeforeEvent(uint64_t event) const {
  return Survivors([&](const PendingStore& store) {
    return store.event < event ? AllUnits(store) : UnitSet{0};
  });
}

LineState Px86Line::SinceEvent(uint64_t event) const {
  const bool cached = std::any_of(pending_.begin(), pending_.end(), [&](const PendingStore& store) {
    return UndecidedCached(store) && store.event >= event;
  });
  return Survivors([&](const PendingStore& store) {
    const bool survives = store.non_temporal ? store.event >= event : cached;
    return survives ? AllUnits(store) : UnitSet{0};
  });
}

LineState Px86Line::Sample(std::mt19937_64& random) const {
  uint64_t left = Below(static_cast<uint64_t>(CachedChoices()), random);
  return Survivors([&](const PendingStore& store) {
    const uint64_t subsets = SubsetCount(store);
    if (store.non_temporal) return UnitsOfSubset(store, Below(subsets, random));
    const uint64_t subset = std::min(left, subsets - 1);
    left -= subset;
    return UnitsOfSubset(store, subset);
  });
}

// One choice for the non-temporal stores, every choice for the cached ones.
template <typename Visit>
void Px86Line::ForEachCachedChoice(uint64_t non_temporal, const Visit& visit) const {
  size_t others_end = pending_.size();  // from here on there are only undecided cached stores
  while (others_end > 0 && UndecidedCached(pending_[others_end - 1])) --others_end;

  // The cached stores from `next` on do not survive.
  const auto finish = [&](LineState state, size_t next) {
    uint64_t subsets = non_temporal;
    for (size_t i = next; i < others_end; ++i) {
      if (!UndecidedCached(pending_[i])) {
        Apply(pending_[i], i, TakeUnits(pending_[i], &subsets), &state);
      }
    }
    visit(state);
  };

  LineState state;  // the cached stores before number i survive
  state.bytes = durable_;
  finish(state, 0);
  for (size_t i = 0; i < pending_.size(); ++i) {
    const PendingStore& store = pending_[i];
    if (!UndecidedCached(store)) {
      Apply(store, i, TakeUnits(store, &non_temporal), &state);
      continue;
    }
    for (uint64_t subset = 1; subset < SubsetCount(store); ++subset) {
      LineState last = state;
      Apply(store, i, UnitsOfSubset(store, subset), &last);
      finish(last, i + 1);
    }
    Apply(store, i, AllUnits(store), &state);
  }
}

std::optional<std::vector<LineState>> Px86Line::States(size_t max_choices) const {
  if (RawStates() > std::min(static_cast<double>(max_choices), kMostChoices)) return std::nullopt;
  const LineState newest = Newest();
  std::vector<LineState> states = {Oldest()};
  std::unordered_set<LineBytes, HashLine> seen = {states[0].bytes, newest.bytes};
  const bool newest_is_oldest = seen.size() == 1;
  const uint64_t subsets = uint64_t{1} << NonTemporalPieces();
  for (uint64_t non_temporal = 0; non_temporal < subsets; ++non_temporal) {
    ForEachCachedChoice(non_temporal, [&](const LineState& state) {
      if (seen.insert(state.bytes).second) states.push_back(state);
    });
  }
  if (!newest_is_oldest) states.push_back(newest);
  return states;
}

}  // namespace fencepost
