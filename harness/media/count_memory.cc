// SPDX-License-Identifier: BSD-3-Clause
#include "harness/media/count_memory.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "engines/media/memory_model.h"
#include "harness/interrupt.h"
#include "harness/session.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

constexpr std::array<std::string_view, 3> kMedia = {"dram", "optane", "optane-remote"};

double Each(double sum, uint64_t operations) { return sum / static_cast<double>(operations); }
double Each(uint64_t sum, uint64_t operations) {
  return Each(static_cast<double>(sum), operations);
}

Status CheckCountable(const RunPlan& plan) {
  if (!plan.row->capabilities.tells_reads) {
    return Status::InvalidArgument(fmt::format(
        "{} does not tell what it reads: its accesses cannot be counted", plan.row->name));
  }
  if (plan.spec->threads != 1) {
    return Status::InvalidArgument(
        "counting needs one thread: the order of two is no property of "
        "the engine");
  }
  if (plan.spec->operation_count == 0) {
    return Status::InvalidArgument("counting needs a number of operations (-p operationcount=)");
  }
  if (plan.spec->warmup.operations > 0) {
    return Status::InvalidArgument("counting has no warm-up: fencepost.warmup would be counted");
  }
  return Status::Ok();
}

}  // namespace

Result<MemoryCounts> CountMemory(const RunPlan& plan, uint64_t cache_bytes, bool loads) {
  RETURN_IF_ERROR(CheckCountable(plan));
  std::vector<const media::MemoryModel*> models;
  for (const std::string_view name : kMedia) models.push_back(media::FindMemoryModel(name));

  std::optional<pmem::AccessCounter> counter;
  std::optional<ToolLoadsCounter> loads_counter;
  SessionRequest request;
  request.row = plan.row;
  request.options = plan.options;
  request.spec = plan.spec.get();
  request.load = true;
  request.run = true;
  request.measure_floor = false;
  request.pin_threads = false;
  request.max_not_found = plan.settings.max_not_found;
  request.hooks = [&](Phase phase, PhaseRequest*) {
    if (phase != Phase::kRun) return;
    counter.emplace(models, cache_bytes);
    if (loads) loads_counter.emplace(&*counter, models, cache_bytes);
  };
  ASSIGN_OR_RETURN(const SessionResult session, RunSession(request));
  RETURN_IF_ERROR(session.status);
  if (Interrupted()) return Status::Internal("interrupted: a part of a run is not counted");
  if (!counter) return Status::Internal("the run was not begun");
  if (loads_counter) RETURN_IF_ERROR(loads_counter->complete());

  MemoryCounts counts{.engine = std::string(plan.row->name),
                      .workload = plan.spec->name,
                      .record_count = plan.spec->record_count,
                      .cache_bytes = cache_bytes,
                      .media = {kMedia.begin(), kMedia.end()}};
  for (size_t i = 0; i < pmem::kOperationKinds; ++i) {
    const pmem::AccessCounts& kind = counter->counts()[i];
    if (kind.operations == 0) continue;
    counts.kinds.push_back({pmem::OperationKindName(static_cast<pmem::OperationKind>(i)), kind});
    if (!loads_counter) continue;
    counts.kinds.back().loads = {loads_counter->loads()[i], loads_counter->modelled()[i].media};
  }
  return counts;
}

namespace {

// What instructions load, beside what the engine tells of it.
std::string LoadsText(const MemoryCounts& counts) {
  using Align = TextTable::Align;
  std::vector<TextTable::Column> columns = {{"operation"},
                                            {"loads", Align::kRight},
                                            {"lines loaded", Align::kRight},
                                            {"told", Align::kRight},
                                            {"lines read", Align::kRight},
                                            {"told", Align::kRight},
                                            {"told / read", Align::kRight}};
  for (const std::string_view medium : counts.media) {
    columns.push_back({fmt::format("{} ns", medium), Align::kRight});
  }
  TextTable table(std::move(columns));
  for (const MemoryCount& kind : counts.kinds) {
    const uint64_t n = kind.counts.operations;
    const ToolLoads& loads = kind.loads->counts;
    const uint64_t read = loads.lines_missed + loads.lines_fetched;
    std::vector<std::string> cells = {
        std::string(kind.operation),
        fmt::format("{:.1f}", Each(loads.loads, n)),
        fmt::format("{:.2f}", Each(loads.lines_touched, n)),
        fmt::format("{:.2f}", Each(kind.counts.lines_touched, n)),
        fmt::format("{:.2f}", Each(read, n)),
        fmt::format("{:.2f}", Each(kind.counts.lines_read, n)),
        read == 0 ? "-" : fmt::format("{:.3f}", Each(kind.counts.lines_read, read))};
    for (const pmem::AccessCounts::OnMedium& on : kind.loads->media) {
      cells.push_back(fmt::format("{:.0f}", Each(on.ns, n)));
    }
    table.AddRow(std::move(cells));
  }
  return fmt::format(
      "\nby the loads of its instructions, under Valgrind, through a cache of that size, beside "
      "what "
      "the engine tells of them\n\n{}",
      table.Render());
}

nlohmann::json MediaJson(const MemoryCounts& counts,
                         const std::vector<pmem::AccessCounts::OnMedium>& media) {
  nlohmann::json modelled = nlohmann::json::array();
  for (size_t i = 0; i < counts.media.size(); ++i) {
    modelled.push_back({{"medium", fmt::format("{}-modelled", counts.media[i])},
                        {"blocks_read", media[i].blocks_read},
                        {"blocks_written", media[i].blocks_written},
                        {"modelled_ns", media[i].ns}});
  }
  return modelled;
}

nlohmann::json LoadsJson(const MemoryCounts& counts, const std::optional<MemoryCount::Loads>& of) {
  if (!of) return nullptr;
  return {{"loads", of->counts.loads},
          {"lines_touched", of->counts.lines_touched},
          {"lines_missed", of->counts.lines_missed},
          {"lines_fetched", of->counts.lines_fetched},
          {"media", MediaJson(counts, of->media)}};
}

}  // namespace

std::string CountsText(const MemoryCounts& counts) {
  using Align = TextTable::Align;
  std::vector<TextTable::Column> columns = {{"operation"},
                                            {"count", Align::kRight},
                                            {"lines touched", Align::kRight},
                                            {"read", Align::kRight},
                                            {"flushed", Align::kRight},
                                            {"fences", Align::kRight},
                                            {"256 B blocks written", Align::kRight}};
  for (const std::string_view medium : counts.media) {
    columns.push_back({fmt::format("{} ns", medium), Align::kRight});
  }
  TextTable table(std::move(columns));
  for (const MemoryCount& kind : counts.kinds) {
    const pmem::AccessCounts& sum = kind.counts;
    const uint64_t n = sum.operations;
    std::vector<std::string> cells = {std::string(kind.operation),
                                      fmt::format("{}", n),
                                      fmt::format("{:.2f}", Each(sum.lines_touched, n)),
                                      fmt::format("{:.2f}", Each(sum.lines_read, n)),
                                      fmt::format("{:.2f}", Each(sum.lines_flushed, n)),
                                      fmt::format("{:.2f}", Each(sum.fences, n)),
                                      fmt::format("{:.2f}", Each(sum.media[1].blocks_written, n))};
    for (const pmem::AccessCounts::OnMedium& on : sum.media) {
      cells.push_back(fmt::format("{:.0f}", Each(on.ns, n)));
    }
    table.AddRow(std::move(cells));
  }
  const bool is_loaded = !counts.kinds.empty() && counts.kinds.front().loads;
  return fmt::format(
      "{} {}: {} records, counted, an operation; nanoseconds of memory are modelled, not measured\n"
      "(a cache of {} bytes in front; docs/media.md)\n\n{}",
      counts.engine, counts.workload, counts.record_count, counts.cache_bytes,
      table.Render() + (is_loaded ? LoadsText(counts) : ""));
}

nlohmann::json CountsJson(const MemoryCounts& counts) {
  nlohmann::json kinds = nlohmann::json::array();
  for (const MemoryCount& kind : counts.kinds) {
    kinds.push_back({{"operation", kind.operation},
                     {"operations", kind.counts.operations},
                     {"lines_touched", kind.counts.lines_touched},
                     {"lines_read", kind.counts.lines_read},
                     {"lines_flushed", kind.counts.lines_flushed},
                     {"fences", kind.counts.fences},
                     {"loads", LoadsJson(counts, kind.loads)},
                     {"media", MediaJson(counts, kind.counts.media)}});
  }
  return {{"schema", "fencepost.media_counts/1"}, {"engine", counts.engine},
          {"workload", counts.workload},          {"record_count", counts.record_count},
          {"cache_bytes", counts.cache_bytes},    {"kinds", std::move(kinds)}};
}

}  // namespace fencepost
