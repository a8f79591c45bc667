// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/cold_gets.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/book/page_cache.h"
#include "harness/clock.h"
#include "harness/interrupt.h"
#include "harness/process_usage.h"
#include "workloads/rng.h"

namespace fencepost {
namespace {

struct Sample {
  uint64_t latency_ns = 0;
  uint64_t device_bytes_read = 0;
};

Status Load(const EngineRow& row, const ColdGetsOptions& options, ColdGets* found) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(row, options.engine));
  RETURN_IF_ERROR(LoadBookPairs(*engine, options.pairs, options.value_bytes));
  RETURN_IF_ERROR(engine->Sync());
  RETURN_IF_ERROR(engine->Settle());
  found->medium = engine->medium();
  return engine->Close();
}

Result<Sample> FirstGet(const EngineRow& row, const ColdGetsOptions& options, uint64_t number) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(row, options.engine));
  const std::string key = BookKey(number);
  std::string value;
  value.reserve(options.value_bytes);
  ASSIGN_OR_RETURN(const ProcessUsage before, ReadProcessUsage());
  const uint64_t begin = Clock::Ticks();
  // All of the value is read: an engine that hands out a view of its file has not yet.
  Status status = engine->Get(key, [&value](std::string_view found) { value = found; });
  const uint64_t end = Clock::Ticks();
  ASSIGN_OR_RETURN(const ProcessUsage after, ReadProcessUsage());
  RETURN_IF_ERROR(std::move(status));
  if (value != BookValue(number, 0, options.value_bytes)) {
    return Status::Corrupt(fmt::format("{}: {}: not the value that was put", row.name, key));
  }
  const ProcessUsage used = UsageBetween(before, after);
  Sample sample{Clock::NsBetween(begin, end), used.io ? used.io->storage_read_bytes : 0};
  RETURN_IF_ERROR(engine->Close());
  return sample;
}

}  // namespace

std::string BookKey(uint64_t number) { return fmt::format("user{:012}", number); }

std::string BookValue(uint64_t number, uint64_t version, uint64_t bytes) {
  Rng rng(number, {version});
  std::string value;
  value.reserve(bytes + sizeof(uint64_t));
  while (value.size() < bytes) {
    const uint64_t word = rng.Next();
    value.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  value.resize(bytes);
  return value;
}

Status LoadBookPairs(Engine& engine, uint64_t pairs, uint64_t value_bytes) {
  constexpr uint64_t kBatchBytes = 256 << 10;
  const uint64_t batch_pairs = std::max<uint64_t>(1, kBatchBytes / (value_bytes + 64));
  for (uint64_t begin = 0; begin < pairs; begin += batch_pairs) {
    std::vector<std::string> texts;
    for (uint64_t i = begin; i < std::min(pairs, begin + batch_pairs); ++i) {
      texts.push_back(BookKey(i));
      texts.push_back(BookValue(i, 0, value_bytes));
    }
    std::vector<Write> batch;
    for (size_t i = 0; i < texts.size(); i += 2) {
      batch.push_back({.key = texts[i], .value = texts[i + 1]});
    }
    RETURN_IF_ERROR(engine.Apply(batch));
  }
  return Status::Ok();
}

Result<ColdGets> MeasureColdGets(const EngineRow& row, const ColdGetsOptions& options) {
  ColdGets found;
  RETURN_IF_ERROR(Load(row, options, &found));
  found.evicted = found.medium != Medium::kTmpfs && found.medium != Medium::kDax;
  std::vector<double> cold, reopened;
  Rng rng(options.value_bytes);
  for (size_t i = 0; i < options.samples && !Interrupted(); ++i) {
    // Turn about, so that what disturbs the machine disturbs both.
    const uint64_t number = rng.Next() % options.pairs;
    if (found.evicted) {
      RETURN_IF_ERROR(EvictFromPageCache(options.engine.path));
      ASSIGN_OR_RETURN(const PageCacheShare share, PageCacheShareOf(options.engine.path));
      if (share.pages > 0) {
        found.resident_share =
            std::max(found.resident_share,
                     static_cast<double>(share.resident_pages) / static_cast<double>(share.pages));
      }
    }
    ASSIGN_OR_RETURN(const Sample first, FirstGet(row, options, number));
    cold.push_back(static_cast<double>(first.latency_ns));
    found.device_bytes_read += static_cast<double>(first.device_bytes_read);
    if (!found.evicted) continue;
    // The same pair: now all that it needs is in the page cache.
    ASSIGN_OR_RETURN(const Sample again, FirstGet(row, options, number));
    reopened.push_back(static_cast<double>(again.latency_ns));
  }
  if (cold.empty()) return Status::Internal("interrupted before the first sample");
  found.cold_ns = MedianEstimate(cold);
  found.reopened_ns = reopened.empty() ? found.cold_ns : MedianEstimate(reopened);
  found.device_bytes_read /= static_cast<double>(cold.size());
  return found;
}

}  // namespace fencepost
