// SPDX-License-Identifier: BSD-3-Clause
// What each kind of operation does: the calls of the engine, what is inside its latency, and what
// is checked of the answer.
//
// Inside a latency: the engine's calls, and the verification of what a read was shown (sampled and
// reported apart as verify_ns). Outside: building keys and values, and waiting for the intended
// start of an open loop.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "harness/clock.h"
#include "harness/worker.h"

namespace fencepost {
namespace {

// One read in so many has its verification timed.
constexpr uint64_t kVerifySamplePeriod = 64;
constexpr size_t kMaxFaultExamples = 5;
// A value too short for a stamp is compared with at most so many allowed versions.
constexpr uint32_t kMaxShortCandidates = 4096;

}  // namespace

bool Worker::AwaitIntendedStart() {
  intended_ = pacer_.Next();
  now_ = Pacer::WaitUntil(std::min(intended_, deadline_ticks_), context_.stop);
  return now_ >= intended_;
}

void Worker::FinishNotOk(KindRecord* record, Outcome outcome, uint64_t service_ns) {
  ++(outcome == Outcome::kFailed ? record->counts.failed : record->counts.not_found);
  if (!record->failed) record->failed = std::make_unique<Histogram>();
  record->failed->Record(service_ns);
}

inline void Worker::Finish(OpKind kind, Outcome outcome, uint64_t service_ns) {
  KindRecord& record = (*recorder_)[kind];
  if (outcome != Outcome::kOk) [[unlikely]] {
    FinishNotOk(&record, outcome, service_ns);
    return;
  }
  ++record.counts.ok;
  record.service.Record(service_ns);
  if (record.response) record.response->Record(Clock::NsBetween(intended_, now_));
}

inline Worker::Outcome Worker::OutcomeOf(const Status& status, bool absence_is_explained) {
  if (status.ok()) [[likely]]
    return Outcome::kOk;
  if (status.IsNotFound()) return absence_is_explained ? Outcome::kOk : Outcome::kNotFound;
  context_.RecordFailure(status);
  return Outcome::kFailed;
}

// -- reads

// `snapshot` is of the key before this operation began to write it.
inline Worker::Outcome Worker::Get(const Target& target, uint64_t snapshot) {
  if (verifying_) return VerifiedGet(target, snapshot);
  const Status status = context_.engine.Get(
      target.key, [this](std::string_view value) { user_bytes_read_ += value.size(); });
  if (status.ok()) [[likely]]
    return Outcome::kOk;
  return OutcomeOf(status, status.IsNotFound() && context_.versions.Deleted(target.number));
}

Worker::Outcome Worker::VerifiedGet(const Target& target, uint64_t snapshot) {
  const Status status = context_.engine.Get(target.key, [&](std::string_view value) {
    user_bytes_read_ += value.size();
    if (reads_until_sample_-- != 0) [[likely]] {
      Verify(target, snapshot, value);
      return;
    }
    reads_until_sample_ = kVerifySamplePeriod - 1;
    const uint64_t begin = Clock::Ticks();
    Verify(target, snapshot, value);
    verification_.verify_ns_sum += Clock::NsBetween(begin, Clock::Ticks());
    ++verification_.verify_samples;
  });
  if (status.ok()) [[likely]]
    return Outcome::kOk;
  if (!status.IsNotFound()) return OutcomeOf(status, false);
  const Verdict verdict = context_.versions.JudgeAbsent(target.number, snapshot);
  if (verdict == Verdict::kUnknown) return Outcome::kNotFound;
  ++verification_.reads_checked;
  if (verdict == Verdict::kLost) Note(target, verdict, "absent");
  // An absence is explained by a delete, not by a load that never was.
  const bool explained = verdict == Verdict::kFine && !VersionTable::Untouched(snapshot);
  return explained ? Outcome::kOk : Outcome::kNotFound;
}

void Worker::Verify(const Target& target, uint64_t snapshot, std::string_view value) {
  if (judged_) ++verification_.reads_checked;
  if (value.size() < kStampBytes) {
    if (judged_) Note(target, JudgeShort(target, snapshot, value), "a short value");
    return;
  }
  const ValueReading reading = ReadValue(target.key_hash, value, verify_level_);
  if (!judged_) return;
  if (reading.fault != ValueFault::kNone) [[unlikely]] {
    NoteFault(target, reading.fault, value.size());
    return;
  }
  const Verdict verdict = context_.versions.JudgeFound(target.number, snapshot, reading.version);
  if (verdict != Verdict::kFine) [[unlikely]] {
    Note(target, verdict, fmt::format("version {}", reading.version));
  }
}

Verdict Worker::JudgeShort(const Target& target, uint64_t snapshot, std::string_view value) {
  uint32_t oldest = 0, newest = 0;
  if (!context_.versions.Candidates(target.number, snapshot, &oldest, &newest)) {
    return Verdict::kUnknown;
  }
  const uint32_t span = VersionTable::Distance(oldest, newest);
  for (uint32_t i = 0; i <= std::min(span, kMaxShortCandidates); ++i) {
    const uint32_t version = VersionTable::Advance(oldest, i);
    if ((version & 1) != 0) continue;  // an absence: no value has it
    if (MatchesShort(target.key_hash, version, value)) return Verdict::kFine;
  }
  return span > kMaxShortCandidates ? Verdict::kUnknown : Verdict::kPhantom;
}

void Worker::Note(const Target& target, Verdict verdict, std::string_view found) {
  std::string_view name;
  switch (verdict) {
    case Verdict::kFine:
      return;
    case Verdict::kUnknown:
      ++verification_.unknown;
      return;
    case Verdict::kLost:
      ++verification_.lost;
      name = "lost";
      break;
    case Verdict::kStale:
      ++verification_.stale;
      name = "stale";
      break;
    case Verdict::kPhantom:
      ++verification_.phantom;
      name = "phantom";
      break;
  }
  AddExample(target, name, found);
}

void Worker::NoteFault(const Target& target, ValueFault fault, size_t value_bytes) {
  std::string_view name = "torn";
  switch (fault) {
    case ValueFault::kNone:
      return;
    case ValueFault::kForeign:
      ++verification_.foreign;
      name = "foreign";
      break;
    case ValueFault::kTorn:
      ++verification_.torn;
      break;
    case ValueFault::kLength:
    case ValueFault::kShort:
      ++verification_.length;
      name = "of another length";
      break;
  }
  AddExample(target, name, fmt::format("a value of {} bytes", value_bytes));
}

void Worker::AddExample(const Target& target, std::string_view fault, std::string_view found) {
  if (fault_examples_.size() >= kMaxFaultExamples) return;
  fault_examples_.push_back(fmt::format("{} (key number {}): {}: found {}", EscapeKey(target.key),
                                        target.number, fault, found));
}

inline void Worker::Read(const Target& target) {
  const uint64_t begin = now_;
  const Outcome outcome = Get(target, Snapshot(target));
  now_ = Clock::Ticks();
  Finish(OpKind::kRead, outcome, Clock::NsBetween(begin, now_));
}

void Worker::Miss(const Target& target) {
  // A trace file's key may have been there before, or may come later.
  const bool has_history = context_.replay_file != nullptr;
  const uint64_t snapshot = has_history ? Snapshot(target) : 0;
  const uint64_t begin = now_;
  const Status status = context_.engine.Get(target.key, [&](std::string_view value) {
    if (has_history && verifying_) Verify(target, snapshot, value);
  });
  now_ = Clock::Ticks();
  if (status.ok() && judged_ && !has_history) {
    Note(target, Verdict::kPhantom, "a key that was never inserted");
  }
  Finish(OpKind::kMiss, OutcomeOf(status, /*absence_is_explained=*/true),
         Clock::NsBetween(begin, now_));
}

void Worker::Scan(const Target& target, size_t limit) {
  size_t visited = 0;
  std::string previous(target.key);
  now_ = Clock::Ticks();
  const uint64_t begin = now_;
  const Status status =
      context_.engine.Scan(target.key, limit, [&](std::string_view key, std::string_view value) {
        user_bytes_read_ += value.size();
        // Ascending from the start, and no more than asked for.
        if (judged_ && verifying_) {
          const bool in_order = visited == 0 ? key >= previous : key > previous;
          if (!in_order || ++visited > limit) Note(target, Verdict::kPhantom, "a key out of order");
          previous = key;
        }
        if (judged_ && verifying_ && value.size() >= kStampBytes) {
          ++verification_.reads_checked;
          const uint32_t key_hash = KeyHash(key);
          const ValueReading reading = ReadValue(key_hash, value, verify_level_);
          if (reading.fault != ValueFault::kNone) {
            NoteFault({target.number, key, key_hash}, reading.fault, value.size());
          }
        }
        return true;
      });
  now_ = Clock::Ticks();
  Finish(OpKind::kScan, OutcomeOf(status, false), Clock::NsBetween(begin, now_));
}

// -- writes

// Builds the next value of the target. The clock is read again afterwards, so building is not part
// of the latency.
std::string_view Worker::BuildValue(const Target& target, uint32_t version) {
  char* const buffer = value_buffer_.data();
  const std::string_view value =
      context_.replay_file
          ? ValueMaker::MakeOf(replay_value_bytes_, target.key_hash, version, buffer)
          : context_.values.Make(target.number, target.key_hash, version, buffer);
  now_ = Clock::Ticks();
  return value;
}

Status Worker::PutValue(const Target& target, std::string_view value) {
  Status status = context_.engine.Put(target.key, value);
  now_ = Clock::Ticks();
  context_.versions.EndWrite(target.number, status.ok());
  if (status.ok()) user_bytes_written_ += target.key.size() + value.size();
  return status;
}

void Worker::Update(const Target& target) {
  const uint64_t snapshot = Snapshot(target);
  const std::string_view value = BuildValue(target, context_.versions.BeginPut(target.number));
  const uint64_t begin = now_;
  Outcome outcome = Outcome::kOk;
  if (context_.spec.update_mode == UpdateMode::kRmw) outcome = Get(target, snapshot);
  if (outcome == Outcome::kOk) {
    outcome = OutcomeOf(PutValue(target, value), false);
  } else {
    now_ = Clock::Ticks();
    context_.versions.EndWrite(target.number, /*happened=*/false);
  }
  Finish(OpKind::kUpdate, outcome, Clock::NsBetween(begin, now_));
}

void Worker::ReadModifyWrite(const Target& target) {
  const uint64_t begin = now_;
  Outcome outcome = Get(target, Snapshot(target));
  now_ = Clock::Ticks();
  const uint64_t read_ns = Clock::NsBetween(begin, now_);
  Finish(OpKind::kRead, outcome, read_ns);
  uint64_t write_ns = 0;
  if (outcome == Outcome::kOk) {
    const std::string_view value = BuildValue(target, context_.versions.BeginPut(target.number));
    const uint64_t write_begin = now_;
    outcome = OutcomeOf(PutValue(target, value), false);
    write_ns = Clock::NsBetween(write_begin, now_);
    Finish(OpKind::kUpdate, outcome, write_ns);
  }
  Finish(OpKind::kReadModifyWrite, outcome, read_ns + write_ns);
}

// The value that was read is what the put is conditional on; that another thread came in between is
// no error, and no write.
void Worker::CompareAndPut(const Target& target) {
  const uint64_t snapshot = Snapshot(target);
  const std::string_view value = BuildValue(target, context_.versions.BeginPut(target.number));
  const uint64_t begin = now_;
  Status status = context_.engine.Get(target.key, [&](std::string_view found) {
    user_bytes_read_ += found.size();
    expected_.assign(found);
    if (verifying_) Verify(target, snapshot, found);
  });
  bool replaced = false;
  if (status.ok()) {
    const Result<bool> put =
        context_.engine.compares_and_puts()->CompareAndPut(target.key, expected_, value);
    replaced = put.ok() && *put;
    status = put.status();
  }
  now_ = Clock::Ticks();
  context_.versions.EndWrite(target.number, replaced);
  if (replaced) user_bytes_written_ += target.key.size() + value.size();
  const bool explained = status.IsNotFound() && context_.versions.Deleted(target.number);
  Finish(OpKind::kCompareAndPut, OutcomeOf(status, explained), Clock::NsBetween(begin, now_));
}

void Worker::Defragment() {
  const uint64_t begin = now_;
  const Status status = context_.engine.defragments()->Defragment().status();
  now_ = Clock::Ticks();
  Finish(OpKind::kDefragment, OutcomeOf(status, false), Clock::NsBetween(begin, now_));
}

void Worker::Insert(const Target& target) {
  CHECK(target.number < context_.versions.capacity());
  const std::string_view value = BuildValue(target, context_.versions.BeginPut(target.number));
  const uint64_t begin = now_;
  Status status = PutValue(target, value);
  for (uint64_t retry = 0; !status.ok() && status.code() != StatusCode::kFull &&
                           !context_.stop.load() && retry < context_.spec.insertion_retry_limit;
       ++retry) {
    // YCSB waits the interval times [0.8, 1.2); the middle of it keeps the run deterministic.
    std::this_thread::sleep_for(
        std::chrono::duration<double>(context_.spec.insertion_retry_interval_s));
    ++(*recorder_)[OpKind::kInsert].counts.retried;
    status = PutValue(target, BuildValue(target, context_.versions.BeginPut(target.number)));
  }
  const Outcome outcome = OutcomeOf(status, false);
  if (outcome == Outcome::kOk) source_->Acknowledge(target.number);
  Finish(OpKind::kInsert, outcome, Clock::NsBetween(begin, now_));
}

void Worker::Delete(const Target& target) {
  const uint64_t snapshot = context_.versions.BeginRead(target.number);
  const uint32_t version = context_.versions.BeginDelete(target.number);
  now_ = Clock::Ticks();
  const uint64_t begin = now_;
  const Status status = context_.engine.Delete(target.key);
  now_ = Clock::Ticks();
  const bool absent_now = status.ok() || status.IsNotFound();
  bool explained = false;
  if (status.IsNotFound()) {
    const Verdict verdict =
        context_.versions.JudgeNothingToDelete(target.number, snapshot, version);
    // A trace file may delete what is not there.
    const bool is_surprise = VersionTable::Untouched(snapshot) && !context_.replay_file;
    explained = verdict == Verdict::kFine ? !is_surprise
                                          : verdict == Verdict::kUnknown && context_.replay_file;
    if (verifying_) Note(target, verdict, "nothing to delete");
  }
  context_.versions.EndWrite(target.number, absent_now);
  if (status.ok()) user_bytes_written_ += target.key.size();
  Finish(OpKind::kDelete, OutcomeOf(status, explained), Clock::NsBetween(begin, now_));
}

void Worker::Batch(size_t first_word, size_t count, size_t first_target) {
  const size_t stride = value_buffer_.size();
  batch_buffer_.resize(count * stride);
  batch_.clear();
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    const Op op{trace_[first_word + i]};
    const Target& target = targets_[first_target + i];
    Write write{.kind = Write::Kind::kDelete, .key = target.key, .value = {}};
    if (op.kind() == OpKind::kDelete) {
      (void)context_.versions.BeginDelete(target.number);
    } else {
      write.kind = Write::Kind::kPut;
      write.value = context_.values.Make(target.number, target.key_hash,
                                         context_.versions.BeginPut(target.number),
                                         batch_buffer_.data() + i * stride);
    }
    bytes += write.key.size() + write.value.size();
    batch_.push_back(write);
  }
  now_ = Clock::Ticks();
  const uint64_t begin = now_;
  const Status status = context_.engine.Apply(batch_);
  now_ = Clock::Ticks();
  for (size_t i = 0; i < count; ++i) {
    context_.versions.EndWrite(targets_[first_target + i].number, status.ok());
  }
  if (status.ok()) user_bytes_written_ += bytes;
  Finish(OpKind::kBatch, OutcomeOf(status, false), Clock::NsBetween(begin, now_));
}

size_t Worker::RunOperation(size_t word, size_t* target_index) {
  const Op op{trace_[word]};
  const Target& target = targets_[*target_index];
  *target_index += 1;
  switch (op.kind()) {
    case OpKind::kRead:
      Read(target);
      return 1;
    case OpKind::kUpdate:
      Update(target);
      return 1;
    case OpKind::kInsert:
      Insert(target);
      return 1;
    case OpKind::kReadModifyWrite:
      ReadModifyWrite(target);
      return 1;
    case OpKind::kDelete:
      Delete(target);
      return 1;
    case OpKind::kMiss:
      Miss(target);
      return 1;
    case OpKind::kScan:
      Scan(target, trace_[word + 1]);
      return 2;
    case OpKind::kCompareAndPut:
      CompareAndPut(target);
      return 1;
    case OpKind::kDefragment:
      Defragment();
      return 1;
    case OpKind::kPut: {
      const Op length{trace_[word + 1]};
      replay_value_bytes_ = length.number();
      length.kind() == OpKind::kInsert ? Insert(target) : Update(target);
      return 2;
    }
    case OpKind::kBatch: {
      const size_t count = op.number();
      *target_index += count - 1;
      Batch(word + 1, count, *target_index - count);
      return 1 + count;
    }
  }
  CHECK(false);
}

}  // namespace fencepost
