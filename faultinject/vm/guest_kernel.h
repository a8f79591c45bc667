// SPDX-License-Identifier: BSD-3-Clause
// GuestKernel: the distribution's kernel, unpacked and not installed, as a guest boots it.
//
// In a folder of its own: `vmlinux` (or the kernel as it came, where it is compressed in a way that
// is not known), `lib/modules/VERSION/`, `version`. A folder with a `version` is whole.
//
// Threads: none; processes: any, the last one to finish wins.
// Not covered: kernels whose parts are built in that we expect as modules.
// Source: Linux, Documentation/x86/boot.rst (payload_offset).
#ifndef FENCEPOST_FAULTINJECT_VM_GUEST_KERNEL_H_
#define FENCEPOST_FAULTINJECT_VM_GUEST_KERNEL_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

class GuestKernel {
 public:
  // What `folder` holds; where it holds only linux-image-*.deb (scripts/setup.sh --vm), that is
  // unpacked first, which takes some seconds. kUnsupported, saying what to do, if there is neither.
  static Result<GuestKernel> Prepare(const std::filesystem::path& folder);
  // Whether Prepare will find something; why not, otherwise.
  static Status Available(const std::filesystem::path& folder);

  // The files of these modules and of all that they need, in the order in which they are to be
  // loaded. kUnsupported, naming it, for one that this kernel does not have.
  Result<std::vector<std::filesystem::path>> Modules(const std::vector<std::string>& names) const;

  const std::string& version() const { return version_; }
  std::filesystem::path image() const { return folder_ / "vmlinux"; }

 private:
  GuestKernel(std::filesystem::path folder, std::string version)
      : folder_(std::move(folder)), version_(std::move(version)) {}

  std::filesystem::path folder_;
  std::string version_;
};

// The compressed kernel inside a bzImage; empty if that is none, or is not compressed by xz.
std::string_view XzPayload(std::string_view image);

// The paths in what `modprobe --show-depends` prints, in its order.
std::vector<std::filesystem::path> ModulesOf(std::string_view shown);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_GUEST_KERNEL_H_
