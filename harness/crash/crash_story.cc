// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "faultinject/explore/trace_replay.h"
#include "faultinject/trace/program_frame.h"

namespace fencepost {
namespace {

// Around a crash point; more would not be read.
constexpr size_t kMaxBefore = 40;
constexpr size_t kMaxAfter = 8;

// Collects one violation's story as the events go by.
class Teller {
 public:
  explicit Teller(const MinimalViolation& violation) : violation_(violation) {
    story_.covers.resize(violation.missing.size());
    for (const MissingLine& missing : violation.missing) {
      for (const MissingStore& store : missing.stores) missing_events_.insert(store.event);
    }
  }

  // An event, and the lines that it touches.
  void See(const fpt_event& event, const std::vector<LineId>& lines) {
    if (event.number >= crash() && !crashed_) Crash();
    switch (event.kind) {
      case FPT_OP_BEGIN:
      case FPT_OP_END:
        Add(event,
            fmt::format("operation {} {}", event.id,
                        event.kind == FPT_OP_BEGIN ? "begins" : "is acknowledged"),
            std::nullopt);
        break;
      case FPT_STORE:
      case FPT_FILE_WRITE:
        if (const auto line = Concerns(lines); line || ShowsAll()) Add(event, "store", line);
        break;
      case FPT_FLUSH:
      case FPT_SYNC:
        SeeFlush(event, lines);
        break;
      case FPT_FENCE:
        SeeFence(event);
        break;
      default:
        break;
    }
  }

  Story Finish() {
    if (!crashed_) Crash();
    return std::move(story_);
  }

 private:
  uint64_t crash() const { return violation_.group.point.event; }

  // With every store survived, what was stored last is the story.
  bool ShowsAll() const { return violation_.missing.empty(); }

  std::optional<size_t> Concerns(const std::vector<LineId>& lines) const {
    for (size_t i = 0; i < violation_.missing.size(); ++i) {
      if (std::find(lines.begin(), lines.end(), violation_.missing[i].line) != lines.end()) {
        return i;
      }
    }
    return std::nullopt;
  }

  // The first store of the line that is missing: what came before it is not its cover.
  uint64_t FirstMissing(size_t line) const {
    const auto& stores = violation_.missing[line].stores;
    return stores.empty() ? crash() : stores.front().event;
  }

  void SeeFlush(const fpt_event& event, const std::vector<LineId>& lines) {
    const auto line = Concerns(lines);
    if (!line && !ShowsAll()) return;
    const std::string what =
        fmt::format("{} {}", fpt_kind_name(event.kind), fpt_how_name(event.kind, event.how));
    Add(event, what, line);
    for (size_t i = 0; i < violation_.missing.size(); ++i) {
      const bool touches =
          std::find(lines.begin(), lines.end(), violation_.missing[i].line) != lines.end();
      Cover& cover = story_.covers[i];
      if (!touches || cover.flush || event.number < FirstMissing(i)) continue;
      cover.flush = Make(event, what, i);
      cover.flushed_before = event.number < crash();
      if (event.kind == FPT_SYNC || event.how == FPT_FLUSH_CLFLUSH) cover.fence = cover.flush;
    }
  }

  void SeeFence(const fpt_event& event) {
    const std::string what = fmt::format("fence {}", fpt_how_name(event.kind, event.how));
    bool drains = false;
    for (size_t i = 0; i < violation_.missing.size(); ++i) {
      Cover& cover = story_.covers[i];
      const auto& stores = violation_.missing[i].stores;
      const bool around_cache = !stores.empty() && stores.front().non_temporal;
      const bool flushed =
          around_cache ? event.number > FirstMissing(i) && event.thread == stores.front().thread
                       : cover.flush && cover.flush->thread == event.thread;
      if (!flushed || cover.fence) continue;
      cover.fence = Make(event, what, i);
      drains = true;
    }
    if (drains || event.number < crash()) Add(event, what, std::nullopt);
  }

  static StoryEvent Make(const fpt_event& event, std::string what, std::optional<size_t> line) {
    return {.event = event.number,
            .what = std::move(what),
            .thread = event.thread,
            .stack = event.stack,
            .line = line,
            .bytes = event.kind == FPT_STORE ? event.length : 0};
  }

  void Add(const fpt_event& event, std::string what, std::optional<size_t> line) {
    if (crashed_) {
      if (after_ < kMaxAfter) story_.timeline.push_back(Make(event, std::move(what), line));
      ++after_;
      return;
    }
    story_.timeline.push_back(Make(event, std::move(what), line));
    if (story_.timeline.size() <= kMaxBefore) return;
    // The oldest has to go, of the missing stores last.
    const auto oldest = std::find_if(
        story_.timeline.begin(), story_.timeline.end(),
        [this](const StoryEvent& shown) { return !missing_events_.contains(shown.event); });
    story_.timeline.erase(oldest != story_.timeline.end() ? oldest : story_.timeline.begin());
  }

  void Crash() {
    crashed_ = true;
    story_.timeline.push_back({.event = crash(), .what = "crash", .line = std::nullopt});
  }

  const MinimalViolation& violation_;
  std::set<uint64_t> missing_events_;
  Story story_;
  bool crashed_ = false;
  size_t after_ = 0;
};

// Lines that the event touches; none for a fence or a marker. A large range is cut: no violation
// is about so many lines.
std::vector<LineId> LinesOf(const fpt_event& event, const TraceMappings& mappings) {
  constexpr uint64_t kMaxLines = 4096;
  std::vector<LineId> lines;
  const auto add = [&](uint32_t file, uint64_t offset, uint64_t length) {
    if (length == 0) return;
    const uint64_t last = (offset + length - 1) / kLineBytes;
    for (uint64_t n = offset / kLineBytes; n <= last && lines.size() < kMaxLines; ++n) {
      lines.push_back({file, n});
    }
  };
  if (event.kind == FPT_FILE_WRITE) {
    add(event.file, event.file_offset, event.length);
  } else if (event.kind == FPT_STORE || event.kind == FPT_FLUSH || event.kind == FPT_SYNC) {
    ForEachPart(mappings, event.address, std::min(event.length, kMaxLines * kLineBytes),
                [&](const FilePart& part) { add(part.file, part.offset, part.length); });
  }
  return lines;
}

}  // namespace

Result<std::vector<Story>> TellStories(TraceFile* trace, bool requests_count,
                                       const std::vector<MinimalViolation>& violations) {
  std::vector<Teller> tellers(violations.begin(), violations.end());
  TraceMappings mappings;
  RETURN_IF_ERROR(trace->ForEach([&](const fpt_event& event) {
    mappings.Apply(event);
    if (IsRequest(event) && !requests_count) return;
    const std::vector<LineId> lines = LinesOf(event, mappings);
    for (Teller& teller : tellers) teller.See(event, lines);
  }));
  std::vector<Story> stories;
  for (Teller& teller : tellers) stories.push_back(teller.Finish());
  return stories;
}

std::string WhereOf(const TraceFile& trace, uint32_t stack) {
  for (const uint64_t address : trace.Stack(stack)) {
    const TraceFrame frame = trace.Frame(address);
    if (frame.line == 0 || IsLibraryFrame(frame)) continue;
    const std::string_view file = frame.source_file.substr(frame.source_file.rfind('/') + 1);
    return fmt::format("{} ({}:{})", ShortFunction(frame.function), file, frame.line);
  }
  return stack == 0 ? "unknown" : DescribeFrame(trace.InnermostLine(stack));
}

}  // namespace fencepost
