// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_client.h"

#include <fmt/format.h>

#include <latch>
#include <memory>
#include <thread>
#include <utility>

#include "harness/crash/recovered_store.h"
#include "harness/crash/trace_markers.h"
#include "harness/interrupt.h"
#include "workloads/replay_file.h"

namespace fencepost {
namespace {

// A key's version when its record has been loaded.
constexpr uint32_t kLoadedVersion = 1;
// Whose flushes pmemcheck tells apart.
constexpr unsigned kMostThreads = 64;

HistoryOp::Outcome OutcomeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
    case StatusCode::kNotFound:
      return HistoryOp::Outcome::kDone;
    case StatusCode::kFull:
    case StatusCode::kInvalidArgument:
    case StatusCode::kUnsupported:
      return HistoryOp::Outcome::kRefused;
    default:
      return HistoryOp::Outcome::kUnknown;
  }
}

}  // namespace

Status CheckCrashWorkload(const WorkloadSpec& spec) {
  if (spec.field_length_distribution == LengthDistribution::kHistogram) {
    return Status::Unsupported(
        "crash runs take no histogram of value lengths in this version (fieldlengthdistribution)");
  }
  const bool constant = spec.field_length_distribution == LengthDistribution::kConstant;
  const uint64_t shortest =
      spec.replay_file ? spec.replay_file->min_value_bytes()
                       : (constant ? spec.field_bytes : spec.min_field_bytes) * spec.field_count;
  if (shortest < kStampBytes) {
    return Status::InvalidArgument(
        fmt::format("crash runs need values of at least {} bytes, which hold a whole stamp; these "
                    "have {} ({})",
                    kStampBytes, shortest,
                    spec.replay_file ? "fencepost.trace_file" : "fieldlength, minfieldlength"));
  }
  if (spec.threads > kMostThreads) {
    return Status::Unsupported(fmt::format(
        "crash runs have at most {} threads, not {} (threadcount)", kMostThreads, spec.threads));
  }
  if (spec.trace == TraceMode::kLive) {
    return Status::Unsupported("crash runs need a built trace (fencepost.trace=built)");
  }
  if (spec.proportion(OpKind::kScan) > 0) {
    return Status::Unsupported("crash runs have no scans in this version (scanproportion=0)");
  }
  if (spec.operation_count == 0 && !spec.replay_file) {
    return Status::InvalidArgument("crash runs are bounded by operations (operationcount)");
  }
  return Status::Ok();
}

CrashClient::CrashClient(const WorkloadSpec& spec, Engine* engine, HistoryWriter* writer,
                         unsigned thread, unsigned threads)
    : spec_(spec),
      engine_(engine),
      writer_(writer),
      thread_(thread),
      threads_(threads),
      values_(spec),
      next_id_(1 + thread) {}

Status CrashClient::Run(Phase phase) {
  if (phase == Phase::kRun) {
    for (uint64_t i = 0; i < spec_.insert_count; ++i) {
      versions_.try_emplace(spec_.insert_start + i, kLoadedVersion + 1 + thread_);
    }
  }
  const std::unique_ptr<TraceSource> source = MakeTraceSource(spec_, phase, thread_, threads_);
  std::vector<uint64_t> words;
  for (;;) {
    words.clear();
    source->Fill(MaxOpWords(spec_) * 64, &words);
    if (words.empty()) return Status::Ok();
    for (size_t i = 0; i < words.size(); i += OpWords(Op{words[i]})) {
      if (Interrupted()) return Status::Internal("interrupted");
      RETURN_IF_ERROR(Execute(&words[i]));
      if (phase == Phase::kLoad) RETURN_IF_ERROR(last_);
    }
  }
}

Status CrashClient::Execute(const uint64_t* words) {
  const Op op{words[0]};
  switch (op.kind()) {
    case OpKind::kRead:
    case OpKind::kMiss:
      return Read(op.number());
    case OpKind::kReadModifyWrite:
      RETURN_IF_ERROR(Read(op.number()));
      return Write(OpKind::kUpdate, op.number());
    case OpKind::kUpdate:
    case OpKind::kInsert:
    case OpKind::kDelete:
      return Write(op.kind(), op.number());
    case OpKind::kCompareAndPut:
      return CompareAndPut(op.number());
    case OpKind::kDefragment:
      return Defragment();
    case OpKind::kBatch:
      return Batch(words + 1, op.number());
    case OpKind::kPut:
      return Write(OpKind::kUpdate, op.number(), Op{words[1]}.number());
    case OpKind::kScan:
      break;
  }
  return Status::Unsupported("crash runs have no scans in this version");
}

template <typename Call>
Status CrashClient::Do(HistoryOp operation, Call&& call) {
  operation.id = next_id_;
  operation.thread = thread_;
  next_id_ += threads_;
  if (writer_ == nullptr) {
    last_ = call(&operation);
    return Status::Ok();
  }
  RETURN_IF_ERROR(writer_->Begin(operation));
  MarkOperationBegin(operation.id);
  last_ = call(&operation);
  MarkOperationEnd(operation.id);
  return writer_->End(operation.id, OutcomeOf(last_), operation.found);
}

Status CrashClient::Read(uint64_t number, std::string* bytes) {
  HistoryOp operation{.kind = HistoryOp::Kind::kRead, .key = KeyOf(spec_, number)};
  return Do(std::move(operation), [this, bytes](HistoryOp* asked) {
    return engine_->Get(asked->key, [asked, bytes](std::string_view value) {
      if (bytes != nullptr) bytes->assign(value);
      const ValueReading reading = ReadValue(KeyHash(asked->key), value, VerifyLevel::kFull);
      // A fault is a value that nobody wrote: the oracle calls it a phantom.
      asked->found = reading.fault == ValueFault::kNone
                         ? VersionToken(reading.version)
                         : std::string(ValueFaultName(reading.fault));
    });
  });
}

Status CrashClient::Write(OpKind kind, uint64_t number, std::optional<size_t> value_bytes) {
  const std::string key = KeyOf(spec_, number);
  HistoryOp operation{.kind = HistoryOp::Kind::kWrite, .writes = {{key, std::nullopt}}};
  if (kind == OpKind::kDelete) {
    return Do(std::move(operation), [&](HistoryOp*) { return engine_->Delete(key); });
  }
  std::string token;
  const std::string value = NextValue(number, key, &token, value_bytes);
  operation.writes.front().value = token;
  return Do(std::move(operation), [&](HistoryOp*) { return engine_->Put(key, value); });
}

// What it expects is what a read of its own found, in the history as well. Where that was nothing
// it is called all the same: what a thread asks for next must not depend on what the others did.
Status CrashClient::CompareAndPut(uint64_t number) {
  std::string expected;
  RETURN_IF_ERROR(Read(number, &expected));
  const std::string key = KeyOf(spec_, number);
  std::string token;
  const std::string value = NextValue(number, key, &token);
  const uint32_t version = ReadValue(KeyHash(key), expected, VerifyLevel::kFull).version;
  HistoryOp operation{
      .kind = HistoryOp::Kind::kWrite, .writes = {{key, token}}, .replaces = VersionToken(version)};
  return Do(std::move(operation), [&](HistoryOp*) {
    const Result<bool> replaced = engine_->compares_and_puts()->CompareAndPut(key, expected, value);
    // In the history it is a refusal: nothing was written, and never will be.
    if (replaced.status().IsNotFound() || (replaced.ok() && !*replaced)) {
      return Status::InvalidArgument("another value was there, or none");
    }
    return replaced.status();
  });
}

// Changes no pair: in the history it is a write of nothing.
Status CrashClient::Defragment() {
  return Do({.kind = HistoryOp::Kind::kWrite},
            [&](HistoryOp*) { return engine_->defragments()->Defragment().status(); });
}

Status CrashClient::Batch(const uint64_t* words, uint64_t count) {
  HistoryOp operation{.kind = HistoryOp::Kind::kWrite};
  std::vector<std::string> keys, values;
  for (uint64_t i = 0; i < count; ++i) {
    const Op op{words[i]};
    keys.push_back(KeyOf(spec_, op.number()));
    values.emplace_back();
    KeyWrite write{keys.back(), std::nullopt};
    if (op.kind() != OpKind::kDelete) {
      std::string token;
      values.back() = NextValue(op.number(), keys.back(), &token);
      write.value = token;
    }
    operation.writes.push_back(std::move(write));
  }
  return Do(std::move(operation), [&](HistoryOp* asked) {
    std::vector<fencepost::Write> batch;
    for (size_t i = 0; i < keys.size(); ++i) {
      const bool is_put = asked->writes[i].value.has_value();
      batch.push_back({.kind = is_put ? Write::Kind::kPut : Write::Kind::kDelete,
                       .key = keys[i],
                       .value = values[i]});
    }
    return engine_->Apply(batch);
  });
}

std::string CrashClient::NextValue(uint64_t number, const std::string& key, std::string* token,
                                   std::optional<size_t> value_bytes) {
  uint32_t& next = versions_.try_emplace(number, 1 + thread_).first->second;
  const uint32_t version = next;
  next += threads_;
  *token = VersionToken(version);
  std::string buffer(values_.max_value_bytes(), '\0');
  const uint32_t key_hash = KeyHash(key);
  return std::string(value_bytes
                         ? ValueMaker::MakeOf(*value_bytes, key_hash, version, buffer.data())
                         : values_.Make(number, key_hash, version, buffer.data()));
}

Status RunCrashClients(const WorkloadSpec& spec, Engine* engine, HistoryWriter* writer) {
  if (spec.threads == 1) return CrashClient(spec, engine, writer).Run(Phase::kRun);
  std::vector<Status> ended(spec.threads);
  std::latch all_here(spec.threads);
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < spec.threads; ++thread) {
    threads.emplace_back([&, thread] {
      CrashClient client(spec, engine, writer, thread, spec.threads);
      // A short run would be over before the next thread is made.
      all_here.arrive_and_wait();
      ended[thread] = client.Run(Phase::kRun);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : ended) RETURN_IF_ERROR(status);
  return Status::Ok();
}

}  // namespace fencepost
