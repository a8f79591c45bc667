// SPDX-License-Identifier: BSD-3-Clause
// A recording of what a program did to the files below one directory. A folder with the I/O trace,
// a copy of the directory from before the run (`initial`), and recording.json.
//
// Invariants: replaying the trace onto the copy gives what was there after the run; LoadFileRun
//   proves it, and nothing is explored from a recording that does not.
// Threads: none.
#ifndef FENCEPOST_HARNESS_CRASH_FILE_RECORDING_H_
#define FENCEPOST_HARNESS_CRASH_FILE_RECORDING_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/files/file_explorer.h"
#include "faultinject/iotrace/io_fault.h"
#include "harness/child_process.h"
#include "harness/crash/engine_recording.h"

namespace fencepost {

struct FileRecording {
  std::filesystem::path folder;
  std::string root;                              // absolute, as the program had it
  std::vector<std::string> command = {};         // what was run
  std::vector<std::string> volatile_names = {};  // patterns of files whose contents do not matter
  int exit_code = 0;                             // of the program
  bool fault_was_played = false;                 // the one that was asked for
  std::string complaint = {};                    // what it wrote to standard error; not kept

  // recording.json.
  Status Write() const;
  static Result<FileRecording> Read(const std::filesystem::path& folder);
  // Whether a folder holds one, rather than a recording of memory.
  static bool IsIn(const std::filesystem::path& folder);

  std::filesystem::path trace_path() const { return folder / "trace"; }
  std::filesystem::path initial_path() const { return folder / "initial"; }
};

// Runs `command` and records what it does below `root`, which is there, into `folder`, which is
// there and empty. kUnsupported where the program did what cannot be seen, naming it; whatever its
// exit code, it is not an error here.
Result<FileRecording> RecordFiles(const std::filesystem::path& folder,
                                  const std::filesystem::path& root,
                                  const std::vector<std::string>& command,
                                  const std::vector<std::string>& volatile_names,
                                  const IoFault& fault = {},
                                  ChildProcess::Streams streams = ChildProcess::Streams::kNone);

// kCorrupt if the trace, replayed, does not give what the run left.
Result<FileRun> LoadFileRun(const FileRecording& recording);

// Records crash runs of an engine that keeps its data in files, from one load.
class FileEngineRecorder {
 public:
  // Loads the engine, unrecorded, on a tmpfs, or below `disk` if it cannot do without one. What it
  // loaded is gone with the recorder.
  static Result<FileEngineRecorder> Make(const CrashSubject& subject,
                                         const std::filesystem::path& disk);

  // Fills `folder`, which is there and empty. With a fault: whether the run came to it; then the
  // run may end with an error, though by no signal but the fault's own.
  Result<bool> Record(const std::filesystem::path& folder, const IoFault& fault = {}) const;

 private:
  FileEngineRecorder(CrashSubject subject, ScratchFolder scratch)
      : subject_(std::move(subject)), scratch_(std::move(scratch)) {}

  CrashSubject subject_;
  ScratchFolder scratch_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_FILE_RECORDING_H_
