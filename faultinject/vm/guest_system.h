// SPDX-License-Identifier: BSD-3-Clause
// What init does in a guest: mounts, modules, ports, file systems, the end.
//
// REQUIRES, of all: this process is init of a guest that MakeGuestImage has made.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_VM_GUEST_SYSTEM_H_
#define FENCEPOST_FAULTINJECT_VM_GUEST_SYSTEM_H_

#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

inline constexpr const char* kGuestPmem = "/mnt/pmem";  // ext4 on the NVDIMM, dax=always
inline constexpr const char* kGuestDisk = "/mnt/disk";

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
// Mounts the host's folder at `path`.
Status MountShare(const std::string& path);

// At once, as "echo c > /proc/sysrq-trigger" does it.
void PanicGuest();
// Writes everything back and ends the machine.
[[noreturn]] void PowerOffGuest();

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_GUEST_SYSTEM_H_
