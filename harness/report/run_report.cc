// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/run_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "harness/report/injection_report.h"
#include "harness/report/provenance.h"
#include "harness/run_files.h"
#include "workloads/keys.h"
#include "workloads/replay_file.h"
#include "workloads/values.h"

namespace fencepost {
namespace {

using nlohmann::json;

std::string_view PhaseName(Phase phase) { return phase == Phase::kLoad ? "load" : "run"; }

// Of the values of the first records, exact where lengths do not vary; of a trace file's keys, each
// with its last value.
double MeanValueBytes(const WorkloadSpec& spec) {
  if (spec.replay_file) return spec.replay_file->last_value_bytes_mean();
  constexpr uint64_t kSample = 4096;
  const ValueMaker values(spec);
  double sum = 0;
  for (uint64_t number = 0; number < kSample; ++number) {
    sum += static_cast<double>(values.ValueBytes(number, /*version=*/2));
  }
  return sum / kSample;
}

double MeanKeyBytes(const WorkloadSpec& spec) {
  if (spec.replay_file) return spec.replay_file->key_bytes_mean();
  constexpr uint64_t kSample = 4096;
  const KeyFormat format(spec.hashed_keys, spec.zero_padding);
  std::array<char, KeyFormat::kMaxKeyBytes> buffer;
  const uint64_t count = std::clamp<uint64_t>(spec.record_count, 1, kSample);
  double sum = 0;
  for (uint64_t number = 0; number < count; ++number) {
    sum += static_cast<double>(format.Format(spec.insert_start + number, buffer.data()));
  }
  return sum / static_cast<double>(count);
}

// What each side of a durability class keeps: DESIGN.md, the engine contract.
std::string_view PowerLoss(Durability durability) {
  switch (durability) {
    case Durability::kPowerFail:
      return "all";
    case Durability::kPrefix:
    case Durability::kBuffered:
      return "prefix";
    case Durability::kProcessCrash:
    case Durability::kNone:
      return "none";
  }
  return "none";
}

std::string_view ProcessDeath(Durability durability) {
  switch (durability) {
    case Durability::kPowerFail:
    case Durability::kPrefix:
    case Durability::kProcessCrash:
      return "all";
    case Durability::kBuffered:
      return "prefix";
    case Durability::kNone:
      return "none";
  }
  return "none";
}

// How stores to a mapped pool on this medium are made durable (engines/pmem decides it so).
std::string_view PmemMode(Medium medium) {
  switch (medium) {
    case Medium::kDax:
      return "hardware";
    case Medium::kTmpfs:
      return "forced-on-tmpfs";
    default:
      return "msync";
  }
}

template <typename T>
json OrNull(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json LatencyJson(const Histogram& h) {
  return {{"mean", h.mean_ns()},
          {"min", h.min_ns()},
          {"max", h.max_ns()},
          {"stddev", h.stddev_ns()},
          {"p50", h.Percentile(50)},
          {"p90", h.Percentile(90)},
          {"p95", h.Percentile(95)},
          {"p99", h.Percentile(99)},
          {"p99_9", h.Percentile(99.9)},
          {"p99_99", h.Percentile(99.99)},
          {"p99_999", h.Percentile(99.999)}};
}

json KindJson(const KindRecord& record) {
  json curve = json::array();
  for (const CurvePoint& point : record.service.Curve()) {
    curve.push_back({point.percentile, point.value_ns});
  }
  const KindCounts& counts = record.counts;
  return {{"count", counts.ok + counts.not_found + counts.failed},
          {"ok", counts.ok},
          {"not_found", counts.not_found},
          {"failed", counts.failed},
          {"retried", counts.retried},
          {"latency_ns", LatencyJson(record.service)},
          {"response_ns", record.response ? LatencyJson(*record.response) : json(nullptr)},
          {"curve_ns", std::move(curve)}};
}

json KindsJson(const Recorder& kinds) {
  json out = json::object();
  for (size_t k = 0; k < kOpKindCount; ++k) {
    const KindRecord* record = kinds.Find(static_cast<OpKind>(k));
    if (record == nullptr) continue;
    const KindCounts& counts = record->counts;
    if (counts.ok + counts.not_found + counts.failed == 0) continue;
    out[std::string(OpKindName(static_cast<OpKind>(k)))] = KindJson(*record);
  }
  return out;
}

json VerificationJson(const RunContext& context, const PhaseResult& result) {
  const VerificationCounts& counts = result.verification;
  std::string undetectable = "nothing: each read's key, version, length and bytes are checked";
  if (context.spec->verify == VerifyLevel::kOff) {
    undetectable = "everything: values are not looked at";
  } else if (ValueMaker(*context.spec).max_value_bytes() < kStampBytes) {
    undetectable =
        "values are shorter than a stamp: which kind of fault it is, and 1 in "
        "256^bytes of them";
  } else if (context.spec->verify == VerifyLevel::kStamp) {
    undetectable = "torn values: bytes behind the 16-byte stamp are not looked at";
  }
  const ReplayFile* file = context.spec->replay_file.get();
  if (file != nullptr && file->min_value_bytes() < kStampBytes &&
      file->max_value_bytes() >= kStampBytes && context.spec->verify != VerifyLevel::kOff) {
    undetectable += "; of values shorter than 16 bytes, 1 fault in 256^bytes";
  }
  json mean = nullptr;
  if (counts.verify_samples > 0) {
    mean = static_cast<double>(counts.verify_ns_sum) / static_cast<double>(counts.verify_samples);
  }
  if (context.spec->proportion(OpKind::kScan) > 0 && context.spec->verify != VerifyLevel::kOff) {
    undetectable +=
        "; scans: old versions and missing keys (key, order, length and bytes are checked)";
  }
  return {{"level", Name(context.spec->verify)},
          {"reads_checked", counts.reads_checked},
          {"unknown", counts.unknown},
          {"lost", counts.lost},
          {"stale", counts.stale},
          {"torn", counts.torn},
          {"foreign", counts.foreign},
          {"phantom", counts.phantom},
          {"length", counts.length},
          {"undetectable", undetectable},
          {"verify_ns_mean", std::move(mean)},
          {"examples", result.fault_examples},
          {"judged", context.row->capabilities.stores_data}};
}

json ProcessJson(const ProcessUsage& usage) {
  const ProcessIo io = usage.io.value_or(ProcessIo{});
  return {{"cpu_user_s", usage.user_cpu_s},
          {"cpu_system_s", usage.system_cpu_s},
          {"rss_peak_bytes", usage.peak_rss_bytes},
          {"read_bytes", io.storage_read_bytes},
          {"write_bytes", io.storage_write_bytes},
          {"rchar_bytes", io.read_call_bytes},
          {"wchar_bytes", io.write_call_bytes},
          {"read_calls", io.read_call_count},
          {"write_calls", io.write_call_count},
          {"voluntary_switches", usage.voluntary_switch_count},
          {"involuntary_switches", usage.involuntary_switch_count},
          {"major_faults", usage.major_fault_count},
          {"minor_faults", usage.minor_fault_count}};
}

json CostsJson(const std::vector<WriteBackCost>& costs) {
  json found = json::array();
  for (const WriteBackCost& cost : costs) {
    found.push_back({{"operation", cost.operation},
                     {"count", cost.count},
                     {"flushed_lines", cost.flushed_lines},
                     {"fences", cost.fences},
                     {"flushed_bytes", cost.flushed_bytes}});
  }
  return found;
}

// Bytes that reached the medium, and who counted them.
struct WrittenBytes {
  uint64_t bytes = 0;
  const char* counted_by = nullptr;  // nobody
};

// In persistent memory they are the lines flushed. On a block device the kernel counts the
// process's, in whole folios, and the device everybody's: either is too much, so the lesser is
// nearer. For files on tmpfs nobody counts.
WrittenBytes BytesWritten(const RunContext& context, const PhaseReport& report) {
  constexpr uint64_t kLineBytes = 64;
  if (context.row->capabilities.persistent_memory) {
    return {report.stats.flushed_lines * kLineBytes, "flushed-lines"};
  }
  if (report.medium != Medium::kPageCache && report.medium != Medium::kBlock) return {};
  const auto& io = report.result.usage.io;
  const std::optional<uint64_t>& device = report.device_write_bytes;
  if (device && (!io || *device < io->storage_write_bytes)) return {*device, "device"};
  if (!io) return {};
  return {io->storage_write_bytes, "process"};
}

json PmemJson(const PhaseReport& report) {
  if (!report.pmem) return nullptr;
  return {{"is_pmem", report.pmem->is_pmem},
          {"forced", report.pmem->forced},
          {"map_sync", report.pmem->map_sync},
          {"flush_instruction", report.pmem->flush_instruction}};
}

json EngineJson(const RunContext& context, const PhaseReport& report) {
  json file_system = nullptr;
  if (context.row->capabilities.stores_data) {
    if (const Result<FileSystem> found = FileSystemOf(context.options.path); found.ok()) {
      file_system = {{"type", found->type},
                     {"mount_point", found->mount_point},
                     {"device", found->device},
                     {"dax", found->dax}};
    }
  }
  const bool uses_pmem = context.row->capabilities.persistent_memory;
  return {{"name", context.row->name},
          {"version", context.row->version()},
          {"durability", DurabilityName(report.durability)},
          {"power_loss", PowerLoss(report.durability)},
          {"process_death", ProcessDeath(report.durability)},
          {"path", context.options.path.string()},
          {"medium", report.MediumLabel()},
          {"filesystem", std::move(file_system)},
          {"pmem_mode", uses_pmem ? PmemMode(report.medium) : "none"},
          {"pmem", PmemJson(report)},
          {"cache_bytes", context.options.cache_bytes},
          {"tuning", context.options.tuning.values()}};
}

json ReplayFileJson(const ReplayFile* file) {
  if (file == nullptr) return nullptr;
  return {{"path", file->path().string()},
          {"bytes", file->file_bytes()},
          {"xxh3", file->file_xxh3_text()},
          {"operations", file->operation_count()},
          {"keys", file->key_count()}};
}

std::string IntervalsCsv(const PhaseResult& result) {
  CsvTable table(
      {"elapsed_s", "kind", "operations", "ops_per_s", "mean_ns", "p50_ns", "p99_ns", "max_ns"});
  for (const IntervalRow& row : result.intervals) {
    const double end_s = static_cast<double>(row.interval + 1) * result.interval_s;
    table.AddRow({fmt::format("{:.3f}", end_s), std::string(OpKindName(row.kind)),
                  fmt::format("{}", row.operations),
                  fmt::format("{:.1f}", static_cast<double>(row.operations) / result.interval_s),
                  fmt::format("{:.1f}", row.mean_ns), fmt::format("{}", row.p50_ns),
                  fmt::format("{}", row.p99_ns), fmt::format("{}", row.max_ns)});
  }
  return table.text();
}

}  // namespace

json ManifestJson(const RunContext& context, const PhaseReport& report) {
  json properties = json::object();
  for (const auto& [name, entry] : context.properties->entries()) properties[name] = entry.value;
  json files = json::array();
  for (const Properties::File& file : context.properties->files()) {
    files.push_back({{"path", file.path.string()}, {"text", file.text}});
  }
  json manifest = {{"schema", "fencepost.manifest/1"},
                   {"run_id", context.run_id},
                   {"created_utc", UtcTimestamp()},
                   {"command", context.command},
                   {"seed", context.spec->seed},
                   {"phases", context.phases},
                   {"placement", context.placement},
                   {"workload_files", std::move(files)},
                   {"properties", std::move(properties)},
                   {"trace_file", ReplayFileJson(context.spec->replay_file.get())},
                   {"engine", EngineJson(context, report)},
                   {"clock",
                    {{"source", context.clock.source_name},
                     {"ticks_per_s", context.clock.ticks_per_s},
                     {"read_ns", context.clock.read_cost_ns}}}};
  manifest.update(ProvenanceJson());
  return manifest;
}

json SummaryJson(const RunContext& context, const PhaseReport& report) {
  const PhaseResult& result = report.result;
  const WorkloadSpec& spec = *context.spec;
  const double value_bytes_mean = MeanValueBytes(spec);
  const double logical_bytes =
      static_cast<double>(report.stats.count) * (MeanKeyBytes(spec) + value_bytes_mean);
  json space = nullptr;
  if (logical_bytes > 0) space = static_cast<double>(report.stats.storage_bytes) / logical_bytes;
  json write_amplification = nullptr, counted_by = nullptr;
  if (const WrittenBytes written = BytesWritten(context, report);
      written.bytes > 0 && result.user_bytes_written > 0) {
    write_amplification =
        static_cast<double>(written.bytes) / static_cast<double>(result.user_bytes_written);
    counted_by = written.counted_by;
  }
  return {{"schema", "fencepost.summary/1"},
          {"run_id", context.run_id},
          {"engine", context.row->name},
          {"workload", spec.name},
          {"phase", PhaseName(report.phase)},
          {"threads", spec.threads},
          {"repeat", context.repeat},
          {"durability", DurabilityName(report.durability)},
          {"medium", report.MediumLabel()},
          {"injection", InjectionJson(report)},
          {"relaxed_load", report.relaxed_load},
          {"update", Name(spec.update_mode)},
          {"verify", Name(spec.verify)},
          {"partial", result.partial},
          {"record_count", spec.record_count},
          {"value_bytes_mean", value_bytes_mean},
          {"operations", result.operations},
          {"run_s", result.run_s},
          {"wall_s", result.wall_s},
          {"generate_ns_per_op", result.generate_ns_per_op},
          {"prepare_ns_per_op", result.prepare_ns_per_op},
          {"throughput_ops_per_s", result.throughput_ops_per_s()},
          {"target_ops_per_s", spec.target_ops_per_s},
          {"trace_hash",
           result.trace_hash ? json(fmt::format("{:016x}", *result.trace_hash)) : json(nullptr)},
          {"floor_ns_per_op", OrNull(report.floor_ns_per_op)},
          {"open_s", OrNull(report.open_s)},
          {"injected_spin_ns", report.injected_spin_ns},
          {"settle_s", report.settle_s},
          {"sync_s", report.sync_s},
          {"kinds", KindsJson(result.kinds)},
          {"verification", VerificationJson(context, result)},
          {"process", ProcessJson(result.usage)},
          {"engine_stats",
           {{"count", report.stats.count},
            {"storage_bytes", report.stats.storage_bytes},
            {"cache_bytes", report.stats.cache_bytes},
            {"flushed_lines", report.stats.flushed_lines},
            {"fences", report.stats.fences},
            {"syncs", report.stats.syncs},
            {"debt_bytes", report.debt_bytes},
            {"costs", CostsJson(report.stats.costs)}}},
          {"user_bytes_written", result.user_bytes_written},
          {"user_bytes_read", result.user_bytes_read},
          {"logical_bytes", static_cast<uint64_t>(logical_bytes)},
          {"device_write_bytes", OrNull(report.device_write_bytes)},
          {"write_amplification", std::move(write_amplification)},
          {"write_amplification_counts", std::move(counted_by)},
          {"space_amplification", std::move(space)},
          {"warnings", report.warnings}};
}

Result<std::unique_ptr<RunFolder>> RunFolder::Open(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), path.string()));
  std::unique_ptr<RunFolder> folder(new RunFolder(path));
  if (!folder->log_stream_) {
    return Status::IoError(fmt::format("open: cannot write {}", (path / "latency.hlog").string()));
  }
  return folder;
}

RunFolder::RunFolder(std::filesystem::path path)
    : path_(std::move(path)),
      log_stream_(path_ / "latency.hlog"),
      log_(log_stream_,
           std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
               .count(),
           "fencepost") {}

void RunFolder::LogInterval(double start_s, double length_s, const Recorder& recorder) {
  for (size_t k = 0; k < kOpKindCount; ++k) {
    const KindRecord* record = recorder.Find(static_cast<OpKind>(k));
    if (record == nullptr || record->service.empty()) continue;
    CHECK_OK(log_.Write(OpKindName(static_cast<OpKind>(k)), start_s, length_s, record->service));
  }
}

Status RunFolder::Finish(const RunContext& context, const PhaseReport& report) {
  log_stream_.close();
  if (!log_stream_) {
    return Status::IoError(fmt::format("write: {}", (path_ / "latency.hlog").string()));
  }
  RETURN_IF_ERROR(WriteFileAtomically(path_ / "intervals.csv", IntervalsCsv(report.result)));
  // A workload file may hold bytes that are no UTF-8.
  const std::string manifest =
      ManifestJson(context, report).dump(2, ' ', false, json::error_handler_t::replace);
  RETURN_IF_ERROR(WriteFileAtomically(path_ / "manifest.json", manifest + "\n"));
  return WriteFileAtomically(path_ / "summary.json", SummaryJson(context, report).dump(2) + "\n");
}

}  // namespace fencepost
