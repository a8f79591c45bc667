// SPDX-License-Identifier: BSD-3-Clause
// In a guest: marks in the log of its disk while a run is recorded, and one recovery after the
// other from images that the host has put into its NVDIMM, which takes the disk's place: reading
// and writing it costs no exit from the guest.
//
// Threads: DiskMarker: one at a time; GuestImages: none.
#ifndef FENCEPOST_HARNESS_VM_GUEST_IMAGES_H_
#define FENCEPOST_HARNESS_VM_GUEST_IMAGES_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engines/status.h"
#include "faultinject/explore/worker_process.h"
#include "harness/crash/engine_recording.h"
#include "harness/crash/engine_recovery.h"

namespace fencepost {

// Writes marks (DiskMark) to the disk, past the page cache and behind the file system. A mark is in
// the disk's log when Put has returned, and nothing is flushed by it.
class DiskMarker {
 public:
  // At this byte of the disk, the first of a sector.
  static Result<DiskMarker> Open(uint64_t offset);
  DiskMarker(DiskMarker&& other) noexcept;
  DiskMarker& operator=(DiskMarker&&) = delete;
  ~DiskMarker();

  Status Put(uint64_t line);

 private:
  DiskMarker(int fd, uint64_t offset) : fd_(fd), offset_(offset) {}

  int fd_;
  uint64_t offset_;
};

class GuestImages {
 public:
  struct Settings {
    std::string file_system, mount_options;
    std::filesystem::path store;  // where it is then
    double timeout_s = 10;
    UseAfterwards afterwards;
  };
  static Result<std::unique_ptr<GuestImages>> Make(const CrashSubject& subject, Settings settings);

  // Mounts the image, recovers and unmounts. The answer of a recovery (GuestOutcomeJson),
  // and beside it "mount", why the disk could not be mounted, and "kernel", what the kernel had to
  // complain of; both empty if there was nothing. kIoError if it cannot be unmounted.
  Result<nlohmann::json> Recover();

 private:
  GuestImages(RunPlan plan, Settings settings, int kernel_log);

  // What the kernel has said since the last call: its first complaint.
  std::string Complaint() const;
  Status Unmount();

  const RunPlan plan_;
  const Settings settings_;
  const int kernel_log_;
  EngineRecovery recovery_;
  WorkerProcess worker_;
};

// What came of a recovery from a store, for the host.
nlohmann::json GuestOutcomeJson(const Outcome& outcome, const std::filesystem::path& store);
Result<Outcome> ParseGuestOutcome(const nlohmann::json& answer);

// What a line of the kernel's log (/dev/kmsg) complains of; empty if of nothing.
std::string KernelComplaint(const std::string& record);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_GUEST_IMAGES_H_
