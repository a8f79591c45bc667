// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/guest_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "faultinject/vm/cpio_archive.h"
#include "faultinject/vm/host_program.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// Of the buses, NVDIMMs, disks, ports and shared folders.
const std::vector<std::string> kModules = {"virtio_pci", "virtio_console", "virtio_blk", "nfit",
                                           "nd_pmem",    "9pnet_virtio",   "9p",         "ext4"};

std::string MakerOf(const std::string& file_system) {
  return file_system == "ext4" ? "mke2fs" : "mkfs." + file_system;
}

// Under its own path: ldd gives every library as the loader will look for it.
Status AddProgram(const std::string& name, const fs::path& program, CpioArchive* archive) {
  RETURN_IF_ERROR(archive->AddFile(name, program));
  ASSIGN_OR_RETURN(const fs::path ldd, FindHostProgram("ldd"));
  const Result<std::string> printed = RunHostProgram({ldd.string(), program.string()});
  RETURN_IF_ERROR(printed.status());
  for (const std::string& library : LibrariesOf(*printed)) {
    RETURN_IF_ERROR(archive->AddFile(library, library));
  }
  return Status::Ok();
}

}  // namespace

const std::vector<std::string>& DiskFileSystems() {
  static const std::vector<std::string> kNames = {"ext4", "xfs", "btrfs"};
  return kNames;
}

std::vector<std::string> LibrariesOf(std::string_view printed) {
  std::vector<std::string> libraries;
  std::istringstream words{std::string(printed)};
  for (std::string word; words >> word;) {
    if (!word.starts_with('/')) continue;
    if (std::find(libraries.begin(), libraries.end(), word) == libraries.end()) {
      libraries.push_back(word);
    }
  }
  return libraries;
}

Status MakeGuestImage(const fs::path& program, const GuestKernel& kernel,
                      const std::string& file_system, const fs::path& image) {
  ASSIGN_OR_RETURN(CpioArchive archive, CpioArchive::Create(image));
  for (const char* folder : {"/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/mnt"}) {
    RETURN_IF_ERROR(archive.AddFolder(folder));
  }
  RETURN_IF_ERROR(AddProgram(kGuestProgram, program, &archive));
  for (const std::string& name :
       {std::string("ndctl"), std::string("mke2fs"), MakerOf(file_system)}) {
    ASSIGN_OR_RETURN(const fs::path found, FindHostProgram(name));
    RETURN_IF_ERROR(AddProgram("/bin/" + name, found, &archive));
  }
  if (fs::exists("/etc/mke2fs.conf")) {
    RETURN_IF_ERROR(archive.AddFile("/etc/mke2fs.conf", "/etc/mke2fs.conf"));
  }
  if (fs::exists("/etc/os-release")) {
    RETURN_IF_ERROR(archive.AddFile("/etc/os-release", "/etc/os-release"));
  }
  RETURN_IF_ERROR(archive.AddLink("/etc/mtab", "/proc/self/mounts"));
  std::vector<std::string> names = kModules;
  if (file_system != "ext4") names.push_back(file_system);
  ASSIGN_OR_RETURN(const std::vector<fs::path> modules, kernel.Modules(names));
  std::string order;
  for (const fs::path& module : modules) {
    const std::string name = fmt::format("{}.d/{}", kGuestModules, module.filename().string());
    RETURN_IF_ERROR(archive.AddFile(name, module));
    order += name + "\n";
  }
  RETURN_IF_ERROR(archive.AddText(kGuestModules, order));
  return archive.Finish();
}

}  // namespace fencepost
