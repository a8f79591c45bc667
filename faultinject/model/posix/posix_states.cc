// SPDX-License-Identifier: BSD-3-Clause
// Crash states: which sets of pieces are allowed, and the trees that they give.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include "faultinject/model/posix/posix_model.h"
#include "faultinject/model/posix/tree_writer.h"

namespace fencepost {
std::string FileCrashState::Text() const {
  std::string text = through == UINT64_MAX ? "all" : std::to_string(through);
  for (const PieceId& id : lost) text += fmt::format("-{}.{}", id.event, id.part);
  for (const PieceId& id : kept) text += fmt::format("+{}.{}", id.event, id.part);
  return text;
}

Result<FileCrashState> FileCrashState::Parse(const std::string& text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](auto* value) {
    const auto [next, error] = std::from_chars(at, end, *value);
    at = next;
    return error == std::errc();
  };
  FileCrashState state;
  bool good = true;
  if (text.starts_with("all")) {
    state.through = UINT64_MAX;
    at += 3;
  } else {
    good = number(&state.through);
  }
  while (good && at != end) {
    const char sign = *at++;
    PieceId id;
    good = (sign == '-' || sign == '+') && number(&id.event) && at != end && *at++ == '.' &&
           number(&id.part);
    (sign == '-' ? state.lost : state.kept).push_back(id);
  }
  if (good) return state;
  return Status::InvalidArgument(
      fmt::format("'{}' is no crash state; one is written as 12-3.0+15.2", text));
}

std::string PosixModel::NameOf(InodeId inode, const std::map<InodeId, std::string>& paths) const {
  const auto path = paths.find(inode);
  if (path != paths.end()) return path->second;
  const auto last = last_path_.find(inode);
  return last != last_path_.end() ? last->second : fmt::format("inode {}", inode);
}

std::optional<size_t> PosixModel::IndexOf(uint64_t serial) const {
  const auto found = std::lower_bound(
      pending_.begin(), pending_.end(), serial,
      [](const FilePiece& piece, uint64_t wanted) { return piece.serial < wanted; });
  if (found == pending_.end() || found->serial != serial) return std::nullopt;
  return static_cast<size_t>(found - pending_.begin());
}

PosixModel::Survivors PosixModel::Oldest() const {
  Survivors survivors(pending_.size());
  for (size_t i = 0; i < pending_.size(); ++i) survivors[i] = pending_[i].durable;
  return survivors;
}

void PosixModel::AddNeeded(Survivors* survivors) const {
  for (size_t i = pending_.size(); i-- > 0;) {  // what is needed comes before
    if (pending_[i].durable) (*survivors)[i] = true;
    if (!(*survivors)[i]) continue;
    for (const uint64_t serial : pending_[i].needs) {
      if (const auto index = IndexOf(serial)) (*survivors)[*index] = true;
    }
  }
}

bool PosixModel::HasNeeded(size_t index, const Survivors& survivors) const {
  const std::vector<uint64_t>& needs = pending_[index].needs;
  return std::all_of(needs.begin(), needs.end(), [&](uint64_t serial) {
    const auto needed = IndexOf(serial);
    return !needed || survivors[*needed];
  });
}

void PosixModel::DropWithoutNeeded(Survivors* survivors) const {
  for (size_t i = 0; i < pending_.size(); ++i) {
    if ((*survivors)[i]) (*survivors)[i] = HasNeeded(i, *survivors);
  }
}

void PosixModel::ForEachState(const std::function<bool(const Survivors&)>& visit) const {
  // Counts in binary, the last piece fastest, over the sets that are allowed: a piece can be added
  // to what is before it if its needs are there, and then nothing undecided behind it is.
  Survivors survivors = Oldest();
  while (visit(survivors)) {
    size_t i = pending_.size();
    while (i-- > 0) {
      if (!survivors[i] && HasNeeded(i, survivors)) break;
      survivors[i] = pending_[i].durable;
    }
    if (i == SIZE_MAX) return;
    survivors[i] = true;
  }
}

bool PosixModel::Allows(const Survivors& survivors) const {
  if (survivors.size() != pending_.size()) return false;
  Survivors closed = survivors;
  AddNeeded(&closed);
  return closed == survivors;
}

bool PosixModel::Allows(const FileCrashState& state) const {
  const auto pending = [&](const PieceId& id) {
    return std::binary_search(
        pending_.begin(), pending_.end(), id, [](const auto& a, const auto& b) {
          const auto key = [](const auto& of) {
            if constexpr (std::is_same_v<std::decay_t<decltype(of)>, PieceId>) {
              return of;
            } else {
              return of.id;
            }
          };
          return key(a) < key(b);
        });
  };
  for (const PieceId& id : state.lost) {
    if (!pending(id) || id.event >= state.through) return false;
  }
  for (const PieceId& id : state.kept) {
    if (!pending(id) || id.event < state.through) return false;
  }
  return std::is_sorted(state.lost.begin(), state.lost.end()) &&
         std::is_sorted(state.kept.begin(), state.kept.end()) && Allows(SurvivorsOf(state));
}

PosixModel::Survivors PosixModel::SurvivorsOf(const FileCrashState& state) const {
  Survivors survivors(pending_.size());
  for (size_t i = 0; i < pending_.size(); ++i) {
    const PieceId id = pending_[i].id;
    survivors[i] = id.event < state.through
                       ? !std::binary_search(state.lost.begin(), state.lost.end(), id)
                       : std::binary_search(state.kept.begin(), state.kept.end(), id);
  }
  return survivors;
}

FileCrashState PosixModel::StateOf(const Survivors& survivors) const {
  // The boundary that leaves the fewest to name: `wrong` counts those on the other side of it.
  size_t wrong = static_cast<size_t>(std::count(survivors.begin(), survivors.end(), true));
  size_t fewest = wrong;
  size_t boundary = 0;
  for (size_t i = 0; i < pending_.size(); ++i) {
    wrong = survivors[i] ? wrong - 1 : wrong + 1;
    const bool event_ends =
        i + 1 == pending_.size() || pending_[i + 1].id.event != pending_[i].id.event;
    if (event_ends && wrong < fewest) {
      fewest = wrong;
      boundary = i + 1;
    }
  }
  FileCrashState state;
  if (boundary > 0) state.through = pending_[boundary - 1].id.event + 1;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (i < boundary && !survivors[i]) state.lost.push_back(pending_[i].id);
    if (i >= boundary && survivors[i]) state.kept.push_back(pending_[i].id);
  }
  return state;
}

FileTree PosixModel::Build(const Survivors& survivors) const {
  FileTree tree = durable_;
  TreeWriter writer(&tree, options_.sector_bytes);
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (!survivors[i]) continue;
    writer.Apply(pending_[i]);
    if (row_.append != AppendRule::kSizeWithStale || !pending_[i].by_write) continue;
    for (size_t data = i; data-- > 0 && pending_[data].id.event == pending_[i].id.event;) {
      if (survivors[data]) continue;
      for (const FilePiece::Sector& sector : pending_[data].sectors) {
        writer.ApplyStale(pending_[i], sector.number);
      }
    }
  }
  writer.Finish();
  return tree;
}

std::vector<size_t> PosixModel::Chains() const {
  using Chain = std::tuple<int, InodeId, uint64_t, std::string>;
  std::map<Chain, size_t> numbers;
  std::vector<size_t> chains;
  for (const FilePiece& piece : pending_) {
    Chain chain = {0, piece.inode, piece.serial, ""};
    if (piece.ordered) {
      chain = {1, 0, 0, ""};
    } else if (piece.kind == FilePiece::Kind::kNames) {
      chain = {2, piece.event->directory, 0, piece.event->name};
    } else if (piece.kind == FilePiece::Kind::kData) {
      chain = {3, piece.inode, piece.sectors[0].number, ""};
    } else if (!piece.forsaken) {  // what is forsaken nothing needs
      chain = {piece.by_write ? 4 : 5, piece.inode, 0, ""};
    }
    chains.push_back(numbers.try_emplace(std::move(chain), numbers.size()).first->second);
  }
  return chains;
}

double PosixModel::Log10States() const {
  const std::vector<size_t> chains = Chains();
  std::vector<double> states(chains.size(), 1);  // of each chain a prefix survives
  for (size_t i = 0; i < chains.size(); ++i) {
    if (!pending_[i].durable) ++states[chains[i]];
  }
  double log10 = 0;
  for (const double of_chain : states) log10 += std::log10(of_chain);
  return log10;
}

std::string PosixModel::Describe(const FilePiece& piece,
                                 const std::map<InodeId, std::string>& paths) const {
  std::string what;
  switch (piece.kind) {
    case FilePiece::Kind::kData: {
      const uint64_t begin = piece.sectors[0].number * options_.sector_bytes;
      const uint64_t end = (piece.sectors.back().number + 1) * options_.sector_bytes;
      what = fmt::format("write {} bytes at {} of {} (sector {}",
                         std::min(end, std::max(piece.file_bytes, begin)) - begin, begin,
                         NameOf(piece.inode, paths), piece.sectors[0].number);
      break;
    }
    case FilePiece::Kind::kSize:
      what = fmt::format("{} {} from {} to {} bytes (", piece.cuts() ? "cut" : "lengthen",
                         NameOf(piece.inode, paths), piece.old_bytes, piece.file_bytes);
      break;
    case FilePiece::Kind::kNames:
      what = piece.names + " (";
      break;
    case FilePiece::Kind::kShift:
      what = fmt::format("{} {} bytes at {} of {} (",
                         piece.event->kind == IoEvent::Kind::kCollapse ? "collapse" : "insert",
                         piece.event->length, piece.event->offset, NameOf(piece.inode, paths));
  }
  if (what.back() != '(') what += "; ";
  what += fmt::format("event {}", piece.id.event);
  if (piece.operation) what += fmt::format("; operation {}", *piece.operation);
  return what + ')';
}

}  // namespace fencepost
