// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/nested_crashes.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "faultinject/explore/scratch_folder.h"

namespace fencepost {
namespace {

// Whether a word may be an address of this process or of the traced one.
bool MayBeAddress(uint64_t word) {
  constexpr uint64_t kLowest = 1 << 16, kHighest = (uint64_t{1} << 47) - 1;
  return word >= kLowest && word <= kHighest;
}

bool SameButForAddresses(const LineBytes& a, const LineBytes& b) {
  for (size_t at = 0; at < kLineBytes; at += sizeof(uint64_t)) {
    uint64_t one = 0, other = 0;
    std::memcpy(&one, a.data() + at, sizeof(one));
    std::memcpy(&other, b.data() + at, sizeof(other));
    if (one != other && !(MayBeAddress(one) && MayBeAddress(other))) return false;
  }
  return true;
}

}  // namespace

Result<const RecoveryScript*> NestedCrashes::ScriptOf(const ImageSet& images,
                                                      const SeenRecovery& recovery) {
  for (const auto& script : scripts_) {
    if (StandsFor(*script, images, recovery)) return script.get();
  }
  ASSIGN_OR_RETURN(RecoveryScript traced, Trace(images, *recovery.state));
  if (!StandsFor(traced, images, recovery)) {
    return Status::Unsupported(
        "a recovery stored something else when it was traced, so crashes inside it cannot be "
        "explored (--depth=1 goes without them)");
  }
  ++traced_;
  scripts_.push_back(std::make_unique<const RecoveryScript>(std::move(traced)));
  return scripts_.back().get();
}

std::map<LineId, uint64_t> NestedCrashes::CommonlyStored() const {
  std::map<LineId, size_t> times;
  std::map<LineId, uint64_t> common;
  for (const auto& script : scripts_) {
    for (const auto& [line, bytes] : script->stored) {
      ++times[line];
      common[line] |= bytes;
    }
  }
  std::erase_if(common,
                [&](const auto& entry) { return 2 * times[entry.first] < scripts_.size(); });
  return common;
}

bool NestedCrashes::StandsFor(const RecoveryScript& script, const ImageSet& images,
                              const SeenRecovery& recovery) const {
  std::map<LineId, LineBytes> begun, left;  // of lines that may have changed
  const auto durable = [&](LineId line) {
    LineBytes bytes;
    images.ReadLine(line, &bytes);
    return bytes;
  };
  for (const auto& [line, content] : *recovery.state) {
    begun[line] = images.InFile(line, content.bytes);
    left[line] = durable(line);
  }
  for (const auto& [line, bytes] : *recovery.changes) left[line] = bytes;
  for (const auto& [line, bytes] : script.stored) left.try_emplace(line, durable(line));
  return std::all_of(left.begin(), left.end(), [&](const auto& entry) {
    const auto& [line, bytes] = entry;
    const auto known = begun.find(line);
    const LineBytes before = known == begun.end() ? durable(line) : known->second;
    const auto scripted = script.points.back().lines.find(line);
    if (scripted == script.points.back().lines.end()) return bytes == before;
    const LineBytes after = images.InFile(line, scripted->second.Above(before).Newest().bytes);
    return script.NeverDrains(line) ? SameButForAddresses(after, bytes) : after == bytes;
  });
}

Result<RecoveryScript> NestedCrashes::Trace(const ImageSet& images, const CrashState& state) {
  ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
  ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                   WriteImages(images, state, scratch.path()));
  ASSIGN_OR_RETURN(const std::filesystem::path trace, tracer_->Trace(paths));
  std::vector<TracedImage> traced;
  for (const auto& [number, file] : images.files()) {
    traced.push_back({paths[traced.size()], number, file.bytes.size()});
  }
  return ReadScript(trace, traced, model_);
}

std::vector<LineState> ContentsAbove(const ScriptLine& line, const std::vector<LineState>& before,
                                     bool* complete) {
  std::vector<LineState> contents;
  std::set<LineBytes> seen;
  for (const LineState& base : before) {
    for (const LineState& state : ContentsToTry(line.Above(base.bytes), complete)) {
      // Which stores have survived is told of the run's, not of the recovery's.
      if (seen.insert(state.bytes).second) contents.push_back({.bytes = state.bytes});
    }
  }
  return contents;
}

}  // namespace fencepost
