// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "workloads/keys.h"
#include "workloads/replay_file.h"

namespace fencepost {
namespace {

constexpr std::string_view kOpKindNames[] = {
    "READ", "UPDATE", "INSERT",          "SCAN",      "READ-MODIFY-WRITE", "DELETE",
    "MISS", "BATCH",  "COMPARE-AND-PUT", "DEFRAGMENT"};
constexpr std::string_view kProportionNames[] = {
    "readproportion",
    "updateproportion",
    "insertproportion",
    "scanproportion",
    "readmodifywriteproportion",
    "fencepost.deleteproportion",
    "fencepost.missproportion",
    "fencepost.batchproportion",
    "fencepost.compareandputproportion",
    "fencepost.defragmentproportion",
};
static_assert(std::size(kOpKindNames) == kOpKindCount);
static_assert(std::size(kProportionNames) == kOpKindCount);

// In the order of the enums.
constexpr std::string_view kRequestNames[] = {"uniform", "zipfian",     "latest",
                                              "hotspot", "exponential", "sequential"};
constexpr std::string_view kLengthNames[] = {"constant", "uniform", "zipfian", "histogram"};
constexpr std::string_view kUpdateNames[] = {"rmw", "blind"};
constexpr std::string_view kVerifyNames[] = {"off", "stamp", "full"};
constexpr std::string_view kTraceNames[] = {"built", "live"};
constexpr std::string_view kTraceLoadNames[] = {"gets", "none"};
constexpr std::string_view kZipfianNames[] = {"ycsb", "exact"};
constexpr std::string_view kArrivalsNames[] = {"constant", "poisson"};
constexpr std::string_view kIntervalNames[] = {"op", "intended", "both"};

constexpr std::string_view kOurs = "fencepost.";
constexpr uint64_t kMaxValueBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxThreads = 65536;

template <typename Enum>
size_t Index(Enum value) {
  return static_cast<size_t>(value);
}

std::string_view Trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(" \t") + 1));
  return text;
}

// Reads typed values and keeps the first error, so that the parser reads like a list.
class Reader {
 public:
  explicit Reader(const Properties& properties) : properties_(properties) {}

  uint64_t Count(std::string_view name, uint64_t min = 0, uint64_t max = kMaxKeyNumber) {
    const uint64_t value = Keep(properties_.Uint64(name, 0));
    if (value < min || value > max) {
      Fail(name, fmt::format("must be from {} to {}", min, max));
      return min;
    }
    return value;
  }
  // Any 64-bit number.
  uint64_t Number(std::string_view name) { return Keep(properties_.Uint64(name, 0)); }
  double Real(std::string_view name, double min, double max) {
    const double value = Keep(properties_.Double(name, 0));
    if (!(value >= min && value <= max)) {
      Fail(name, fmt::format("must be from {} to {}", min, max));
      return min;
    }
    return value;
  }
  double NotNegative(std::string_view name) {
    const double value = Keep(properties_.Double(name, 0));
    if (value < 0) Fail(name, "must not be negative");
    return value;
  }
  bool Flag(std::string_view name) { return Keep(properties_.Bool(name, false)); }
  std::string Text(std::string_view name) { return Keep(properties_.String(name, "")); }
  uint64_t Bytes(std::string_view name) { return Keep(properties_.Bytes(name, 0)); }

  template <typename Enum>
  Enum Choice(std::string_view name, std::span<const std::string_view> words) {
    const std::string text = Text(name);
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) {
      Fail(name, fmt::format("must be one of {}", fmt::join(words, ", ")));
      return Enum{};
    }
    return static_cast<Enum>(found - words.begin());
  }

  void Fail(std::string_view name, std::string_view what) {
    if (status_.ok()) status_ = properties_.Error(name, what);
  }
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const Status& status() const { return status_; }

 private:
  template <typename T>
  T Keep(Result<T> result) {
    if (result.ok()) return std::move(*result);
    Fail(std::move(result).status());
    return T{};
  }

  const Properties& properties_;
  Status status_;
};

Status CheckNames(const Properties& properties, std::span<const PropertySpec> more_known) {
  const auto lists = [](std::span<const PropertySpec> specs, std::string_view name) {
    return std::any_of(specs.begin(), specs.end(),
                       [&](const PropertySpec& spec) { return spec.name == name; });
  };
  for (const auto& [name, entry] : properties.entries()) {
    if (!name.starts_with(kOurs)) continue;
    if (lists(KnownProperties(), name) || lists(more_known, name)) continue;
    std::string known;
    for (const std::span<const PropertySpec> specs : {KnownProperties(), more_known}) {
      for (const PropertySpec& spec : specs) {
        if (spec.name.starts_with(kOurs)) known += fmt::format(" {}", spec.name);
      }
    }
    return properties.Error(name, fmt::format("no such property; there are{}", known));
  }
  return Status::Ok();
}

void ReadRecords(Reader& reader, const Properties& properties, WorkloadSpec* spec) {
  const std::string workload = reader.Text("workload");
  if (workload != "CoreWorkload" && !workload.ends_with(".CoreWorkload")) {
    reader.Fail("workload", "only CoreWorkload is implemented");
  }
  spec->table = reader.Text("table");
  spec->record_count = reader.Count("recordcount");
  spec->operation_count = reader.Count("operationcount");
  spec->insert_start = reader.Count("insertstart");
  spec->max_execution_time_s = reader.NotNegative("maxexecutiontime");
  if (spec->insert_start > spec->record_count) {
    reader.Fail("insertstart", fmt::format("is beyond recordcount={}", spec->record_count));
    return;
  }
  spec->insert_count = spec->record_count - spec->insert_start;
  if (!properties.Get("insertcount")) return;
  spec->insert_count = reader.Count("insertcount");
  if (spec->insert_count > spec->record_count - spec->insert_start) {
    reader.Fail("insertcount", fmt::format("insertstart={} and insertcount exceed recordcount={}",
                                           spec->insert_start, spec->record_count));
  }
}

void ReadProportions(Reader& reader, WorkloadSpec* spec) {
  double sum = 0;
  for (size_t i = 0; i < kOpKindCount; ++i) {
    spec->proportions[i] = reader.NotNegative(kProportionNames[i]);
    sum += spec->proportions[i];
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    reader.Fail("readproportion", "the proportions of all operations together must be above 0");
    return;
  }
  // Dividing by a sum that is 1 but for rounding would only add rounding.
  if (std::abs(sum - 1) < 1e-12) return;
  for (double& proportion : spec->proportions) proportion /= sum;
}

// "2s" or "0.5s" is time, "10000" is operations.
void ReadWarmup(Reader& reader, WorkloadSpec* spec) {
  std::string_view text;
  const std::string value = reader.Text("fencepost.warmup");
  text = value;
  const char* end = text.data() + text.size();
  if (text.ends_with('s')) {
    const auto [rest, error] = std::from_chars(text.data(), --end, spec->warmup.seconds);
    if (error == std::errc() && rest == end && spec->warmup.seconds >= 0 &&
        std::isfinite(spec->warmup.seconds)) {
      return;
    }
  } else {
    const auto [rest, error] = std::from_chars(text.data(), end, spec->warmup.operations);
    if (error == std::errc() && rest == end && spec->warmup.operations <= kMaxKeyNumber) return;
  }
  reader.Fail("fencepost.warmup", "must be a number of operations (10000) or a time (2s)");
}

void ReadKeys(Reader& reader, WorkloadSpec* spec) {
  spec->request_distribution =
      reader.Choice<RequestDistribution>("requestdistribution", kRequestNames);
  spec->zipfian = reader.Choice<ZipfianMode>("fencepost.zipfian", kZipfianNames);
  spec->hotspot_data_fraction = reader.Real("hotspotdatafraction", 0, 1);
  spec->hotspot_operation_fraction = reader.Real("hotspotopnfraction", 0, 1);
  spec->exponential_percentile = reader.NotNegative("exponential.percentile");
  spec->exponential_fraction = reader.NotNegative("exponential.frac");
  if (!(spec->exponential_percentile > 0 && spec->exponential_percentile < 100)) {
    reader.Fail("exponential.percentile", "must be between 0 and 100");
  }
  // Draws older than the oldest record are redrawn: some must be younger.
  const double accepted =
      1 - std::pow(1 - spec->exponential_percentile / 100, 1 / spec->exponential_fraction);
  if (!(spec->exponential_fraction > 0 && accepted > 1e-3)) {
    reader.Fail("exponential.frac", "must be above 0, and not so large that no record is near");
  }
  spec->min_scan_length = reader.Count("minscanlength", 1, UINT32_MAX);
  spec->max_scan_length = reader.Count("maxscanlength", 1, UINT32_MAX);
  if (spec->min_scan_length > spec->max_scan_length) {
    reader.Fail("minscanlength", fmt::format("exceeds maxscanlength={}", spec->max_scan_length));
  }
  spec->scan_length_distribution =
      reader.Choice<LengthDistribution>("scanlengthdistribution", kLengthNames);
  if (spec->scan_length_distribution != LengthDistribution::kUniform &&
      spec->scan_length_distribution != LengthDistribution::kZipfian) {
    reader.Fail("scanlengthdistribution", "must be one of uniform, zipfian");
  }
  spec->hashed_keys = reader.Text("insertorder") == "hashed";
  spec->zero_padding =
      static_cast<unsigned>(reader.Count("zeropadding", 0, KeyFormat::kMaxZeroPadding));
}

void ReadValues(Reader& reader, WorkloadSpec* spec) {
  spec->field_count = reader.Count("fieldcount", 1);
  spec->field_name_prefix = reader.Text("fieldnameprefix");
  spec->field_length_distribution =
      reader.Choice<LengthDistribution>("fieldlengthdistribution", kLengthNames);
  spec->field_bytes = reader.Count("fieldlength");
  spec->min_field_bytes = reader.Count("minfieldlength");
  const std::string histogram = reader.Text("fieldlengthhistogram");
  const bool ranged = spec->field_length_distribution == LengthDistribution::kUniform ||
                      spec->field_length_distribution == LengthDistribution::kZipfian;
  if (ranged && spec->min_field_bytes > spec->field_bytes) {
    reader.Fail("minfieldlength", fmt::format("exceeds fieldlength={}", spec->field_bytes));
  }
  if (spec->field_length_distribution == LengthDistribution::kHistogram && reader.status().ok()) {
    Result<LengthHistogram> loaded = LengthHistogram::Load(histogram);
    if (loaded.ok()) {
      spec->field_bytes = loaded->max_bytes();
      spec->field_histogram = std::move(*loaded);
    } else {
      reader.Fail("fieldlengthhistogram", loaded.message());
    }
  }
  // Four bytes a field for its length, where lengths vary.
  if (spec->field_bytes > kMaxValueBytes ||
      spec->field_count > kMaxValueBytes / (spec->field_bytes + 4)) {
    reader.Fail("fieldlength",
                fmt::format("fieldcount={} such fields exceed 1 GiB", spec->field_count));
  }
  spec->read_all_fields = reader.Flag("readallfields");
  spec->read_all_fields_by_name = reader.Flag("readallfieldsbyname");
  spec->write_all_fields = reader.Flag("writeallfields");
  spec->data_integrity = reader.Flag("dataintegrity");
  spec->verify = reader.Choice<VerifyLevel>("fencepost.verify", kVerifyNames);
  if (!spec->data_integrity) return;
  spec->verify = VerifyLevel::kFull;
  if (spec->field_length_distribution != LengthDistribution::kConstant) {
    reader.Fail("dataintegrity", "needs fieldlengthdistribution=constant");
  }
}

void ReadExecution(Reader& reader, WorkloadSpec* spec) {
  spec->batch_size = reader.Count("fencepost.batchsize", 1, 1 << 20);
  spec->update_mode = reader.Choice<UpdateMode>("fencepost.update", kUpdateNames);
  spec->seed = reader.Number("fencepost.seed");
  spec->trace = reader.Choice<TraceMode>("fencepost.trace", kTraceNames);
  spec->trace_bytes = reader.Bytes("fencepost.trace_bytes");
  spec->key_table_bytes = reader.Bytes("fencepost.key_table_bytes");
  spec->threads = static_cast<unsigned>(reader.Count("threadcount", 1, kMaxThreads));
  spec->target_ops_per_s = reader.NotNegative("target");
  spec->arrivals = reader.Choice<Arrivals>("fencepost.arrivals", kArrivalsNames);
  spec->insertion_retry_limit = reader.Count("core_workload_insertion_retry_limit");
  spec->insertion_retry_interval_s = reader.NotNegative("core_workload_insertion_retry_interval");
  spec->insertion_keep_going_on_error = reader.Flag("core_workload_insertion_keep_going_on_error");
  spec->spin_sleep = reader.Flag("spin.sleep");
}

// Every key number that the run could reach must be one.
void CheckNumbersFit(Reader& reader, const WorkloadSpec& spec) {
  const Uint128 operations = Uint128{spec.operation_count} + spec.warmup.operations + spec.threads;
  if (operations * spec.batch_size + spec.record_count > kMaxKeyNumber) {
    reader.Fail("operationcount", "the keys that it could insert do not fit in 59 bits");
  }
}

void ReadPercentiles(Reader& reader, WorkloadSpec* spec) {
  const std::string list = reader.Text("hdrhistogram.percentiles");
  std::string_view rest = list;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = Trim(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    double percentile = 0;
    const char* item_end = item.data() + item.size();
    const auto [end, error] = std::from_chars(item.data(), item_end, percentile);
    if (error != std::errc() || end != item_end || !(percentile > 0 && percentile <= 100)) {
      reader.Fail("hdrhistogram.percentiles", "must be numbers above 0 up to 100, with commas");
      return;
    }
    spec->percentiles.push_back(percentile);
  }
}

void ReadOutput(Reader& reader, WorkloadSpec* spec) {
  spec->status = reader.Flag("status");
  spec->status_interval_s = reader.NotNegative("status.interval");
  if (!(spec->status_interval_s > 0)) reader.Fail("status.interval", "must be above 0");
  spec->label = reader.Text("label");
  spec->measurement_interval =
      reader.Choice<MeasurementInterval>("measurement.interval", kIntervalNames);
  spec->measurement_type = reader.Text("measurementtype");
  ReadPercentiles(reader, spec);
  spec->histogram_file_output = reader.Flag("hdrhistogram.fileoutput");
  spec->histogram_output_path = reader.Text("hdrhistogram.output.path");
  spec->exporter = reader.Text("exporter");
  spec->export_file = reader.Text("exportfile");
}

// What a trace file says itself. Another value than the default would be ignored.
constexpr std::string_view kNotOfReplayFiles[] = {
    "recordcount",
    "insertstart",
    "insertcount",
    "readproportion",
    "updateproportion",
    "insertproportion",
    "scanproportion",
    "readmodifywriteproportion",
    "requestdistribution",
    "insertorder",
    "zeropadding",
    "fieldlengthdistribution",
    "fencepost.deleteproportion",
    "fencepost.missproportion",
    "fencepost.batchproportion",
    "fencepost.compareandputproportion",
    "fencepost.defragmentproportion",
    "fencepost.update",
    "fencepost.trace",
};

void ReadReplayFile(Reader& reader, const Properties& properties, WorkloadSpec* spec) {
  const std::string path = reader.Text("fencepost.trace_file");
  ReplayFile::Options options;
  options.load = reader.Choice<TraceLoad>("fencepost.trace_load", kTraceLoadNames);
  options.max_bytes = reader.Bytes("fencepost.trace_memory_bytes");
  const std::string hash = reader.Text("fencepost.trace_xxh3");
  constexpr std::string_view kForOne = "is for a trace file (fencepost.trace_file, --trace)";
  if (path.empty() && options.load != TraceLoad::kGets) {
    reader.Fail("fencepost.trace_load", kForOne);
  }
  if (path.empty() && !hash.empty()) reader.Fail("fencepost.trace_xxh3", kForOne);
  if (path.empty() || !reader.status().ok()) return;
  for (const PropertySpec& known : KnownProperties()) {
    const auto& others = kNotOfReplayFiles;
    if (std::find(std::begin(others), std::end(others), known.name) == std::end(others)) continue;
    if (properties.Get(known.name).value_or("") != known.default_value) {
      reader.Fail(known.name, "fencepost.trace_file has records and operations of its own");
      return;
    }
  }
  options.default_value_bytes = spec->field_count * spec->field_bytes;
  if (options.default_value_bytes > ReplayFile::kMaxValueBytes) {
    reader.Fail("fieldlength", fmt::format("a trace file's values have at most {} bytes",
                                           ReplayFile::kMaxValueBytes));
  }
  if (spec->operation_count > 0) {
    options.max_operations = spec->operation_count + spec->warmup.operations;
  }
  if (!reader.status().ok()) return;
  Result<std::shared_ptr<const ReplayFile>> file = ReplayFile::Read(path, options);
  if (!file.ok()) {
    reader.Fail(std::move(file).status());
    return;
  }
  if (!hash.empty() && hash != (*file)->file_xxh3_text()) {
    reader.Fail("fencepost.trace_xxh3",
                fmt::format("{} has {}: it is another file", path, (*file)->file_xxh3_text()));
    return;
  }
  spec->replay_file = std::move(*file);
  const ReplayFile& trace = *spec->replay_file;
  if (properties.last_file().empty()) spec->name = trace.path().stem().string();
  spec->record_count = spec->insert_count = trace.loaded_count();
  for (size_t k = 0; k < kOpKindCount; ++k) {
    spec->proportions[k] = static_cast<double>(trace.count(static_cast<OpKind>(k))) /
                           static_cast<double>(trace.operation_count());
  }
  spec->update_mode = UpdateMode::kBlind;
}

}  // namespace

std::string_view OpKindName(OpKind kind) { return kOpKindNames[Index(kind)]; }
std::string_view Name(RequestDistribution value) { return kRequestNames[Index(value)]; }
std::string_view Name(LengthDistribution value) { return kLengthNames[Index(value)]; }
std::string_view Name(UpdateMode value) { return kUpdateNames[Index(value)]; }
std::string_view Name(VerifyLevel value) { return kVerifyNames[Index(value)]; }
std::string_view Name(TraceMode value) { return kTraceNames[Index(value)]; }
std::string_view Name(TraceLoad value) { return kTraceLoadNames[Index(value)]; }
std::string_view Name(ZipfianMode value) { return kZipfianNames[Index(value)]; }
std::string_view Name(Arrivals value) { return kArrivalsNames[Index(value)]; }
std::string_view Name(MeasurementInterval value) { return kIntervalNames[Index(value)]; }

Result<WorkloadSpec> ParseWorkload(Properties& properties,
                                   std::span<const PropertySpec> more_known) {
  RETURN_IF_ERROR(CheckNames(properties, more_known));
  for (const PropertySpec& known : KnownProperties()) {
    if (known.default_value.empty()) continue;
    properties.SetDefault(std::string(known.name), std::string(known.default_value));
  }
  WorkloadSpec spec;
  if (!properties.last_file().empty()) spec.name = properties.last_file().stem().string();
  Reader reader(properties);
  ReadRecords(reader, properties, &spec);
  ReadProportions(reader, &spec);
  ReadKeys(reader, &spec);
  ReadValues(reader, &spec);
  ReadExecution(reader, &spec);
  ReadWarmup(reader, &spec);
  ReadOutput(reader, &spec);
  CheckNumbersFit(reader, spec);
  ReadReplayFile(reader, properties, &spec);
  RETURN_IF_ERROR(reader.status());
  return spec;
}

Status CheckPhase(const WorkloadSpec& spec, Phase phase) {
  if (phase == Phase::kLoad) {
    if (spec.insert_count > 0) return Status::Ok();
    if (spec.replay_file) {
      return Status::InvalidArgument(
          fmt::format("{}: nothing to load: run it without a load", spec.name));
    }
    return Status::InvalidArgument(
        fmt::format("{}: nothing to load: recordcount={}, insertstart={}, insertcount=0", spec.name,
                    spec.record_count, spec.insert_start));
  }
  if (spec.replay_file) {
    if (spec.warmup.operations < spec.replay_file->operation_count()) return Status::Ok();
    return Status::InvalidArgument(
        fmt::format("{}: fencepost.warmup={} leaves nothing of {} operations", spec.name,
                    spec.warmup.operations, spec.replay_file->operation_count()));
  }
  if (spec.operation_count == 0 && spec.max_execution_time_s <= 0) {
    return Status::InvalidArgument(
        fmt::format("{}: neither operationcount nor maxexecutiontime is set", spec.name));
  }
  const std::array<double, 3> batch = BatchProportions(spec);
  const double inserts =
      spec.proportion(OpKind::kInsert) + spec.proportion(OpKind::kBatch) * batch[1];
  const bool draws = inserts < 1;
  if (draws && spec.insert_count == 0) {
    return Status::InvalidArgument(
        fmt::format("{}: no records to draw from: recordcount={}", spec.name, spec.record_count));
  }
  if (draws && spec.proportion(OpKind::kBatch) > 0 && spec.batch_size > spec.insert_count) {
    return Status::InvalidArgument(
        fmt::format("{}: fencepost.batchsize={} different keys of only {} records", spec.name,
                    spec.batch_size, spec.insert_count));
  }
  return Status::Ok();
}

bool NeedsLoad(const WorkloadSpec& spec) { return !spec.replay_file || spec.insert_count > 0; }

std::array<double, 3> BatchProportions(const WorkloadSpec& spec) {
  std::array<double, 3> weights{spec.proportion(OpKind::kUpdate), spec.proportion(OpKind::kInsert),
                                spec.proportion(OpKind::kDelete)};
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(sum > 0)) return {1, 0, 0};
  for (double& weight : weights) weight /= sum;
  return weights;
}

}  // namespace fencepost
