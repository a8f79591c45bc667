// SPDX-License-Identifier: BSD-3-Clause
// DiskRecording: a run of an engine in a guest, with the log of what its disk was asked to write.
//
// A folder with engine.json and history.jsonl as of any ended run, `disk-log`, and disk.json (which
// file system, how mounted, how large). The lines of the history are marked in the log.
//
// Threads: none.
#ifndef FENCEPOST_HARNESS_VM_DISK_RECORDING_H_
#define FENCEPOST_HARNESS_VM_DISK_RECORDING_H_

#include <cstdint>
#include <filesystem>
#include <string>

#include "engines/status.h"
#include "faultinject/vm/disk_states.h"
#include "harness/crash/ended_run.h"
#include "harness/vm/guest_host.h"

namespace fencepost {

// How much of the disk lies behind the file system, for marks.
inline constexpr uint64_t kMarksMib = 1;

struct DiskRecording {
  std::filesystem::path folder;
  std::string file_system;
  std::string mount_options;  // of the run; it is recovered from with the same
  uint64_t disk_bytes = 0;    // of the file system
  double run_s = 0;

  // Boots a guest, makes the file system and the store, runs the workload, and ends the guest.
  // `folder` is there and empty; the log stays where the host has it. kIoError if the run fails.
  static Result<DiskRecording> Record(GuestHost* host, const CrashSubject& subject,
                                      const std::string& mount_options, uint64_t disk_bytes,
                                      const std::filesystem::path& folder);
  static Result<DiskRecording> Read(const std::filesystem::path& folder);
  // Copies it, with the used part of `log`, to `to`, which is made.
  Status Keep(const std::filesystem::path& log, uint64_t log_bytes,
              const std::filesystem::path& to) const;
  std::filesystem::path kept_log() const { return folder / "disk-log"; }
};

// The states of a recorded disk, whose sectors never tear. kCorrupt if the log and the history do
// not fit: a line that is marked and did not arrive, or one that arrived and is not marked.
Result<DiskStates> StatesOf(const DiskRecording& recording, const std::filesystem::path& log,
                            const EndedRun& run, uint64_t sector_bytes);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_DISK_RECORDING_H_
