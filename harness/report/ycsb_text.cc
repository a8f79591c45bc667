// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/ycsb_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace fencepost {
namespace {

double Microseconds(double ns) { return ns * 1e-3; }
double Microseconds(uint64_t ns) { return static_cast<double>(ns) * 1e-3; }

// "50" -> "50th", "99.9" -> "99.9": YCSB names whole percentiles by ordinals.
std::string Ordinal(double percentile) {
  if (percentile != std::floor(percentile)) return fmt::format("{}", percentile);
  const int whole = static_cast<int>(percentile);
  const bool teen = whole % 100 >= 11 && whole % 100 <= 13;
  const char* suffix = "th";
  if (!teen && whole % 10 == 1) suffix = "st";
  if (!teen && whole % 10 == 2) suffix = "nd";
  if (!teen && whole % 10 == 3) suffix = "rd";
  return fmt::format("{}{}", whole, suffix);
}

void AppendLatencies(const std::string& name, const Histogram& histogram, const WorkloadSpec& spec,
                     std::string* out) {
  auto to = std::back_inserter(*out);
  fmt::format_to(to, "[{}], Operations, {}\n", name, histogram.count());
  fmt::format_to(to, "[{}], AverageLatency(us), {:.3f}\n", name, Microseconds(histogram.mean_ns()));
  fmt::format_to(to, "[{}], MinLatency(us), {:.3f}\n", name, Microseconds(histogram.min_ns()));
  fmt::format_to(to, "[{}], MaxLatency(us), {:.3f}\n", name, Microseconds(histogram.max_ns()));
  for (const double percentile : spec.percentiles) {
    fmt::format_to(to, "[{}], {}PercentileLatency(us), {:.3f}\n", name, Ordinal(percentile),
                   Microseconds(histogram.Percentile(percentile)));
  }
}

void AppendKind(const KindRecord& record, const std::string& name, const WorkloadSpec& spec,
                std::string* out) {
  const KindCounts& counts = record.counts;
  const bool service =
      spec.measurement_interval != MeasurementInterval::kIntended || !record.response;
  const bool response = spec.measurement_interval != MeasurementInterval::kOp && record.response;
  const auto returns = [&](const std::string& line_name) {
    auto to = std::back_inserter(*out);
    if (counts.ok > 0) fmt::format_to(to, "[{}], Return=OK, {}\n", line_name, counts.ok);
    if (counts.not_found > 0)
      fmt::format_to(to, "[{}], Return=NOT_FOUND, {}\n", line_name, counts.not_found);
    if (counts.failed > 0) fmt::format_to(to, "[{}], Return=ERROR, {}\n", line_name, counts.failed);
  };
  if (service) {
    AppendLatencies(name, record.service, spec, out);
    returns(name);
  }
  if (response) {
    // Beside the service times they need a name of their own; alone they have the plain one.
    const std::string response_name = service ? "Intended-" + name : name;
    AppendLatencies(response_name, *record.response, spec, out);
    returns(response_name);
  }
  if (record.failed && !record.failed->empty()) {
    AppendLatencies(name + "-FAILED", *record.failed, spec, out);
  }
}

std::string VerifyLines(const VerificationCounts& counts) {
  std::string out;
  auto to = std::back_inserter(out);
  const uint64_t wrong = counts.faults() - counts.lost;
  fmt::format_to(to, "[VERIFY], Operations, {}\n", counts.reads_checked);
  if (counts.verify_samples > 0) {
    fmt::format_to(to, "[VERIFY], AverageLatency(us), {:.3f}\n",
                   Microseconds(static_cast<double>(counts.verify_ns_sum) /
                                static_cast<double>(counts.verify_samples)));
  }
  fmt::format_to(to, "[VERIFY], Return=OK, {}\n", counts.reads_checked - counts.faults());
  if (wrong > 0) fmt::format_to(to, "[VERIFY], Return=UNEXPECTED_STATE, {}\n", wrong);
  if (counts.lost > 0) fmt::format_to(to, "[VERIFY], Return=ERROR, {}\n", counts.lost);
  return out;
}

}  // namespace

std::string YcsbLines(const PhaseResult& result, const WorkloadSpec& spec) {
  std::string out =
      fmt::format("[OVERALL], RunTime(ms), {:.1f}\n[OVERALL], Throughput(ops/sec), {:.1f}\n",
                  result.run_s * 1e3, result.throughput_ops_per_s());
  for (size_t k = 0; k < kOpKindCount; ++k) {
    const KindRecord* record = result.kinds.Find(static_cast<OpKind>(k));
    if (record == nullptr || (record->service.empty() && !record->failed)) continue;
    AppendKind(*record, std::string(OpKindName(static_cast<OpKind>(k))), spec, &out);
  }
  if (result.verification.reads_checked > 0) out += VerifyLines(result.verification);
  return out;
}

std::string PersistLines(const std::vector<WriteBackCost>& costs) {
  std::string out;
  auto to = std::back_inserter(out);
  for (const WriteBackCost& cost : costs) {
    if (cost.count == 0) continue;
    const auto line = [&](const char* name, uint64_t total) {
      fmt::format_to(to, "[PERSIST-{}], {}, {:.2f}\n", cost.operation, name,
                     static_cast<double>(total) / static_cast<double>(cost.count));
    };
    fmt::format_to(to, "[PERSIST-{}], Operations, {}\n", cost.operation, cost.count);
    line("FencesPerOperation", cost.fences);
    line("FlushedLinesPerOperation", cost.flushed_lines);
    line("FlushedBytesPerOperation", cost.flushed_bytes);
  }
  return out;
}

std::string YcsbStatusLine(const PhaseProgress& progress) {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::string out =
      fmt::format("{:%Y-%m-%d %H:%M:%S}:{:03} {:.0f} sec: {} operations; {:.1f} current ops/sec;",
                  fmt::localtime(std::chrono::system_clock::to_time_t(now)), ms, progress.elapsed_s,
                  progress.operations, progress.current_ops_per_s);
  if (const std::optional<double> left_s = progress.SecondsLeft()) {
    fmt::format_to(std::back_inserter(out), " est completion in {}",
                   *left_s < 60 ? fmt::format("{:.0f} seconds", std::ceil(*left_s))
                                : fmt::format("{:.0f} minutes", std::ceil(*left_s / 60)));
  }
  for (size_t k = 0; k < kOpKindCount && progress.since_last != nullptr; ++k) {
    const KindRecord* record = progress.since_last->Find(static_cast<OpKind>(k));
    if (record == nullptr || record->service.empty()) continue;
    const Histogram& h = record->service;
    fmt::format_to(std::back_inserter(out),
                   " [{}: Count={}, Max={:.3f}, Min={:.3f}, Avg={:.3f}, 90={:.3f}, 99={:.3f}, "
                   "99.9={:.3f}, 99.99={:.3f}]",
                   OpKindName(static_cast<OpKind>(k)), h.count(), Microseconds(h.max_ns()),
                   Microseconds(h.min_ns()), Microseconds(h.mean_ns()),
                   Microseconds(h.Percentile(90)), Microseconds(h.Percentile(99)),
                   Microseconds(h.Percentile(99.9)), Microseconds(h.Percentile(99.99)));
  }
  return out;
}

}  // namespace fencepost
