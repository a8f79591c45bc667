// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_walk.h"

#include <fmt/format.h>

#include "faultinject/explore/files/io_text.h"

namespace fencepost {
namespace {

using Kind = IoEvent::Kind;

// Whether it adds states, or to what is required. A sync that fails adds states: what it had to
// write, nothing waits for any longer.
bool IsNews(const IoEvent& event) {
  switch (event.kind) {
    case Kind::kSyncBegin:
    case Kind::kOperationBegin:
    case Kind::kContent:
      return false;
    case Kind::kSyncEnd:
      return event.failed;
    default:
      return true;
  }
}

}  // namespace

Result<IoSurvey> SurveyIo(const std::vector<IoEvent>& events) {
  IoSurvey survey{.events = events.size()};
  for (uint64_t i = 0; i < events.size(); ++i) {
    const IoEvent& event = events[i];
    switch (event.kind) {
      case Kind::kWrite:
        ++survey.writes;
        survey.mapped_writes += event.mapped ? 1 : 0;
        survey.bytes_written += event.data.size();
        break;
      case Kind::kSyncEnd:
        survey.syncs += event.failed ? 0 : 1;
        survey.failed_syncs += event.failed ? 1 : 0;
        break;
      case Kind::kOperationBegin:
        if (!survey.operations.try_emplace(event.id, OperationSpan{.begin = i}).second) {
          return Status::Corrupt(fmt::format("operation {} begins twice", event.id));
        }
        break;
      case Kind::kOperationEnd: {
        const auto begun = survey.operations.find(event.id);
        if (begun == survey.operations.end() || begun->second.end != OperationSpan::kOpen) {
          return Status::Corrupt(fmt::format("operation {} ends and has not begun", event.id));
        }
        begun->second.end = i;
        break;
      }
      default:
        break;
    }
  }
  return survey;
}

FileWalk::FileWalk(const std::vector<IoEvent>& events, PosixModel* model)
    : events_(events), model_(model) {}

std::optional<CrashPoint::Before> FileWalk::CrashBefore(const IoEvent& event) const {
  if (model_->Shrinks(event)) return CrashPoint::Before::kSync;
  if (event.kind == Kind::kOperationBegin && news_) return CrashPoint::Before::kOperation;
  return std::nullopt;
}

uint32_t FileWalk::PlaceOf(const IoEvent& event) {
  if (event.kind != Kind::kSyncEnd) return 0;
  const std::string place = WithoutNumbers(NameOfSync(event, model_->current().Paths()));
  const auto [found, is_new] =
      place_numbers_.try_emplace(place, static_cast<uint32_t>(places_.size()));
  if (is_new) places_.push_back(place);
  return found->second;
}

CrashPoint FileWalk::MakePoint(CrashPoint::Before before, const IoEvent* event) {
  news_ = false;
  return {.index = next_index_++,
          .event = next_event_,
          .before = before,
          .thread = event == nullptr ? 0 : event->thread,
          .stack = event == nullptr ? 0 : PlaceOf(*event)};
}

std::optional<CrashPoint> FileWalk::Next() {
  while (status_.ok() && next_event_ < events_.size()) {
    const IoEvent& event = events_[next_event_];
    if (!held_) {
      if (const auto before = CrashBefore(event)) {
        held_ = true;
        return MakePoint(*before, &event);
      }
    }
    held_ = false;
    status_ = model_->Apply(event, next_event_);
    if (!status_.ok()) return std::nullopt;
    news_ |= IsNews(event);
    ++next_event_;
  }
  if (!status_.ok() || ended_) return std::nullopt;
  ended_ = true;
  return MakePoint(CrashPoint::Before::kEnd, nullptr);
}

Result<CrashPoint> FileWalk::Seek(uint64_t index) {
  while (const std::optional<CrashPoint> point = Next()) {
    if (point->index == index) return *point;
  }
  RETURN_IF_ERROR(status_);
  return Status::Corrupt(fmt::format("the trace has no crash point {}", index));
}

}  // namespace fencepost
