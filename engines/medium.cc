// SPDX-License-Identifier: BSD-3-Clause
#include "engines/medium.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// /proc/self/mountinfo writes blanks and backslashes in names as three octal digits.
std::string UnescapeOctal(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool HasOption(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const size_t comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) break;
    options.remove_prefix(comma + 1);
  }
  return false;
}

// One line of mountinfo: id parent major:minor root mount-point options [tags] - type device super
bool ParseMountLine(const std::string& line, FileSystem* out) {
  const size_t dash = line.find(" - ");
  if (dash == std::string::npos) return false;
  std::istringstream left(line.substr(0, dash)), right(line.substr(dash + 3));
  std::string id, parent, device_number, root, mount_point, options, super_options;
  left >> id >> parent >> device_number >> root >> mount_point >> options;
  right >> out->type >> out->device >> super_options;
  out->mount_point = UnescapeOctal(mount_point);
  out->device = UnescapeOctal(out->device);
  out->dax = HasOption(super_options, "dax") || HasOption(super_options, "dax=always");
  out->read_only = HasOption(options, "ro") || HasOption(super_options, "ro");
  return true;
}

bool IsWithin(const std::string& path, const std::string& mount_point) {
  if (mount_point == "/") return true;
  return path.starts_with(mount_point) &&
         (path.size() == mount_point.size() || path[mount_point.size()] == '/');
}

// The mounts that can be seen, without sizes.
Result<std::vector<FileSystem>> ReadMounts() {
  std::ifstream file("/proc/self/mountinfo");
  if (!file) return Status::IoError("open: cannot read /proc/self/mountinfo");
  std::vector<FileSystem> mounts;
  for (std::string line; std::getline(file, line);) {
    FileSystem mount;
    if (!ParseMountLine(line, &mount)) continue;
    // Of two mounts on one point the later hides the earlier.
    std::erase_if(mounts, [&](const FileSystem& m) { return m.mount_point == mount.mount_point; });
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

// False, with errno set, if statvfs does not answer.
bool ReadSizes(const std::string& path, FileSystem* file_system) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return false;
  file_system->free_bytes = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  file_system->total_bytes = static_cast<uint64_t>(info.f_blocks) * info.f_frsize;
  return true;
}

}  // namespace

std::string_view MediumName(Medium medium) {
  switch (medium) {
    case Medium::kNone:
      return "none";
    case Medium::kDax:
      return "dax";
    case Medium::kTmpfs:
      return "tmpfs";
    case Medium::kPageCache:
      return "page-cache";
    case Medium::kBlock:
      return "block";
  }
  return "unknown";
}

Result<FileSystem> FileSystemOf(const fs::path& path) {
  std::error_code error;
  fs::path existing = fs::absolute(path, error);
  // A descriptor's name (/proc/self/fd/N) leads to its file even when that was deleted: then it is
  // where the file was.
  const fs::path target = fs::read_symlink(existing, error);
  if (target.is_absolute() && fs::exists(existing, error) && !fs::exists(target, error)) {
    existing = target;
  }
  while (!existing.empty() && existing != existing.root_path() && !fs::exists(existing, error)) {
    existing = existing.parent_path();
  }
  const std::string real = fs::canonical(existing, error).string();
  if (error)
    return Status::IoError(fmt::format("realpath: {}: {}", error.message(), existing.string()));

  ASSIGN_OR_RETURN(const std::vector<FileSystem> mounts, ReadMounts());
  const FileSystem* best = nullptr;
  for (const FileSystem& candidate : mounts) {
    if (IsWithin(real, candidate.mount_point) &&
        (best == nullptr || candidate.mount_point.size() > best->mount_point.size())) {
      best = &candidate;
    }
  }
  if (best == nullptr) {
    return Status::IoError(fmt::format("/proc/self/mountinfo: no mount holds {}", real));
  }
  FileSystem file_system = *best;
  if (!ReadSizes(real, &file_system)) {
    return Status::IoError(fmt::format("statvfs: {}: {}", std::strerror(errno), real));
  }
  return file_system;
}

Result<std::vector<FileSystem>> MountedFileSystems() {
  ASSIGN_OR_RETURN(std::vector<FileSystem> mounts, ReadMounts());
  for (FileSystem& mount : mounts) {
    // No answer, e.g. for want of permission, leaves the sizes at 0.
    static_cast<void>(ReadSizes(mount.mount_point, &mount));
  }
  return mounts;
}

Result<Medium> MediumOf(const fs::path& path) {
  ASSIGN_OR_RETURN(const FileSystem file_system, FileSystemOf(path));
  if (file_system.dax) return Medium::kDax;
  if (file_system.type == "tmpfs" || file_system.type == "ramfs") return Medium::kTmpfs;
  return Medium::kPageCache;
}

}  // namespace fencepost
