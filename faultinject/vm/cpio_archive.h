// SPDX-License-Identifier: BSD-3-Clause
// CpioArchive: writes an archive that the kernel unpacks as its first file system (initramfs).
//
// Invariants: a folder is in the archive before what is in it: the kernel makes none by itself.
// Threads: none.
// Not covered: hard links, owners (all is root's), times.
// Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst ("newc").
#ifndef FENCEPOST_FAULTINJECT_VM_CPIO_ARCHIVE_H_
#define FENCEPOST_FAULTINJECT_VM_CPIO_ARCHIVE_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>

#include "engines/status.h"

namespace fencepost {

class CpioArchive {
 public:
  // Makes the file anew. kIoError.
  static Result<CpioArchive> Create(const std::filesystem::path& path);

  // Names are absolute; the folders above are made. A name that is there already is left alone.
  // kIoError, kFull (also at Finish: what was written may be on its way).
  Status AddText(const std::string& name, std::string_view text);
  // A copy of `file`, links followed, which others may execute if its owner may.
  Status AddFile(const std::string& name, const std::filesystem::path& file);
  Status AddFolder(const std::string& name);
  Status AddLink(const std::string& name, const std::string& target);
  Status Finish();

 private:
  CpioArchive(std::ofstream out, std::filesystem::path path);

  // False if the name is there already.
  Result<bool> MakeRoomFor(const std::string& name);
  void Append(const std::string& name, uint32_t mode, std::string_view contents);
  Status Written() const;

  std::ofstream out_;
  std::filesystem::path path_;
  std::set<std::string> names_;
  uint32_t next_inode_ = 1;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_CPIO_ARCHIVE_H_
