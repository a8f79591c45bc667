// SPDX-License-Identifier: BSD-3-Clause
// What init does in a guest: mounts, modules, ports, file systems, the end.
//
// REQUIRES, of all: this process is init of a guest that MakeGuestImage has made.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_VM_GUEST_SYSTEM_H_
#define FENCEPOST_FAULTINJECT_VM_GUEST_SYSTEM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

inline constexpr const char* kGuestPmem = "/mnt/pmem";  // ext4 on the NVDIMM, dax=always
inline constexpr const char* kGuestDisk = "/mnt/disk";
inline constexpr const char* kGuestDiskDevice = "/dev/vda";
inline constexpr const char* kGuestPmemDevice = "/dev/pmem0";

// The kernel's own file systems, and every module.
Status SetUpGuest();

// An open port of this name ("control", "out", ...), once the kernel has found it.
Result<int> OpenGuestPort(const std::string& name);
// Its device: "/dev/vport0p4".
Result<std::string> GuestPortDevice(const std::string& name);

// Makes an fsdax namespace and its file system on the NVDIMM, and `file_system` on the disk.
Status FormatGuest(const std::string& file_system);
// Mounts both, which plays their journals back.
Status MountGuest(const std::string& file_system);
// `file_system` on the first `bytes` of the disk.
Status FormatDisk(const std::string& file_system, uint64_t bytes);
// A device alone, at kGuestDisk, with these options of the file system; and not any longer. Nothing
// of it is in memory before and after. UnmountDevice: kIoError while it is in use.
Status MountDevice(const std::string& device, const std::string& file_system,
                   const std::string& options);
Status UnmountDevice(const std::string& device);
// Mounts the host's folder at `path`.
Status MountShare(const std::string& path);

// At once, as "echo c > /proc/sysrq-trigger" does it.
void PanicGuest();
// Writes everything back and ends the machine.
[[noreturn]] void PowerOffGuest();

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_GUEST_SYSTEM_H_
