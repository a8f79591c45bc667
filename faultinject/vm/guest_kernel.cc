// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/guest_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "faultinject/explore/scratch_folder.h"
#include "faultinject/vm/host_program.h"
#include "faultinject/vm/whole_file.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Status WriteFile(const fs::path& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  return out ? Status::Ok() : Status::IoError(fmt::format("write: {}", path.string()));
}

// The newest by name, empty if there is none.
fs::path PackageIn(const fs::path& folder) {
  fs::path newest;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with("linux-image-") || !name.ends_with(".deb")) continue;
    newest = std::max(newest, entry->path());
  }
  return newest;
}

// A number of the boot sector, lowest byte first.
uint32_t Number(std::string_view image, size_t offset) {
  uint32_t number = 0;
  std::memcpy(&number, image.data() + offset, sizeof number);
  return number;
}

// A kernel that need not decompress itself boots in a third of the time where it is emulated.
Status Decompress(const fs::path& image, const fs::path& scratch, const fs::path& kernel) {
  const std::string bytes = ReadWholeFile(image);
  const std::string_view payload = XzPayload(bytes);
  if (!payload.empty()) {
    ASSIGN_OR_RETURN(const fs::path xz, FindHostProgram("xz"));
    RETURN_IF_ERROR(WriteFile(scratch / "payload", payload));
    const Result<std::string> unpacked =
        RunHostProgram({xz.string(), "-dc"}, scratch / "payload", kernel);
    if (unpacked.ok()) return Status::Ok();
  }
  return WriteFile(kernel, bytes);
}

Status Unpack(const fs::path& package, const fs::path& folder) {
  ASSIGN_OR_RETURN(const fs::path dpkg, FindHostProgram("dpkg"));
  ASSIGN_OR_RETURN(const fs::path depmod, FindHostProgram("depmod"));
  ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make(folder));
  const fs::path root = scratch.path() / "root";
  RETURN_IF_ERROR(RunHostProgram({dpkg.string(), "-x", package.string(), root.string()}).status());
  std::error_code error;
  const fs::directory_iterator versions(root / "lib" / "modules", error);
  if (error || versions == fs::directory_iterator()) {
    return Status::Unsupported(fmt::format("{}: holds no kernel modules", package.string()));
  }
  const std::string version = versions->path().filename().string();
  RETURN_IF_ERROR(RunHostProgram({depmod.string(), "-b", root.string(), version}).status());
  fs::path kernel = scratch.path() / "vmlinux";
  RETURN_IF_ERROR(Decompress(root / "boot" / ("vmlinuz-" + version), scratch.path(), kernel));
  fs::remove_all(folder / "lib", error);
  fs::rename(root / "lib", folder / "lib", error);
  if (!error) fs::rename(kernel, folder / "vmlinux", error);
  if (error) {
    return Status::IoError(fmt::format("rename: {}, {}", error.message(), folder.string()));
  }
  return WriteFile(folder / "version", version);
}

}  // namespace

std::string_view XzPayload(std::string_view image) {
  constexpr size_t kHeaderBytes = 0x250;
  if (image.size() < kHeaderBytes || image.substr(0x202, 4) != "HdrS") return {};
  const size_t sectors = static_cast<unsigned char>(image[0x1f1]);
  const size_t begin = ((sectors == 0 ? 4 : sectors) + 1) * 512 + Number(image, 0x248);
  const size_t bytes = Number(image, 0x24c);
  // Behind the stream stands its unpacked length, which is none of xz's.
  if (bytes < 4 || begin > image.size() || bytes > image.size() - begin) return {};
  const std::string_view payload = image.substr(begin, bytes - 4);
  return payload.starts_with(std::string_view("\xfd"
                                              "7zXZ\0",
                                              6))
             ? payload
             : std::string_view();
}

std::vector<fs::path> ModulesOf(std::string_view shown) {
  std::vector<fs::path> modules;
  std::istringstream lines{std::string(shown)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string verb, path;
    words >> verb >> path;
    if (verb == "insmod") modules.emplace_back(path);
  }
  return modules;
}

Status GuestKernel::Available(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "version", error) || !PackageIn(folder).empty()) return Status::Ok();
  return Status::Unsupported(
      fmt::format("there is no kernel for a guest in {} (scripts/setup.sh --vm downloads one)",
                  folder.string()));
}

Result<GuestKernel> GuestKernel::Prepare(const fs::path& folder) {
  RETURN_IF_ERROR(Available(folder));
  if (!fs::exists(folder / "version")) RETURN_IF_ERROR(Unpack(PackageIn(folder), folder));
  return GuestKernel(folder, ReadWholeFile(folder / "version"));
}

Result<std::vector<fs::path>> GuestKernel::Modules(const std::vector<std::string>& names) const {
  ASSIGN_OR_RETURN(const fs::path modprobe, FindHostProgram("modprobe"));
  std::vector<fs::path> all;
  for (const std::string& name : names) {
    // Without the host's own ways to load modules (modprobe.d).
    const Result<std::string> shown =
        RunHostProgram({modprobe.string(), "-i", "-C", "/dev/null", "-d", folder_.string(), "-S",
                        version_, "--show-depends", name});
    if (!shown.ok()) {
      return Status::Unsupported(
          fmt::format("kernel {} in {} has no module {}, which a guest needs", version_,
                      folder_.string(), name));
    }
    for (const fs::path& module : ModulesOf(*shown)) {
      if (std::find(all.begin(), all.end(), module) == all.end()) all.push_back(module);
    }
  }
  return all;
}

}  // namespace fencepost
