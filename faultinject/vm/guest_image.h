// SPDX-License-Identifier: BSD-3-Clause
// The first file system of a guest: one program with its libraries, the modules of the kernel, and
// what makes file systems. The program is the guest's only process: it is started as init.
//
// Threads: none.
// Not covered: programs that load libraries by names of their own (dlopen).
#ifndef FENCEPOST_FAULTINJECT_VM_GUEST_IMAGE_H_
#define FENCEPOST_FAULTINJECT_VM_GUEST_IMAGE_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "faultinject/vm/guest_kernel.h"

namespace fencepost {

// File systems that a guest's disk may have: "ext4", "xfs", "btrfs".
const std::vector<std::string>& DiskFileSystems();

// Where things are in a guest.
inline constexpr const char* kGuestProgram = "/bin/fencepost";
inline constexpr const char* kGuestModules = "/modules";  // a module's path a line
// What the kernel gives init on its command line, to tell that it is one.
inline constexpr const char* kGuestCommand = "vm-guest";

// Writes the archive `image`. `program` is the one to start; `file_system`: of the disk.
// kUnsupported if a program or a module is missing that this needs.
Status MakeGuestImage(const std::filesystem::path& program, const GuestKernel& kernel,
                      const std::string& file_system, const std::filesystem::path& image);

// The libraries in what ldd prints: absolute paths, each once.
std::vector<std::string> LibrariesOf(std::string_view printed);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_GUEST_IMAGE_H_
