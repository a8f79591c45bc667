// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/mutation.h"

#include <fmt/format.h>

#include <map>
#include <tuple>
#include <utility>

#include "faultinject/trace/program_frame.h"

namespace fencepost {
namespace {

// What a stack's flush or fence is for: the innermost line of the program that is no mere helper;
// else one that is; else the innermost function outside of the libraries. Empty if the stack is.
TraceFrame FrameOfSite(const TraceFile& trace, uint32_t stack) {
  std::optional<TraceFrame> helper, without_line;
  for (const uint64_t address : trace.Stack(stack)) {
    const TraceFrame frame = trace.Frame(address);
    if (IsLibraryFrame(frame)) continue;
    if (frame.line == 0) {
      if (!without_line) without_line = frame;
    } else if (!IsPersistHelper(frame)) {
      return frame;
    } else if (!helper) {
      helper = frame;
    }
  }
  if (helper) return *helper;
  return without_line ? *without_line : trace.InnermostLine(stack);
}

std::string Describe(const TraceFrame& frame) {
  if (frame.address == 0) return "unknown";
  if (frame.line == 0) return DescribeFrame(frame);
  const std::string_view file = frame.source_file.substr(frame.source_file.rfind('/') + 1);
  return fmt::format("{} ({}:{})", ShortFunction(frame.function), file, frame.line);
}

MutationSite MakeSite(const TraceFrame& frame, fpt_kind kind) {
  MutationSite site;
  site.function = ShortFunction(frame.function);
  site.file = std::string(frame.source_file);
  site.line = frame.line;
  site.where = Describe(frame);
  site.removed.kind = kind;
  return site;
}

bool CanBeLeftOut(const fpt_event& event) {
  return event.kind == FPT_FLUSH || event.kind == FPT_SYNC ||
         (event.kind == FPT_FENCE && event.how != FPT_FENCE_LOCKED);
}

}  // namespace

std::string MutationKind(const MutationSite& site) { return fpt_kind_name(site.removed.kind); }

std::string MutationPlace(const TraceFile& trace, uint32_t stack) {
  return Describe(FrameOfSite(trace, stack));
}

Result<std::vector<MutationSite>> FindMutationSites(TraceFile* trace, const TraceSurvey& survey) {
  // Programs have few stacks and many events.
  std::map<std::pair<fpt_kind, uint32_t>, uint64_t> events;
  RETURN_IF_ERROR(trace->ForEach([&](const fpt_event& event) {
    if (!CanBeLeftOut(event) || (survey.by_instruction && IsRequest(event))) return;
    ++events[{event.kind, event.stack}];
  }));
  using Key = std::tuple<std::string, uint32_t, std::string, std::string, fpt_kind>;
  std::map<Key, MutationSite> sites;
  for (const auto& [what, count] : events) {
    const auto& [kind, stack] = what;
    MutationSite made = MakeSite(FrameOfSite(*trace, stack), kind);
    const Key key(made.file, made.line, made.function, made.where, kind);
    MutationSite& site = sites.try_emplace(key, std::move(made)).first->second;
    site.events += count;
    site.removed.stacks.insert(stack);
  }
  std::vector<MutationSite> list;
  for (auto& [key, site] : sites) list.push_back(std::move(site));
  return list;
}

Result<MutationResult> ExploreWithout(const MutationSite& site, const Recording& recording,
                                      TraceFile* trace, const TraceSurvey& survey,
                                      const ExploreOptions& options, const PoolOptions& pool,
                                      Recoverer* recoverer, Judge* judge,
                                      const ExploreHooks& hooks) {
  TraceSurvey without = survey;
  without.removed = site.removed;
  ExploreOptions until_first = options;
  until_first.stop_after = 1;
  MutationResult result;
  ASSIGN_OR_RETURN(result.explored,
                   Explore(recording, trace, without, until_first, pool, recoverer, judge, hooks));
  if (!result.explored.groups.empty()) {
    result.violation = std::move(result.explored.groups.front());
    result.explored.groups.clear();
  }
  return result;
}

}  // namespace fencepost
