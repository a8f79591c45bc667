// SPDX-License-Identifier: BSD-3-Clause
// GuestHost: everything outside of a guest that outlives one boot of it: the image it boots, its
// NVDIMM, its disk, and what is known of how it can be executed here.
//
// Invariants: nothing of it is left behind: its files lie in a ScratchFolder, and space for the
//   NVDIMM and the disk is taken before the first boot, since a full disk would be an error of the
//   guest's hardware.
// Threads: none.
#ifndef FENCEPOST_HARNESS_VM_GUEST_HOST_H_
#define FENCEPOST_HARNESS_VM_GUEST_HOST_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "faultinject/explore/scratch_folder.h"
#include "faultinject/vm/guest_kernel.h"
#include "faultinject/vm/virtual_machine.h"

namespace fencepost {

struct GuestSettings {
  std::filesystem::path kernel_folder;  // empty: KernelFolder()
  std::filesystem::path scratch_root;   // empty: that of temporary files
  std::string accelerator = "auto";     // or "kvm", "tcg"
  std::string file_system = "ext4";     // of the disk
  uint64_t pmem_mib = 256;              // a multiple of 16
  uint64_t disk_mib = 320;
  double boot_timeout_s = 60;
  // For images of the disk: a disk of any size and the log of its writes, or, in place of both, an
  // image as an NVDIMM.
  bool for_images = false;
};

// What one boot has beside that.
struct BootParts {
  std::filesystem::path share = {};    // a folder of the host
  std::filesystem::path history = {};  // of the port; made anew
  bool recorded = false;               // for_images: with the disk, which is logged; else: an image
};

// Where scripts/setup.sh puts the kernel: $XDG_CACHE_HOME/fencepost/vm, or below ~/.cache.
std::filesystem::path KernelFolder();

// What virtual machines here need and have; a line each, for `doctor`.
std::string VirtualMachinesHere();

class GuestHost {
 public:
  static Result<GuestHost> Make(const GuestSettings& settings);

  // Boots until the guest is ready, in a second try if need be. `history`: made anew. The first
  // boot finds out whether KVM executes guests, where it was left open and has not been found out
  // since the machine started.
  Result<VirtualMachine> Boot(const BootParts& parts = {});

  Accelerator accelerator() const { return accelerator_; }
  // Why KVM is not used although nobody forbade it; empty if it is, or was forbidden.
  const std::string& why_emulated() const { return why_emulated_; }
  const std::string& file_system() const { return settings_.file_system; }
  const std::string& kernel_version() const { return kernel_.version(); }
  const std::filesystem::path& scratch() const { return scratch_.path(); }
  std::filesystem::path disk_log() const { return scratch() / "disk-log"; }  // for_images
  std::filesystem::path image() const { return scratch() / "image"; }        // for_images
  uint64_t disk_mib() const { return settings_.disk_mib; }
  double last_boot_s() const { return last_boot_s_; }
  // What results say of it.
  nlohmann::json Facts() const;

 private:
  GuestHost(GuestSettings settings, GuestKernel kernel, ScratchFolder scratch,
            std::filesystem::path qemu);

  Status MakeFiles();
  Result<VirtualMachine> BootBy(Accelerator accelerator, double timeout_s, const BootParts& parts);
  void ChooseAccelerator();
  void Remember(Accelerator accelerator) const;

  GuestSettings settings_;
  GuestKernel kernel_;
  ScratchFolder scratch_;
  std::filesystem::path qemu_;
  Accelerator accelerator_ = Accelerator::kEmulation;
  bool untried_ = false;  // KVM can be opened, and has not executed a guest yet
  std::string why_emulated_;
  double last_boot_s_ = 0;
};

// Asks the guest, and waits for its answer. kIoError for what the guest answers with an error, for
// a guest that does not answer, and (message "interrupted") after Ctrl-C.
Result<nlohmann::json> AskGuest(VirtualMachine& machine, const nlohmann::json& request,
                                double timeout_s);
Result<nlohmann::json> AwaitAnswer(VirtualMachine& machine, double timeout_s);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_GUEST_HOST_H_
