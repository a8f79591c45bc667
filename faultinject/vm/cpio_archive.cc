// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/cpio_archive.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kPermissions = 0755;

// The bytes that make `length` a multiple of four.
std::string_view Padding(size_t length) {
  return std::string_view("\0\0\0", 3).substr(0, (4 - length % 4) % 4);
}

}  // namespace

CpioArchive::CpioArchive(std::ofstream out, fs::path path)
    : out_(std::move(out)), path_(std::move(path)) {}

Result<CpioArchive> CpioArchive::Create(const fs::path& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!out) {
    return Status::IoError(fmt::format("open: {}: {}", std::strerror(errno), path.string()));
  }
  return CpioArchive(std::move(out), path);
}

Status CpioArchive::AddText(const std::string& name, std::string_view text) {
  ASSIGN_OR_RETURN(const bool is_new, MakeRoomFor(name));
  if (is_new) Append(name, S_IFREG | kPermissions, text);
  return Written();
}

Status CpioArchive::AddFile(const std::string& name, const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return Status::IoError(fmt::format("open: {}: {}", std::strerror(errno), file.string()));
  }
  const std::string contents{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return Status::IoError(fmt::format("read: {}", file.string()));
  return AddText(name, contents);
}

Status CpioArchive::AddFolder(const std::string& name) {
  ASSIGN_OR_RETURN(const bool is_new, MakeRoomFor(name));
  if (is_new) Append(name, S_IFDIR | kPermissions, {});
  return Written();
}

Status CpioArchive::AddLink(const std::string& name, const std::string& target) {
  ASSIGN_OR_RETURN(const bool is_new, MakeRoomFor(name));
  if (is_new) Append(name, S_IFLNK | 0777, target);
  return Written();
}

Status CpioArchive::Finish() {
  Append("/TRAILER!!!", 0, {});
  out_.close();
  return Written();
}

Result<bool> CpioArchive::MakeRoomFor(const std::string& name) {
  const fs::path path(name);
  CHECK(path.is_absolute() && path.has_filename());
  if (!names_.insert(name).second) return false;
  if (path.parent_path() != path.root_path()) {
    RETURN_IF_ERROR(AddFolder(path.parent_path().string()));
  }
  return true;
}

void CpioArchive::Append(const std::string& name, uint32_t mode, std::string_view contents) {
  const std::string relative = name.substr(1);
  const std::string header = fmt::format(
      "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
      next_inode_++, mode, 0, 0, 1, 0, contents.size(), 0, 0, 0, 0, relative.size() + 1, 0);
  const size_t head = header.size() + relative.size() + 1;
  out_ << header << relative << '\0' << Padding(head) << contents << Padding(contents.size());
}

Status CpioArchive::Written() const {
  if (out_) return Status::Ok();
  return errno == ENOSPC
             ? Status::Full(fmt::format("no space left for {}", path_.string()))
             : Status::IoError(fmt::format("write: {}: {}", std::strerror(errno), path_.string()));
}

}  // namespace fencepost
