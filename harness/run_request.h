// SPDX-License-Identifier: BSD-3-Clause
// What `load`, `run` and `bench` have in common: property files, -p, and YCSB's flags, turned into
// a workload, settings and an engine.
#ifndef FENCEPOST_HARNESS_RUN_REQUEST_H_
#define FENCEPOST_HARNESS_RUN_REQUEST_H_

#include <memory>
#include <string>
#include <vector>

#include "engines/engine_table.h"
#include "harness/placement.h"
#include "harness/run_settings.h"
#include "workloads/properties.h"
#include "workloads/workload.h"

namespace fencepost {

// The flags, as the user gave them.
struct WorkloadFlags {
  std::vector<std::string> files;       // -P
  std::vector<std::string> properties;  // -p
  std::string trace_file;               // --trace: fencepost.trace_file
  std::string threads;                  // -threads
  std::string target;                   // -target
  std::string seconds;                  // --seconds: maxexecutiontime, operationcount=0
  std::string label;                    // -l
  bool status = false;                  // -s
};

// For a flag that says nothing when it is empty: what is wrong with the value, or "".
std::string NotEmpty(const std::string& value);

// The flags as words of a command line of `run` or `load`.
void AppendWords(const WorkloadFlags& flags, std::vector<std::string>* words);

// Files in order, then -p, then the flags.
Result<std::unique_ptr<Properties>> ReadProperties(const WorkloadFlags& flags);

// Everything that a session needs, parsed and checked; nothing has been created yet.
struct RunPlan {
  std::unique_ptr<Properties> properties;
  std::unique_ptr<WorkloadSpec> spec;
  RunSettings settings;
  const EngineRow* row = nullptr;
  EngineOptions options;
};

Result<RunPlan> MakeRunPlan(const WorkloadFlags& flags, const std::string& engine,
                            Placement placement, const std::string& leaf);

// One line on standard error for each property that nothing read, or for one of them.
void WarnOfUnread(const Properties& properties);
void WarnOfUnread(const std::string& name, const std::string& origin);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_RUN_REQUEST_H_
