// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/path_costs.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <fstream>
#include <map>

#include "harness/book/call_tracer.h"
#include "harness/book/cold_gets.h"
#include "harness/book/copy_counters.h"
#include "harness/book/page_cache.h"
#include "harness/process_usage.h"

namespace fencepost {
namespace {

enum Phase : unsigned { kNone, kGet, kGetCold, kPut, kWriteBack, kGetStep, kPhases };
constexpr std::array<const char*, kPhases> kNames = {"",    "get",        "get-cold",
                                                     "put", "write-back", "get-step"};

// What the client counts of itself, by phase.
struct OwnCounts {
  uint64_t operations = 0;
  CopyCounters copies;
  uint64_t page_faults = 0;
  uint64_t device_bytes_read = 0, device_bytes_written = 0;
  uint64_t lines_flushed = 0, fences = 0;
};

// A sum over all bytes, by words of eight, so that each has been read.
uint64_t SumOf(std::string_view value) {
  uint64_t sum = value.size();
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= value.size(); at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, value.data() + at, sizeof(word));
    sum = sum * 31 + word;
  }
  for (; at < value.size(); ++at) sum = sum * 31 + static_cast<unsigned char>(value[at]);
  return sum;
}

class Client {
 public:
  Client(const EngineRow& row, const PathCostsOptions& options) : row_(row), options_(options) {}

  Status Run();

 private:
  // What `work` does belongs to `phase`. What is asked for around it is outside of the marks.
  template <typename Work>
  Status In(Phase phase, uint64_t operations, Engine& engine, Work work);
  Status Gets(Phase phase, Engine& engine, uint64_t first, uint64_t count);
  Status Puts(Phase phase, Engine& engine, uint64_t first, uint64_t count);
  Status ColdGets();
  Status WriteCounts() const;
  uint64_t PairOf(uint64_t operation) const { return operation * 7919 % options_.pairs; }

  const EngineRow& row_;
  const PathCostsOptions& options_;
  std::array<OwnCounts, kPhases> counts_;
  std::map<uint64_t, uint64_t> versions_;
};

template <typename Work>
Status Client::In(Phase phase, uint64_t operations, Engine& engine, Work work) {
  ASSIGN_OR_RETURN(const EngineStats stats_before, engine.Stats());
  ASSIGN_OR_RETURN(const ProcessUsage before, ReadProcessUsage());
  const CopyCounters copies_before = ReadCopyCounters();
  CountCopies(true);
  MarkPhase(phase, phase == kGetStep);
  Status status = work();
  MarkPhase(kNone);
  CountCopies(false);
  RETURN_IF_ERROR(std::move(status));
  const CopyCounters copies = ReadCopyCounters();
  ASSIGN_OR_RETURN(const ProcessUsage after, ReadProcessUsage());
  ASSIGN_OR_RETURN(const EngineStats stats, engine.Stats());
  const ProcessUsage used = UsageBetween(before, after);
  OwnCounts& count = counts_[phase];
  count.operations += operations;
  count.copies.allocations += copies.allocations - copies_before.allocations;
  count.copies.allocated_bytes += copies.allocated_bytes - copies_before.allocated_bytes;
  count.copies.copies += copies.copies - copies_before.copies;
  count.copies.copied_bytes += copies.copied_bytes - copies_before.copied_bytes;
  count.page_faults += used.minor_fault_count + used.major_fault_count;
  if (used.io) {
    count.device_bytes_read += used.io->storage_read_bytes;
    count.device_bytes_written += used.io->storage_write_bytes;
  }
  count.lines_flushed += stats.flushed_lines - stats_before.flushed_lines;
  count.fences += stats.fences - stats_before.fences;
  return Status::Ok();
}

Status Client::Gets(Phase phase, Engine& engine, uint64_t first, uint64_t count) {
  std::vector<std::string> keys;
  std::vector<uint64_t> expected, found(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t pair = PairOf(first + i);
    keys.push_back(BookKey(pair));
    expected.push_back(SumOf(BookValue(pair, versions_[pair], options_.value_bytes)));
  }
  Status status = In(phase, count, engine, [&] {
    for (uint64_t i = 0; i < count; ++i) {
      RETURN_IF_ERROR(
          engine.Get(keys[i], [&found, i](std::string_view value) { found[i] = SumOf(value); }));
    }
    return Status::Ok();
  });
  RETURN_IF_ERROR(std::move(status));
  if (found == expected) return Status::Ok();
  return Status::Corrupt(fmt::format("{}: a get found another value than was put", row_.name));
}

Status Client::Puts(Phase phase, Engine& engine, uint64_t first, uint64_t count) {
  std::vector<std::string> keys, values;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t pair = PairOf(first + i);
    keys.push_back(BookKey(pair));
    values.push_back(BookValue(pair, ++versions_[pair], options_.value_bytes));
  }
  return In(phase, count, engine, [&] {
    for (uint64_t i = 0; i < count; ++i) RETURN_IF_ERROR(engine.Put(keys[i], values[i]));
    return Status::Ok();
  });
}

Status Client::ColdGets() {
  for (uint64_t i = 0; i < options_.cold_operations; ++i) {
    const Status evicted = EvictFromPageCache(options_.engine.path);
    // On tmpfs there is no such thing as cold.
    if (evicted.code() == StatusCode::kUnsupported) return Status::Ok();
    RETURN_IF_ERROR(evicted);
    ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(row_, options_.engine));
    RETURN_IF_ERROR(Gets(kGetCold, *engine, i, 1));
    RETURN_IF_ERROR(engine->Close());
  }
  return Status::Ok();
}

Status Client::WriteCounts() const {
  std::ofstream file(options_.counts_file);
  for (const OwnCounts& count : counts_) {
    file << count.operations << ' ' << count.copies.allocations << ' '
         << count.copies.allocated_bytes << ' ' << count.copies.copies << ' '
         << count.copies.copied_bytes << ' ' << count.page_faults << ' ' << count.device_bytes_read
         << ' ' << count.device_bytes_written << ' ' << count.lines_flushed << ' ' << count.fences
         << '\n';
  }
  file.close();
  if (file) return Status::Ok();
  return Status::IoError(fmt::format("writing {}", options_.counts_file.string()));
}

Status Client::Run() {
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, OpenEngine(row_, options_.engine));
  RETURN_IF_ERROR(LoadBookPairs(*engine, options_.pairs, options_.value_bytes));
  RETURN_IF_ERROR(engine->Sync());
  RETURN_IF_ERROR(engine->Settle());
  // Once without being counted: what is only made at first use is there then.
  RETURN_IF_ERROR(Gets(kNone, *engine, 0, options_.pairs));
  RETURN_IF_ERROR(Puts(kNone, *engine, 0, options_.operations));
  RETURN_IF_ERROR(engine->Settle());
  RETURN_IF_ERROR(Gets(kNone, *engine, 0, options_.pairs));
  RETURN_IF_ERROR(Gets(kGet, *engine, 0, options_.operations));
  RETURN_IF_ERROR(Puts(kPut, *engine, 0, options_.operations));
  Engine& open = *engine;
  RETURN_IF_ERROR(In(kWriteBack, options_.operations, open, [&open] { return open.Settle(); }));
  for (uint64_t i = 0; i < options_.step_operations; ++i) {
    RETURN_IF_ERROR(Gets(kGetStep, *engine, i, 1));
  }
  RETURN_IF_ERROR(engine->Sync());
  RETURN_IF_ERROR(engine->Close());
  engine.reset();
  RETURN_IF_ERROR(ColdGets());
  return WriteCounts();
}

Result<std::array<OwnCounts, kPhases>> ReadCounts(const std::filesystem::path& path) {
  std::array<OwnCounts, kPhases> counts;
  std::ifstream file(path);
  for (OwnCounts& count : counts) {
    file >> count.operations >> count.copies.allocations >> count.copies.allocated_bytes >>
        count.copies.copies >> count.copies.copied_bytes >> count.page_faults >>
        count.device_bytes_read >> count.device_bytes_written >> count.lines_flushed >>
        count.fences;
  }
  if (file) return counts;
  return Status::Internal(fmt::format("{}: not what the client writes", path.string()));
}

PathCosts CostsOf(Phase phase, const OwnCounts& own, const TracedPhase& traced) {
  PathCosts costs;
  costs.phase = kNames[phase];
  costs.operations = own.operations;
  const auto mean = [&own](uint64_t count) {
    return static_cast<double>(count) / static_cast<double>(own.operations);
  };
  for (const auto& [name, count] : traced.calls) {
    costs.system_calls += mean(count.calls);
    costs.calls +=
        fmt::format("{}{} {:.3g}", costs.calls.empty() ? "" : ", ", name, mean(count.calls));
    if (count.direction < 0) {
      costs.read_calls += mean(count.calls);
      costs.read_call_bytes += mean(count.bytes);
    } else if (count.direction > 0) {
      costs.write_calls += mean(count.calls);
      costs.write_call_bytes += mean(count.bytes);
      costs.blocks_written += mean(count.blocks);
    }
    if (IsSyncCall(name)) costs.sync_calls += mean(count.calls);
  }
  costs.page_faults = mean(own.page_faults);
  costs.allocations = mean(own.copies.allocations);
  costs.allocated_bytes = mean(own.copies.allocated_bytes);
  costs.copies = mean(own.copies.copies);
  costs.copied_bytes = mean(own.copies.copied_bytes);
  costs.device_bytes_read = mean(own.device_bytes_read);
  costs.device_bytes_written = mean(own.device_bytes_written);
  costs.lines_flushed = mean(own.lines_flushed);
  costs.fences = mean(own.fences);
  costs.instructions = mean(traced.instructions);
  costs.unknown_instructions = mean(traced.unknown_instructions);
  costs.lines_read = mean(traced.lines_read);
  costs.lines_written = mean(traced.lines_written);
  return costs;
}

}  // namespace

Result<std::vector<PathCosts>> MeasurePathCosts(const EngineRow& row,
                                                const PathCostsOptions& options) {
  const auto client = [&] {
    const Status status = Client(row, options).Run();
    if (status.ok()) return 0;
    fmt::print(stderr, "{}: {}\n", row.name, status.message());
    return 3;
  };
  ASSIGN_OR_RETURN(const auto traced, TraceCalls(client, options.engine.path.string()));
  ASSIGN_OR_RETURN(const auto own, ReadCounts(options.counts_file));
  std::vector<PathCosts> found;
  for (const Phase phase : {kGet, kGetCold, kPut, kWriteBack, kGetStep}) {
    if (own[phase].operations == 0) continue;
    const auto at = traced.find(phase);
    found.push_back(CostsOf(phase, own[phase], at == traced.end() ? TracedPhase() : at->second));
  }
  return found;
}

}  // namespace fencepost
