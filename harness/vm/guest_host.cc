// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/guest_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "faultinject/vm/guest_image.h"
#include "faultinject/vm/host_program.h"
#include "harness/interrupt.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kQemu = "qemu-system-x86_64";
constexpr const char* kKvm = "/dev/kvm";
// A guest that the processor executes has said something long before.
constexpr double kKvmPatienceSeconds = 8;
// What a run of some thousand operations writes, with its file system.
constexpr uint64_t kDiskLogBytes = uint64_t{256} << 20;

std::string FirstLine(const fs::path& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

// Identifies this run of the host's kernel.
std::string BootId() { return FirstLine("/proc/sys/kernel/random/boot_id"); }

// Makes a file whose every byte has its place.
Status Reserve(const fs::path& path, uint64_t bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Status::IoError(fmt::format("open: {}: {}", std::strerror(errno), path.string()));
  }
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  close(fd);
  if (error == 0) return Status::Ok();
  return Status::Full(fmt::format("a guest needs {} MiB in {}: {} (--scratch names another folder)",
                                  bytes >> 20, path.parent_path().parent_path().string(),
                                  std::strerror(error)));
}

// Why KVM cannot be opened; empty if it can.
std::string WhyNoKvm() {
  const int fd = open(kKvm, O_RDWR | O_CLOEXEC);
  if (fd < 0) return fmt::format("{}: {}", kKvm, std::strerror(errno));
  close(fd);
  return {};
}

Status CheckSizes(const GuestSettings& settings) {
  constexpr uint64_t kMost = 65536, kLeastPmem = 32, kLeastDisk = 320;
  if (settings.pmem_mib < kLeastPmem || settings.pmem_mib > kMost || settings.pmem_mib % 16 != 0) {
    return Status::InvalidArgument(
        fmt::format("--pmem={}: must be a multiple of 16 MiB from {} to {}", settings.pmem_mib,
                    kLeastPmem, kMost));
  }
  // mkfs.xfs makes none that is smaller than 300 MiB.
  if (settings.disk_mib < kLeastDisk || settings.disk_mib > kMost) {
    return Status::InvalidArgument(
        fmt::format("--disk={}: must be from {} to {} MiB", settings.disk_mib, kLeastDisk, kMost));
  }
  return Status::Ok();
}

Status CheckSettings(const GuestSettings& settings) {
  const std::vector<std::string>& known = DiskFileSystems();
  if (std::find(known.begin(), known.end(), settings.file_system) == known.end()) {
    return Status::InvalidArgument(
        fmt::format("--fs={}: a guest's disk may have ext4, xfs or btrfs", settings.file_system));
  }
  if (!settings.for_images) RETURN_IF_ERROR(CheckSizes(settings));
  if (settings.accelerator == "kvm") {
    if (const std::string why = WhyNoKvm(); !why.empty()) {
      return Status::Unsupported("--accel=kvm: " + why);
    }
  }
  return Status::Ok();
}

}  // namespace

fs::path KernelFolder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return fs::path(cache) / "fencepost" / "vm";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/root" : home) / ".cache" / "fencepost" / "vm";
}

std::string VirtualMachinesHere() {
  if (const auto qemu = FindHostProgram(kQemu); !qemu.ok()) {
    return fmt::format("not possible: {}", qemu.message());
  }
  if (const Status kernel = GuestKernel::Available(KernelFolder()); !kernel.ok()) {
    return fmt::format("not possible: {}", kernel.message());
  }
  const std::string why = WhyNoKvm();
  if (!why.empty()) return fmt::format("possible, emulated ({})", why);
  const std::string known = FirstLine(KernelFolder() / "accelerator");
  if (known == BootId() + " tcg") return "possible, emulated (KVM was tried: it executes no guest)";
  return known == BootId() + " kvm" ? "possible, by KVM"
                                    : "possible (KVM can be opened, and has not been tried)";
}

GuestHost::GuestHost(GuestSettings settings, GuestKernel kernel, ScratchFolder scratch,
                     fs::path qemu)
    : settings_(std::move(settings)),
      kernel_(std::move(kernel)),
      scratch_(std::move(scratch)),
      qemu_(std::move(qemu)) {}

Result<GuestHost> GuestHost::Make(const GuestSettings& settings) {
  RETURN_IF_ERROR(CheckSettings(settings));
  ASSIGN_OR_RETURN(fs::path qemu, FindHostProgram(kQemu));
  GuestSettings whole = settings;
  if (whole.kernel_folder.empty()) whole.kernel_folder = KernelFolder();
  if (whole.scratch_root.empty()) whole.scratch_root = fs::temp_directory_path();
  ASSIGN_OR_RETURN(GuestKernel kernel, GuestKernel::Prepare(whole.kernel_folder));
  ASSIGN_OR_RETURN(ScratchFolder scratch, ScratchFolder::Make(whole.scratch_root));
  GuestHost host(std::move(whole), std::move(kernel), std::move(scratch), std::move(qemu));
  RETURN_IF_ERROR(host.MakeFiles());
  host.ChooseAccelerator();
  return host;
}

Status GuestHost::MakeFiles() {
  if (settings_.for_images) {
    // A whole number of steps, of which the file system has the beginning.
    settings_.pmem_mib = (settings_.disk_mib + 15) / 16 * 16;
    RETURN_IF_ERROR(Reserve(disk_log(), kDiskLogBytes));
    RETURN_IF_ERROR(Reserve(image(), settings_.pmem_mib << 20));
  } else {
    RETURN_IF_ERROR(Reserve(scratch() / "nvdimm", (settings_.pmem_mib << 20) + kNvdimmLabelBytes));
  }
  RETURN_IF_ERROR(Reserve(scratch() / "disk", settings_.disk_mib << 20));
  return MakeGuestImage(fs::read_symlink("/proc/self/exe"), kernel_, settings_.file_system,
                        scratch() / "initrd");
}

void GuestHost::ChooseAccelerator() {
  if (settings_.accelerator == "tcg") return;
  accelerator_ = Accelerator::kKvm;
  if (settings_.accelerator == "kvm") return;
  why_emulated_ = WhyNoKvm();
  const std::string known = FirstLine(settings_.kernel_folder / "accelerator");
  if (why_emulated_.empty() && known == BootId() + " tcg") {
    why_emulated_ = "KVM was tried here before: it executes no guest";
  }
  if (!why_emulated_.empty()) {
    accelerator_ = Accelerator::kEmulation;
    return;
  }
  untried_ = known != BootId() + " kvm";
}

void GuestHost::Remember(Accelerator accelerator) const {
  std::ofstream(settings_.kernel_folder / "accelerator")
      << BootId() << " " << AcceleratorName(accelerator) << "\n";
}

Result<VirtualMachine> GuestHost::Boot(const BootParts& parts) {
  if (untried_) {
    untried_ = false;
    Result<VirtualMachine> machine = BootBy(Accelerator::kKvm, kKvmPatienceSeconds, parts);
    if (machine.ok() || Interrupted()) {
      if (machine.ok()) Remember(Accelerator::kKvm);
      return machine;
    }
    Remember(Accelerator::kEmulation);
    accelerator_ = Accelerator::kEmulation;
    why_emulated_ = fmt::format("KVM can be opened, and executes no guest: {}", machine.message());
  }
  Result<VirtualMachine> machine = BootBy(accelerator_, settings_.boot_timeout_s, parts);
  // On a busy host an emulated kernel may lose its way while it looks for its clocks. Nothing has
  // been mounted by then, so another boot begins from the same.
  if (machine.ok() || Interrupted()) return machine;
  return BootBy(accelerator_, settings_.boot_timeout_s, parts);
}

Result<VirtualMachine> GuestHost::BootBy(Accelerator accelerator, double timeout_s,
                                         const BootParts& parts) {
  const auto begin = Clock::now();
  const bool images = settings_.for_images, of_image = images && !parts.recorded;
  const uint64_t nvdimm_bytes = settings_.pmem_mib << 20;
  ASSIGN_OR_RETURN(
      VirtualMachine machine,
      VirtualMachine::Start({.qemu = qemu_,
                             .accelerator = accelerator,
                             .kernel = kernel_.image(),
                             .initrd = scratch() / "initrd",
                             .init = fmt::format("{} -- {}", kGuestProgram, kGuestCommand),
                             .nvdimm = of_image ? image()
                                       : images ? fs::path()
                                                : scratch() / "nvdimm",
                             .nvdimm_bytes = nvdimm_bytes + (images ? 0 : kNvdimmLabelBytes),
                             .nvdimm_label = !images,
                             .disk = of_image ? fs::path() : scratch() / "disk",
                             .disk_log = images && parts.recorded ? disk_log() : fs::path(),
                             .share = parts.share,
                             .history = parts.history,
                             .console = scratch() / "console"}));
  ASSIGN_OR_RETURN(const json ready, AwaitAnswer(machine, timeout_s));
  if (!ready.contains("ready")) return Status::IoError("the guest does not say that it is ready");
  last_boot_s_ = std::chrono::duration<double>(Clock::now() - begin).count();
  return machine;
}

json GuestHost::Facts() const {
  return {{"accelerator", AcceleratorName(accelerator_)},
          {"kernel", kernel_.version()},
          {"file_system", settings_.file_system},
          {"pmem_mib", settings_.for_images ? 0 : settings_.pmem_mib},
          {"disk_mib", settings_.disk_mib}};
}

Result<json> AwaitAnswer(VirtualMachine& machine, double timeout_s) {
  ASSIGN_OR_RETURN(const std::string line, machine.Receive(timeout_s, Interrupted));
  json answer = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return Status::IoError("the guest answers no JSON: " + line);
  if (answer.contains("error")) {
    return Status::IoError("the guest: " + answer["error"].get<std::string>());
  }
  return answer;
}

Result<json> AskGuest(VirtualMachine& machine, const json& request, double timeout_s) {
  RETURN_IF_ERROR(machine.Send(request.dump()));
  return AwaitAnswer(machine, timeout_s);
}

}  // namespace fencepost
