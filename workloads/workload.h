// SPDX-License-Identifier: BSD-3-Clause
// WorkloadSpec: one workload, all its properties parsed, checked and given their defaults.
//
// The properties are YCSB's CoreWorkload's and Client's, and ours under "fencepost.". One table,
// KnownProperties(), has their names, defaults and meanings; the parser takes its defaults there
// and the documentation is printed from it.
//
// Invariants of a WorkloadSpec that ParseWorkload returned:
//   1. `proportions` sum to 1 (to rounding); none is negative.
//   2. insert_start + insert_count <= record_count <= kMaxKeyNumber.
//   3. min <= max for lengths; threads >= 1; fractions lie in [0, 1].
// Threads: none; a spec is immutable once parsed.
// Not covered: properties of engines and media ("engine.", "medium", an engine's prefix); other
//   workload classes of YCSB.
// Source: YCSB, CoreWorkload, Client and Measurements.
#ifndef FENCEPOST_WORKLOADS_WORKLOAD_H_
#define FENCEPOST_WORKLOADS_WORKLOAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "workloads/distributions.h"
#include "workloads/properties.h"

namespace fencepost {

// The order is YCSB's for its own five, and is the order in which proportions are laid out.
enum class OpKind : uint8_t {
  kRead,
  kUpdate,
  kInsert,
  kScan,
  kReadModifyWrite,
  kDelete,
  kMiss,           // a read of an absent key
  kBatch,          // several writes at once
  kCompareAndPut,  // a read, then a put where what was read is still there
  kDefragment,     // of the whole store; its key is drawn and not used
  kPut,            // in traces only: one of a trace file, which is recorded as kUpdate or kInsert
};
// What is recorded: all but kPut.
inline constexpr size_t kOpKindCount = 10;

// "READ", ... as in YCSB's output; ours are "DELETE" and what comes after it.
std::string_view OpKindName(OpKind kind);

enum class RequestDistribution : uint8_t {
  kUniform,
  kZipfian,
  kLatest,
  kHotspot,
  kExponential,
  kSequential,
};
enum class LengthDistribution : uint8_t { kConstant, kUniform, kZipfian, kHistogram };
enum class UpdateMode : uint8_t { kRmw, kBlind };
enum class VerifyLevel : uint8_t { kOff, kStamp, kFull };
enum class TraceMode : uint8_t { kBuilt, kLive };
enum class TraceLoad : uint8_t { kGets, kNone };
enum class ZipfianMode : uint8_t { kYcsb, kExact };
enum class Arrivals : uint8_t { kConstant, kPoisson };
enum class MeasurementInterval : uint8_t { kOp, kIntended, kBoth };

// The words that users write for them: "zipfian", "rmw", ...
std::string_view Name(RequestDistribution value);
std::string_view Name(LengthDistribution value);
std::string_view Name(UpdateMode value);
std::string_view Name(VerifyLevel value);
std::string_view Name(TraceMode value);
std::string_view Name(TraceLoad value);
std::string_view Name(ZipfianMode value);
std::string_view Name(Arrivals value);
std::string_view Name(MeasurementInterval value);

// What is not counted at the start of a run: one of the two, or neither.
struct Warmup {
  double seconds = 0;
  uint64_t operations = 0;  // of all threads, beyond operationcount
};

class ReplayFile;

struct WorkloadSpec {
  std::string name = "default";  // stem of the last property file; without one, of the trace file
  std::string table;

  // Which records, how many operations
  uint64_t record_count = 0;
  uint64_t operation_count = 0;  // 0: until max_execution_time_s
  uint64_t insert_start = 0;
  uint64_t insert_count = 0;
  double max_execution_time_s = 0;  // 0: no limit
  Warmup warmup;

  // Which operation
  std::array<double, kOpKindCount> proportions{};  // by OpKind
  double proportion(OpKind kind) const { return proportions[static_cast<size_t>(kind)]; }
  uint64_t batch_size = 10;  // writes in one batch
  UpdateMode update_mode = UpdateMode::kRmw;

  // Which key
  RequestDistribution request_distribution = RequestDistribution::kUniform;
  ZipfianMode zipfian = ZipfianMode::kYcsb;
  double hotspot_data_fraction = 0;
  double hotspot_operation_fraction = 0;
  double exponential_percentile = 0;
  double exponential_fraction = 0;
  uint64_t min_scan_length = 1;
  uint64_t max_scan_length = 1;
  LengthDistribution scan_length_distribution = LengthDistribution::kUniform;
  bool hashed_keys = true;
  unsigned zero_padding = 1;

  // Which value
  uint64_t field_count = 1;
  std::string field_name_prefix;
  LengthDistribution field_length_distribution = LengthDistribution::kConstant;
  uint64_t field_bytes = 0;  // the largest
  uint64_t min_field_bytes = 0;
  std::optional<LengthHistogram> field_histogram;
  bool read_all_fields = true;
  bool read_all_fields_by_name = false;
  bool write_all_fields = false;
  bool data_integrity = false;  // implies verify = kFull
  VerifyLevel verify = VerifyLevel::kFull;

  // The trace
  uint64_t seed = 0;
  TraceMode trace = TraceMode::kBuilt;
  uint64_t trace_bytes = 0;  // of all threads, generated before the clock starts
  uint64_t key_table_bytes = 0;
  // Replaces which records, operations, keys and values; what the fields above then hold is how
  // many records are loaded, the operations' shares as proportions, and kBlind.
  std::shared_ptr<const ReplayFile> replay_file;
  bool replay_repeats = false;  // for the floor: over and over, until time is up

  // How it is run
  unsigned threads = 1;
  double target_ops_per_s = 0;  // of all threads; 0: closed loop
  Arrivals arrivals = Arrivals::kConstant;
  uint64_t insertion_retry_limit = 0;
  double insertion_retry_interval_s = 0;
  bool insertion_keep_going_on_error = false;
  bool spin_sleep = false;

  // What is printed
  bool status = false;
  double status_interval_s = 0;
  std::string label;
  MeasurementInterval measurement_interval = MeasurementInterval::kOp;
  std::string measurement_type;
  std::vector<double> percentiles;
  bool histogram_file_output = false;
  std::string histogram_output_path;
  std::string exporter;
  std::string export_file;  // empty: standard output
};

// Parses all of the above. Marks what it read; gives the properties of the table their defaults.
// kInvalidArgument names the origin of the first property that makes no sense. `more_known` are
// further names under "fencepost." that the caller reads itself.
struct PropertySpec;
Result<WorkloadSpec> ParseWorkload(Properties& properties,
                                   std::span<const PropertySpec> more_known = {});

enum class Phase : uint8_t { kLoad, kRun };

// kInvalidArgument when this phase of the workload has nothing to do, would never end, or would
// have to draw keys where there are none.
Status CheckPhase(const WorkloadSpec& spec, Phase phase);

// False where a run needs no load because it begins with an empty store: a trace file that has
// nothing to be loaded.
bool NeedsLoad(const WorkloadSpec& spec);

// Writes of this kind inside a batch, by weight: updates, inserts, deletes. Updates only where the
// workload itself has none of the three.
std::array<double, 3> BatchProportions(const WorkloadSpec& spec);

struct PropertySpec {
  std::string_view name;
  std::string_view type;           // "count", "fraction", "bool", "a|b", ...
  std::string_view default_value;  // as a user would write it; empty: none
  std::string_view meaning;
};

// Every property that ParseWorkload reads, in the order of documentation.
std::span<const PropertySpec> KnownProperties();

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_WORKLOAD_H_
