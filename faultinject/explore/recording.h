// SPDX-License-Identifier: BSD-3-Clause
// Recording: what it takes to rebuild every crash of a run. A folder with the trace, a copy of each
// persistent file from before the run, and recording.json.
//
// Invariants: replaying the whole trace onto the copies gives what the files held after the run;
// Verify() proves it, and nothing is explored from a recording that does not.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_RECORDING_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_RECORDING_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/trace/trace_file.h"

namespace fencepost {

struct RecordedFile {
  std::string path;          // absolute, as the program had it
  std::string initial = {};  // name of the copy in the recording's folder; empty: there was no file
  uint64_t final_bytes = 0;
  uint64_t final_hash = 0;  // XXH3, 64 bits, of what it held after the run
};

struct Recording {
  std::filesystem::path folder;
  std::vector<std::string> command = {};  // what was run
  std::vector<RecordedFile> files = {};
  bool finished = false;  // the program ended by itself and final_* are set
  // The store log that the trace was made from, by another recorder; empty: ours recorded.
  std::string log = {};

  // Copies what is at `path` now, if anything, into the folder. Before the run.
  Status AddFile(const std::filesystem::path& path);
  // Notes what the files hold. After the run.
  Status Finish();
  // recording.json.
  Status Write() const;
  static Result<Recording> Read(const std::filesystem::path& folder);

  std::filesystem::path trace_path() const { return folder / "trace"; }
};

// The files of `trace` (which is read to its end) with what they held before the run.
// kInvalidArgument if it maps a file that the recording does not have.
Result<ImageSet> InitialImages(const Recording& recording, TraceFile* trace);

// kCorrupt, naming the file, unless the trace, replayed onto the
// initial images, gives the final contents. What a killed program left cannot be proved: ok.
Status VerifyReplay(const Recording& recording, TraceFile* trace);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_RECORDING_H_
