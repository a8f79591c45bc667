// SPDX-License-Identifier: BSD-3-Clause
// VirtualMachine: one QEMU process with an NVDIMM, a disk and a few ports, and its sudden end.
//
// The guest and its owner speak in lines over one port; two more carry what commands of the guest
// write to their standard output and error; a fourth goes to a file: the history of a run.
//
// Invariants:
//   1. What the guest has written to a port when its write returns is with the host: notifications
//      are handled by the guest's own processor, at once (ioeventfd and event_idx are off). So a
//      killed machine leaves no operation under way whose beginning the history does not have.
//   2. The process ends with its owner, even if that is killed.
// Threads: one owner.
// Not covered: hosts whose own power is cut: flushes of the disk are not passed on to theirs.
// Source: QEMU 7.2, qemu(1); docs/nvdimm.txt.
#ifndef FENCEPOST_FAULTINJECT_VM_VIRTUAL_MACHINE_H_
#define FENCEPOST_FAULTINJECT_VM_VIRTUAL_MACHINE_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// Who executes the guest's instructions: the processor, or QEMU in software.
enum class Accelerator : unsigned char { kKvm, kEmulation };
std::string_view AcceleratorName(Accelerator accelerator);  // "kvm", "tcg"

// Part of an NVDIMM that describes what the rest of it is used for.
inline constexpr uint64_t kNvdimmLabelBytes = uint64_t{16} << 20;
// What remains must be a multiple of this.
inline constexpr uint64_t kNvdimmStepBytes = uint64_t{16} << 20;

struct MachineParts {
  std::filesystem::path qemu = {};
  Accelerator accelerator = Accelerator::kEmulation;
  std::filesystem::path kernel = {};
  std::filesystem::path initrd = {};
  std::string init = {};                // what init is called with
  std::filesystem::path nvdimm = {};    // a file of label and data; empty: none
  uint64_t nvdimm_bytes = 0;            // of both
  bool nvdimm_label = true;             // without a label it is one device, /dev/pmem0, as it is
  std::filesystem::path disk = {};      // a file; empty: none
  std::filesystem::path disk_log = {};  // a file that is there: what the disk is asked to write
  std::filesystem::path share = {};     // a folder of the host; empty: none
  std::filesystem::path history = {};   // made anew; empty: the port leads nowhere
  std::filesystem::path console = {};   // what the kernel says, made anew
  uint64_t memory_mib = 1024;
};

// The words that start it. The descriptors are this process's.
struct PortDescriptors {
  int control = -1, out = -1, error = -1;
};
std::vector<std::string> QemuWords(const MachineParts& parts, const PortDescriptors& ports);

class VirtualMachine {
 public:
  // kIoError if the process cannot be started.
  static Result<VirtualMachine> Start(const MachineParts& parts);
  VirtualMachine(VirtualMachine&& other) noexcept;
  VirtualMachine& operator=(VirtualMachine&&) = delete;
  ~VirtualMachine();  // kills it

  // One line, without its end. kIoError if the machine is gone.
  Status Send(const std::string& line);
  // The next line of the guest; meanwhile what its commands write is passed on. kIoError, saying
  // what is known of it, when the machine has ended, when the guest has panicked, after
  // `timeout_s`, and (message "interrupted") once `give_up` says so.
  Result<std::string> Receive(double timeout_s, const std::function<bool()>& give_up);

  // SIGKILL, and waits for the end: nothing is written afterwards.
  void Kill();
  // SIGSTOP, as a machine that freezes before it is switched off.
  void Freeze();
  // Waits until it has ended by itself. False: it has not within `timeout_s`.
  bool AwaitEnd(double timeout_s);
  bool running() const { return pid_ > 0; }

 private:
  VirtualMachine() = default;

  bool PassOn(int fd, int to) const;  // whether there was anything
  std::string WhyItEnded();
  void Reap(int status);

  pid_t pid_ = -1;
  int pidfd_ = -1;
  int control_ = -1, out_ = -1, error_ = -1, complaints_ = -1;
  std::string received_;
  std::string end_;  // how the process ended
  std::filesystem::path console_;
};

// The kernel's own reason for a panic, in what its console has shown; empty if there was none.
std::string PanicIn(std::string_view console);
// The last thing that the console has shown, without control characters; empty if nothing.
std::string LastLineOf(std::string_view console);

// What init has complained of there; otherwise the last thing.
std::string ComplaintIn(std::string_view console);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_VIRTUAL_MACHINE_H_
