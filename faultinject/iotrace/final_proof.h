// SPDX-License-Identifier: BSD-3-Clause
// What IoRecorder::Finish() adds to a trace: stores that nobody has looked at since they were made,
// and the proof that the trace makes what is there.
//
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_FINAL_PROOF_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_FINAL_PROOF_H_

#include <cstdint>
#include <filesystem>
#include <string>

#include "engines/status.h"
#include "faultinject/iotrace/file_tree.h"
#include "faultinject/iotrace/io_trace.h"
#include "faultinject/iotrace/recorder/control.h"

namespace fencepost {

struct FinalProof {
  std::string records;  // to be appended
  uint64_t events = 0;  // that are in them
  uint64_t tree = 0;    // LogHeader::final_tree
};

// Replays `trace` and compares with what is below `root`. kCorrupt, naming the file, where the
// events do not make it; kIoError.
Result<FinalProof> ProveEnd(const FileTree& initial, const std::filesystem::path& root,
                            const iorecorder::Control& control, IoTrace* trace);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_FINAL_PROOF_H_
