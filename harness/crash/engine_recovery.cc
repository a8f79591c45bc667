// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_recovery.h"

#include <fmt/format.h>
#include <malloc.h>

#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "faultinject/explore/image_names.h"
#include "workloads/values.h"

namespace fencepost {
namespace {

using Contents = std::map<std::string, std::string>;

// Notes which call failed; returns whether it did not.
bool Succeeded(const char* call, const Status& status, RecoveredStore* store) {
  if (status.ok()) return true;
  store->failed_call = call;
  store->failure = std::string(status.message());
  return false;
}

// Everything, values whole. kCorrupt if a key comes twice.
Result<Contents> ReadAll(Engine& engine) {
  Contents contents;
  bool twice = false;
  RETURN_IF_ERROR(engine.ForEach([&](std::string_view key, std::string_view value) {
    twice |= !contents.try_emplace(std::string(key), value).second;
    return true;
  }));
  if (twice) return Status::Corrupt("a key is stored twice");
  return contents;
}

Status CheckEqual(const Contents& expected, const Contents& found) {
  for (const auto& [key, value] : expected) {
    const auto there = found.find(key);
    if (there == found.end()) return Status::Corrupt(fmt::format("{} is lost", key));
    if (there->second != value) return Status::Corrupt(fmt::format("{} has another value", key));
  }
  for (const auto& [key, value] : found) {
    if (!expected.contains(key)) return Status::Corrupt(fmt::format("{} was never put", key));
  }
  return Status::Ok();
}

// Whether a get gives what a map would.
Status CheckReads(Engine& engine, const std::string& key, const Contents& expected) {
  std::optional<std::string> read;
  const Status status = engine.Get(key, [&](std::string_view found) { read = found; });
  if (!status.ok() && !status.IsNotFound()) return status;
  const auto there = expected.find(key);
  const bool right =
      there == expected.end() ? status.IsNotFound() && !read : status.ok() && read == there->second;
  return right ? Status::Ok() : Status::Corrupt(fmt::format("{} reads other than was put", key));
}

// Puts, overwrites by shorter and longer values, deletes, reads: step `i` of the use after a
// recovery.
Status Step(Engine& engine, unsigned i, bool may_be_full, Contents* expected) {
  constexpr size_t kLengths[] = {24, 200, 16, 90};
  const std::string key =
      i % 2 == 0 || expected->empty()
          ? fmt::format("after{}", i)
          : std::next(expected->begin(), static_cast<std::ptrdiff_t>(i * 7 % expected->size()))
                ->first;
  const bool deletes = i % 5 == 3;
  const std::string value(kLengths[i % std::size(kLengths)], static_cast<char>('a' + i % 26));
  const Status status = deletes ? engine.Delete(key) : engine.Put(key, value);
  if (may_be_full && status.code() == StatusCode::kFull) return CheckReads(engine, key, *expected);
  if (deletes) {
    const bool was_there = expected->erase(key) > 0;
    if (status.ok() != was_there || (!status.ok() && !status.IsNotFound())) {
      return Status::Corrupt(fmt::format("delete {}: {}", key, status.message()));
    }
  } else {
    if (!status.ok()) {
      return Status::Corrupt(fmt::format("put {}: {}", key, status.message()));
    }
    (*expected)[key] = value;
  }
  return CheckReads(engine, key, *expected);
}

// Objects that cannot be reached.
int64_t Leaked(const AuditReport& audit) {
  return static_cast<int64_t>(audit.allocated_objects - audit.reachable_objects);
}

// What was lost before is a finding of its own.
Status CheckLeaksNoMore(Engine& engine, const std::optional<AuditReport>& before) {
  ASSIGN_OR_RETURN(const AuditReport audit, engine.Audit());
  if (Leaked(audit) == (before ? Leaked(*before) : 0)) return Status::Ok();
  return Status::Corrupt(fmt::format("{} objects are allocated, {} can be reached",
                                     audit.allocated_objects, audit.reachable_objects));
}

Status CheckCount(Engine& engine, size_t pairs) {
  ASSIGN_OR_RETURN(const EngineStats stats, engine.Stats());
  if (stats.count == pairs) return Status::Ok();
  return Status::Corrupt(
      fmt::format("it says that it holds {} pairs, and has {}", stats.count, pairs));
}

}  // namespace

Status ReadStore(Engine& engine, RecoveredStore* store) {
  return engine.ForEach([&](std::string_view key, std::string_view value) {
    const ValueReading reading = ReadValue(KeyHash(key), value, VerifyLevel::kFull);
    if (reading.fault != ValueFault::kNone) {
      store->faults.push_back(
          {std::string(key), std::string(ValueFaultName(reading.fault)), value.size()});
    } else if (!store->contents.try_emplace(std::string(key), VersionToken(reading.version))
                    .second) {
      store->faults.push_back({std::string(key), "twice", value.size()});
    }
    return true;
  });
}

EngineRecovery::EngineRecovery(const EngineRow& row, EngineOptions options,
                               UseAfterwards afterwards, std::string created_as)
    : row_(row),
      options_(std::move(options)),
      afterwards_(afterwards),
      created_as_(std::move(created_as)) {
  options_.create_if_missing = !created_as_.empty();
}

std::string EngineRecovery::Recover(const std::vector<std::string>& paths,
                                    const std::string& /*context*/) {
  RecoveredStore store = RecoverStore(paths.front());
  if (afterwards_.operations > 0 && store.failed_call.empty() && store.faults.empty()) {
    const Status status = UseOn(store);
    if (!status.ok()) store.afterwards = WithImageNames(std::string(status.message()), paths);
  }
  store.failure = WithImageNames(store.failure, paths);
  return store.Encode();
}

std::string EngineRecovery::RecoverOnly(const std::vector<std::string>& paths,
                                        const std::string& /*context*/) {
  RecoveredStore store = RecoverStore(paths.front());
  store.failure = WithImageNames(store.failure, paths);
  return store.Encode();
}

RecoveredStore EngineRecovery::RecoverStore(const std::string& path) {
  // A page that goes back to the system costs a fault at the next open.
  static const bool kept =
      mallopt(M_MMAP_THRESHOLD, 1 << 30) != 0 && mallopt(M_TRIM_THRESHOLD, 1 << 30) != 0;
  static_cast<void>(kept);
  options_.path =
      created_as_.empty() ? std::filesystem::path(path) : std::filesystem::path(path) / created_as_;
  RecoveredStore store;
  Result<std::unique_ptr<Engine>> engine = OpenEngine(row_, options_);
  if (!engine.ok()) {
    Succeeded("open", engine.status(), &store);
    return store;
  }
  bool fine = Succeeded("for-each", ReadStore(**engine, &store), &store);
  if (fine && afterwards_.gets) fine = Succeeded("get", GetEach(**engine, &store), &store);
  if (fine && row_.capabilities.audit) {
    Result<AuditReport> audit = (*engine)->Audit();
    fine = Succeeded("audit", audit.ok() ? Status::Ok() : audit.status(), &store);
    if (fine) store.audit = *audit;
  }
  if (fine && row_.capabilities.exact_count) {
    Result<EngineStats> stats = (*engine)->Stats();
    fine = Succeeded("stats", stats.ok() ? Status::Ok() : stats.status(), &store);
    if (fine) store.count = stats->count;
  }
  const Status closed = (*engine)->Close();
  if (fine) Succeeded("close", closed, &store);
  return store;
}

// Not ok if a get fails; that one answers otherwise is noted in the store.
Status EngineRecovery::GetEach(Engine& engine, RecoveredStore* store) const {
  for (const auto& [key, token] : store->contents) {
    std::string found = "absent";
    const Status status = engine.Get(key, [&found, &key = key](std::string_view value) {
      const ValueReading reading = ReadValue(KeyHash(key), value, VerifyLevel::kFull);
      found = reading.fault == ValueFault::kNone ? VersionToken(reading.version)
                                                 : std::string(ValueFaultName(reading.fault));
    });
    if (!status.ok() && !status.IsNotFound()) return status;
    if (found == token || !store->afterwards.empty()) continue;
    store->afterwards =
        fmt::format("a walk over all pairs gives {} of {}, a get {}", token, key, found);
  }
  return Status::Ok();
}

Status EngineRecovery::UseOn(const RecoveredStore& recovered) {
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, OpenEngine(row_, options_));
  ASSIGN_OR_RETURN(Contents expected, ReadAll(*engine));
  for (unsigned i = 0; i < afterwards_.operations; ++i) {
    RETURN_IF_ERROR(Step(*engine, i, afterwards_.may_be_full, &expected));
  }
  RETURN_IF_ERROR(engine->Close());
  engine.reset();
  ASSIGN_OR_RETURN(engine, OpenEngine(row_, options_));
  ASSIGN_OR_RETURN(const Contents there, ReadAll(*engine));
  RETURN_IF_ERROR(CheckEqual(expected, there));
  if (row_.capabilities.audit) RETURN_IF_ERROR(CheckLeaksNoMore(*engine, recovered.audit));
  // A count that was wrong before is a finding of its own.
  if (recovered.count == recovered.contents.size()) {
    RETURN_IF_ERROR(CheckCount(*engine, there.size()));
  }
  return engine->Close();
}

}  // namespace fencepost
