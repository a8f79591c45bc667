// SPDX-License-Identifier: BSD-3-Clause
// Records crash runs of an engine: loads it, and runs the workload under the tracer on a copy of
// what was loaded, as often as is asked, with other interleavings of the workload's threads.
//
// The folder is a Recording with, beside it, engine.json (which engine, which properties) and
// history.jsonl (what the client asked and was told).
#ifndef FENCEPOST_HARNESS_CRASH_ENGINE_RECORDING_H_
#define FENCEPOST_HARNESS_CRASH_ENGINE_RECORDING_H_

#include <filesystem>
#include <map>
#include <string>

#include "faultinject/explore/recording.h"
#include "faultinject/explore/scratch_folder.h"
#include "faultinject/explore/trace_walk.h"
#include "harness/oracle/history.h"
#include "harness/oracle/history_file.h"
#include "harness/run_request.h"
#include "harness/valgrind_tool.h"

namespace fencepost {

// Where an engine keeps its data, and so what a crash can do to it.
enum class CrashDomain : unsigned char { kMemory, kFiles };
CrashDomain DomainOf(const EngineRow& row);

// Which engine and workload, as they are written down and read again.
struct CrashSubject {
  std::string engine;
  std::string workload;                           // its name
  std::map<std::string, std::string> properties;  // all of them
  // The run makes the store and loads it, in place of running the workload on one that was there.
  bool creation = false;

  // kUnsupported, kInvalidArgument where crash runs cannot take this engine or workload.
  Result<RunPlan> Plan() const;
  Status Write(const std::filesystem::path& folder) const;
  static Result<CrashSubject> Read(const std::filesystem::path& folder);
};

// From the flags: checked, and with a pool that is no larger than needed unless the user said so.
Result<CrashSubject> MakeCrashSubject(const WorkloadFlags& flags, const std::string& engine,
                                      bool creation = false);

// Where a store that a run makes is, below the directory that is recorded.
inline constexpr const char* kCreatedStore = "store";

// Records from one load, so that what recordings differ in is what their threads did.
class EngineRecorder {
 public:
  // Loads the engine, untraced. The pools are gone with the recorder.
  static Result<EngineRecorder> Make(const CrashSubject& subject, const ValgrindTool& tool);

  // Fills `folder`, which is there and empty. `sched_seed`: of the interleaving (pmemcheck's
  // --sched-seed); 0: Valgrind's own. `first`: the folder of this recorder's first recording, whose
  // image is shared where the file system can: it would be most of what each of them takes.
  Status Record(const std::filesystem::path& folder, uint32_t sched_seed,
                const std::filesystem::path& first) const;

  unsigned threads() const { return threads_; }

 private:
  EngineRecorder(CrashSubject subject, ValgrindTool tool, ScratchFolder scratch, unsigned threads);

  CrashSubject subject_;
  ValgrindTool tool_;
  ScratchFolder scratch_;
  unsigned threads_;
};

// What the engine holds once it is loaded: each record's first version.
StoreContents LoadedContents(const WorkloadSpec& spec);
// Loads the engine at `path`, untraced, and closes it. kCorrupt if it does not hold what it should.
Status LoadEngine(const RunPlan& plan, const std::filesystem::path& path);

// In the traced process: the workload on the engine at `path`, its history into `folder`.
// `after_line`: of the history.
Status RunCrashClient(const CrashSubject& subject, const std::filesystem::path& path,
                      const std::filesystem::path& folder,
                      const HistoryWriter::AfterLine& after_line = {});

// The history of a recorded run; operations are where the trace has them.
Result<History> ReadEngineHistory(const CrashSubject& subject, const std::filesystem::path& folder,
                                  const TraceSurvey& survey);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_ENGINE_RECORDING_H_
