// SPDX-License-Identifier: BSD-3-Clause
// The files of results/<run_id>/: manifest, summary, interval series and latency log. Their schema
// is results/README.md.
#ifndef FENCEPOST_HARNESS_REPORT_RUN_REPORT_H_
#define FENCEPOST_HARNESS_REPORT_RUN_REPORT_H_

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/clock.h"
#include "harness/hdr_log.h"
#include "harness/session.h"
#include "workloads/properties.h"

namespace fencepost {

// What is true of a whole invocation.
struct RunContext {
  std::string run_id;
  std::vector<std::string> command;
  uint64_t repeat = 0;
  std::vector<std::string> phases;  // of the invocation: "load", "run"
  std::string placement;            // as asked for: "default", "tmpfs", "disk"
  const EngineRow* row = nullptr;
  EngineOptions options;
  const WorkloadSpec* spec = nullptr;
  const Properties* properties = nullptr;
  ClockInfo clock;
};

nlohmann::json ManifestJson(const RunContext& context, const PhaseReport& report);
nlohmann::json SummaryJson(const RunContext& context, const PhaseReport& report);

// Writes one phase's folder. The latency log grows while the phase runs; the rest is written at
// its end, each file whole or not at all.
class RunFolder {
 public:
  // Makes `path` if it is absent. kIoError if it cannot be written.
  static Result<std::unique_ptr<RunFolder>> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  // To be called with each interval's recorder, in order.
  void LogInterval(double start_s, double length_s, const Recorder& recorder);
  Status Finish(const RunContext& context, const PhaseReport& report);

 private:
  explicit RunFolder(std::filesystem::path path);

  const std::filesystem::path path_;
  std::ofstream log_stream_;
  HdrLogWriter log_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_REPORT_RUN_REPORT_H_
