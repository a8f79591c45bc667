// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/guest_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "faultinject/vm/guest_image.h"
#include "faultinject/vm/host_program.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Status Mount(const std::string& what, const std::string& where, const std::string& type,
             const std::string& options = {}) {
  std::error_code error;
  fs::create_directories(where, error);
  if (mount(what.c_str(), where.c_str(), type.c_str(), 0, options.c_str()) == 0) {
    return Status::Ok();
  }
  return Status::IoError(
      fmt::format("mount: {}: {} on {} ({} {})", std::strerror(errno), what, where, type, options));
}

Status LoadModule(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status::IoError(fmt::format("open: {}: {}", std::strerror(errno), path));
  const long loaded = syscall(SYS_finit_module, fd, "", 0);
  const int error = errno;
  close(fd);
  // Such as the checksums of a processor that has no instruction for them: another will do.
  if (loaded == 0 || error == EEXIST || error == ENODEV) return Status::Ok();
  return Status::IoError(fmt::format("finit_module: {}: {}", std::strerror(error), path));
}

// Nothing of it is in the page cache afterwards. REQUIRES: nothing of it is mounted.
Status ForgetDevice(const std::string& device) {
  const int fd = open(device.c_str(), O_RDONLY | O_CLOEXEC);
  const bool done = fd >= 0 && ioctl(fd, BLKFLSBUF) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (done) return Status::Ok();
  return Status::IoError(fmt::format("BLKFLSBUF: {}: {}", std::strerror(error), device));
}

// Devices come when their drivers have found them.
bool Appears(const std::function<bool()>& there) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    if (there()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

Status AwaitDevice(const char* device) {
  if (Appears([device] { return fs::exists(device); })) return Status::Ok();
  return Status::Unsupported(fmt::format("the guest has no {}{}", device,
                                         device == std::string(kGuestPmemDevice)
                                             ? ": its kernel found no NVDIMM (nfit, nd_pmem)"
                                             : ""));
}

}  // namespace

Status SetUpGuest() {
  RETURN_IF_ERROR(Mount("proc", "/proc", "proc"));
  RETURN_IF_ERROR(Mount("sysfs", "/sys", "sysfs"));
  RETURN_IF_ERROR(Mount("devtmpfs", "/dev", "devtmpfs"));
  // The image has no device files, so that init has begun without any of these.
  const int console = open("/dev/console", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (console >= 0 && console != fd) dup2(console, fd);
  }
  RETURN_IF_ERROR(Mount("tmpfs", "/dev/shm", "tmpfs"));
  RETURN_IF_ERROR(Mount("tmpfs", "/tmp", "tmpfs"));
  std::ifstream modules(kGuestModules);
  for (std::string module; std::getline(modules, module);) RETURN_IF_ERROR(LoadModule(module));
  return Status::Ok();
}

Result<std::string> GuestPortDevice(const std::string& name) {
  std::string device;
  const bool found = Appears([&] {
    std::error_code error;
    for (fs::directory_iterator entry("/sys/class/virtio-ports", error), end;
         !error && entry != end; entry.increment(error)) {
      std::string there;
      std::getline(std::ifstream(entry->path() / "name"), there);
      if (there == name) device = "/dev/" + entry->path().filename().string();
    }
    return !device.empty() && fs::exists(device);
  });
  if (found) return device;
  return Status::IoError(fmt::format("the guest has no port {}", name));
}

Result<int> OpenGuestPort(const std::string& name) {
  ASSIGN_OR_RETURN(const std::string device, GuestPortDevice(name));
  const int fd = open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (fd >= 0) return fd;
  return Status::IoError(fmt::format("open: {}: {}", std::strerror(errno), device));
}

Status FormatGuest(const std::string& file_system) {
  RETURN_IF_ERROR(AwaitDevice(kGuestPmemDevice));
  RETURN_IF_ERROR(AwaitDevice(kGuestDiskDevice));
  // A raw namespace is mounted without DAX.
  RETURN_IF_ERROR(RunHostProgram({"/bin/ndctl", "create-namespace", "-f", "-e", "namespace0.0",
                                  "-m", "fsdax", "-M", "mem"})
                      .status());
  RETURN_IF_ERROR(AwaitDevice(kGuestPmemDevice));
  RETURN_IF_ERROR(
      RunHostProgram({"/bin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", kGuestPmemDevice})
          .status());
  if (file_system == "ext4") {
    return RunHostProgram({"/bin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", kGuestDiskDevice})
        .status();
  }
  return RunHostProgram({"/bin/mkfs." + file_system, "-q", "-f", kGuestDiskDevice}).status();
}

Status MountGuest(const std::string& file_system) {
  RETURN_IF_ERROR(AwaitDevice(kGuestPmemDevice));
  RETURN_IF_ERROR(AwaitDevice(kGuestDiskDevice));
  RETURN_IF_ERROR(Mount(kGuestPmemDevice, kGuestPmem, "ext4", "dax=always"));
  return Mount(kGuestDiskDevice, kGuestDisk, file_system);
}

Status FormatDisk(const std::string& file_system, uint64_t bytes) {
  RETURN_IF_ERROR(AwaitDevice(kGuestDiskDevice));
  std::vector<std::string> words;
  if (file_system == "ext4") {
    // All of it now: what is left for later is written behind the back of a run.
    words = {"/bin/mke2fs",
             "-q",
             "-F",
             "-t",
             "ext4",
             "-b",
             "4096",
             "-E",
             "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
             "-N",
             "4096",
             kGuestDiskDevice,
             fmt::format("{}k", bytes >> 10)};
  } else if (file_system == "xfs") {
    // Smaller than what it is supported with.
    words = {
        "/bin/mkfs.xfs", "-q", "-f", "-K", "--unsupported", "-d", fmt::format("size={}", bytes),
        kGuestDiskDevice};
  } else {
    words = {"/bin/mkfs.btrfs",        "-q", "-f",     "-K", "-b",
             fmt::format("{}", bytes), "-m", "single", "-d", "single",
             kGuestDiskDevice};
  }
  return RunHostProgram(words).status();
}

Status MountDevice(const std::string& device, const std::string& file_system,
                   const std::string& options) {
  RETURN_IF_ERROR(AwaitDevice(device.c_str()));
  RETURN_IF_ERROR(ForgetDevice(device));
  return Mount(device, kGuestDisk, file_system, options);
}

Status UnmountDevice(const std::string& device) {
  if (umount2(kGuestDisk, 0) != 0) {
    return Status::IoError(fmt::format("umount: {}: {}", std::strerror(errno), kGuestDisk));
  }
  return ForgetDevice(device);
}

Status MountShare(const std::string& path) {
  return Mount("share", path, "9p", "trans=virtio,version=9p2000.L,msize=262144,cache=mmap");
}

void PanicGuest() {
  const int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "c", 1) != 1) close(fd);
}

void PowerOffGuest() {
  for (const char* where : {kGuestPmem, kGuestDisk}) umount2(where, 0);
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

}  // namespace fencepost
