// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/trace_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "faultinject/explore/trace_replay.h"

namespace fencepost {
namespace {

Px86::By ByOf(const fpt_event& event) { return {event.number, event.thread, event.stack}; }

Px86::StoreKind StoreKindOf(const fpt_event& event) {
  if ((event.flags & FPT_STORE_NT) != 0) return Px86::StoreKind::kNonTemporal;
  if ((event.flags & FPT_STORE_ATOMIC) != 0) return Px86::StoreKind::kAtomic;
  return Px86::StoreKind::kCached;
}

}  // namespace

bool IsRequest(const fpt_event& event) {
  return (event.kind == FPT_FLUSH && event.how == FPT_FLUSH_REQUEST) ||
         (event.kind == FPT_FENCE && event.how == FPT_FENCE_REQUEST);
}

std::string_view CrashPointName(CrashPoint::Before before) {
  switch (before) {
    case CrashPoint::Before::kFence:
      return "a fence";
    case CrashPoint::Before::kClflush:
      return "a CLFLUSH";
    case CrashPoint::Before::kSync:
      return "an msync or fsync";
    case CrashPoint::Before::kResize:
      return "a change of a file's size";
    case CrashPoint::Before::kOperation:
      return "an operation";
    case CrashPoint::Before::kStore:
      return "a store";
    case CrashPoint::Before::kEnd:
      return "the end";
  }
  return "?";
}

Result<TraceSurvey> SurveyTrace(TraceFile* trace) {
  TraceSurvey survey;
  TraceMappings mappings;
  std::set<uint32_t> files;
  Status status;
  const auto refuse = [&status](std::string why) {
    if (status.ok()) status = Status::Corrupt(std::move(why));
  };
  RETURN_IF_ERROR(trace->ForEach([&](const fpt_event& event) {
    mappings.Apply(event);
    ++survey.events;
    switch (event.kind) {
      case FPT_STORE:
        ++survey.stores;
        survey.unmapped_bytes +=
            ForEachPart(mappings, event.address, event.length, [](const FilePart&) {});
        break;
      case FPT_FLUSH:
        survey.by_instruction |= event.how != FPT_FLUSH_REQUEST;
        break;
      case FPT_FILE:
        files.insert(event.file);
        break;
      case FPT_MAP:
        if (event.file != kNoFile && !files.contains(event.file)) {
          refuse(fmt::format("event {} maps file {}, which has no name", event.number, event.file));
        }
        break;
      case FPT_OP_BEGIN: {
        OperationSpan& span = survey.operations[event.id];
        if (span.begin != OperationSpan::kOpen) {
          refuse(fmt::format("operation {} begins twice (event {})", event.id, event.number));
        }
        span.begin = event.number;
        break;
      }
      case FPT_OP_END: {
        OperationSpan& span = survey.operations[event.id];
        if (span.begin == OperationSpan::kOpen || span.end != OperationSpan::kOpen) {
          refuse(
              fmt::format("operation {} ends without a begin (event {})", event.id, event.number));
        }
        span.end = event.number;
        break;
      }
      default:
        break;
    }
  }));
  RETURN_IF_ERROR(status);
  return survey;
}

TraceWalk::TraceWalk(TraceFile* trace, const TraceSurvey& survey, const Px86Options& options,
                     ImageSet* images)
    : trace_(trace),
      requests_count_(!survey.by_instruction),
      removed_(survey.removed),
      eadr_(options.eadr),
      images_(images),
      model_(options, images) {
  trace_->Rewind();
}

std::optional<CrashPoint> TraceWalk::Next() {
  if (ended_) return std::nullopt;
  if (held_ != nullptr) Apply(*held_);
  while ((held_ = trace_->Next()) != nullptr) {
    last_event_ = held_->number + 1;
    if (const auto before = CrashBefore(*held_)) return MakePoint(held_->number, *before);
    Apply(*held_);
  }
  ended_ = true;
  status_ = trace_->End();
  if (!status_.ok()) return std::nullopt;
  return MakePoint(last_event_, CrashPoint::Before::kEnd);
}

Result<CrashPoint> TraceWalk::Seek(uint64_t index) {
  while (const std::optional<CrashPoint> point = Next()) {
    if (point->index == index) return *point;
  }
  RETURN_IF_ERROR(status_);
  return Status::InvalidArgument(
      fmt::format("there is no crash point {}: the trace has {}", index, next_index_));
}

CrashPoint TraceWalk::MakePoint(uint64_t event, CrashPoint::Before before) {
  news_ = false;
  CrashPoint point{.index = next_index_++, .event = event, .before = before};
  if (held_ != nullptr) {
    point.thread = held_->thread;
    point.stack = held_->stack;
  }
  return point;
}

std::optional<CrashPoint::Before> TraceWalk::CrashBefore(const fpt_event& event) const {
  if (IsPassedOver(event)) return std::nullopt;
  bool shrinks = false;
  switch (event.kind) {
    case FPT_FENCE:
      if (model_.FenceShrinks(event.thread)) return CrashPoint::Before::kFence;
      break;
    case FPT_FLUSH:
      if (event.how != FPT_FLUSH_CLFLUSH) break;
      ForEachPart(mappings_, event.address, event.length, [&](const FilePart& part) {
        shrinks |= model_.ClflushShrinks(part.file, part.offset, part.length);
      });
      if (shrinks) return CrashPoint::Before::kClflush;
      break;
    case FPT_SYNC:
      ForEachPart(mappings_, event.address, event.length, [&](const FilePart& part) {
        shrinks |= model_.SyncShrinks(part.file, part.offset, part.length);
      });
      if (shrinks) return CrashPoint::Before::kSync;
      break;
    case FPT_OP_BEGIN:
      if (news_) return CrashPoint::Before::kOperation;
      break;
    case FPT_STORE:
      if (eadr_) return CrashPoint::Before::kStore;
      break;
    case FPT_FILE_WRITE:
      if (ChangesSize(event)) return CrashPoint::Before::kResize;
      if (eadr_ && (event.how == FPT_WRITE_PWRITE || event.how == FPT_WRITE_ZERO)) {
        return CrashPoint::Before::kStore;
      }
      break;
    default:
      break;
  }
  return std::nullopt;
}

bool TraceWalk::ChangesSize(const fpt_event& write) const {
  const auto found = images_->files().find(write.file);
  if (found == images_->files().end()) return false;
  const uint64_t size = found->second.bytes.size();
  switch (write.how) {
    case FPT_WRITE_TRUNCATE:
      return write.file_offset != size;
    case FPT_WRITE_PWRITE:
    case FPT_WRITE_ALLOCATE:
      return write.file_offset + write.length > size;
    default:
      return false;
  }
}

void TraceWalk::Apply(const fpt_event& event) {
  mappings_.Apply(event);
  GrowToMapping(event, images_);
  if (IsPassedOver(event)) return;
  switch (event.kind) {
    case FPT_STORE:
      news_ = true;
      ForEachPart(mappings_, event.address, event.length, [&](const FilePart& part) {
        model_.Store(ByOf(event), part.file, part.offset, {event.bytes + part.skipped, part.length},
                     StoreKindOf(event));
      });
      break;
    case FPT_FLUSH:
      ForEachPart(mappings_, event.address, event.length, [&](const FilePart& part) {
        model_.Flush(
            ByOf(event), part.file, part.offset, part.length,
            event.how == FPT_FLUSH_CLFLUSH ? Px86::FlushKind::kClflush : Px86::FlushKind::kWeak);
      });
      break;
    case FPT_FENCE:
      model_.Fence(ByOf(event));
      break;
    case FPT_SYNC:
      ForEachPart(mappings_, event.address, event.length,
                  [&](const FilePart& part) { model_.Sync(part.file, part.offset, part.length); });
      break;
    case FPT_FILE_WRITE:
      news_ = true;
      ApplyWrite(event);
      break;
    case FPT_OP_END:
      news_ = true;
      break;
    default:
      break;
  }
}

// Sizes are durable at once; what a write puts into a file is a cached store like any other.
void TraceWalk::ApplyWrite(const fpt_event& event) {
  const auto found = images_->files().find(event.file);
  if (found == images_->files().end()) return;
  const uint64_t end = event.file_offset + event.length;
  if (event.how == FPT_WRITE_TRUNCATE) {
    model_.Truncate(event.file, event.file_offset);
    images_->Resize(event.file, event.file_offset);
    return;
  }
  if (end > found->second.bytes.size() && event.how != FPT_WRITE_ZERO) {
    images_->Resize(event.file, end);
  }
  if (event.how == FPT_WRITE_PWRITE) {
    model_.Store(ByOf(event), event.file, event.file_offset, {event.bytes, event.length},
                 Px86::StoreKind::kCached);
  } else if (event.how == FPT_WRITE_ZERO) {
    // Beyond the end there is nothing to become zero.
    const uint64_t size = found->second.bytes.size();
    const uint64_t room = event.file_offset < size ? size - event.file_offset : 0;
    const std::vector<uint8_t> zeros(std::min(event.length, room), 0);
    model_.Store(ByOf(event), event.file, event.file_offset, zeros, Px86::StoreKind::kCached);
  }
}

}  // namespace fencepost
