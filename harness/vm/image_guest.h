// SPDX-License-Identifier: BSD-3-Clause
// ImageGuest: a guest that recovers from one image of its disk after the other, in one boot. The
// host changes the disk's file while the guest has nothing of it in memory.
//
// Invariants: an image is judged by a recovery from exactly what was given, whatever the guest has
//   written since the last one: what differs is put back. A guest that fails is started anew, and
//   the image is tried once more: what fails twice is the image's doing.
// Threads: one owner.
#ifndef FENCEPOST_HARNESS_VM_IMAGE_GUEST_H_
#define FENCEPOST_HARNESS_VM_IMAGE_GUEST_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/judge.h"
#include "faultinject/explore/recovery.h"
#include "faultinject/vm/disk_states.h"
#include "faultinject/vm/virtual_machine.h"
#include "harness/vm/guest_host.h"

namespace fencepost {

// What became of an image.
struct RecoveredImage {
  Outcome outcome;      // of the engine's recovery
  std::string mount;    // why the disk could not be mounted; empty: it was
  std::string kernel;   // what the kernel complained of; empty: nothing
  std::string failure;  // how the guest failed, twice; empty: it did not
};

// What is wrong before the engine comes into it; the engine was asked only if that is nothing.
std::vector<Finding> JudgeMount(const RecoveredImage& image, const std::string& file_system);

class ImageGuest {
 public:
  // `prepare`: the request that comes first in each boot. REQUIRES: `host` outlives it, and nobody
  // else has its disk.
  ImageGuest(GuestHost* host, nlohmann::json prepare, double timeout_s);
  ~ImageGuest();
  ImageGuest(const ImageGuest&) = delete;
  ImageGuest& operator=(const ImageGuest&) = delete;

  // Boots the first guest. REQUIRES: comes first.
  Status Start();
  // Not ok if no guest can be started, or after Ctrl-C.
  Result<RecoveredImage> Recover(const DiskContents& contents);

  uint64_t restarts() const { return restarts_; }
  const std::vector<double>& boot_s() const { return boot_s_; }

 private:
  class DiskFile;

  Result<RecoveredImage> Ask();

  GuestHost* const host_;
  const nlohmann::json prepare_;
  const double timeout_s_;
  std::unique_ptr<DiskFile> disk_;
  std::optional<VirtualMachine> machine_;
  uint64_t restarts_ = 0;
  std::vector<double> boot_s_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_IMAGE_GUEST_H_
