// SPDX-License-Identifier: BSD-3-Clause
// What is written to the block device under a folder, and whether the kernel's count of what a
// process writes can stand for it.
//
// The kernel counts a process's writes when a page of the page cache is dirtied, and in whole
// folios: where the file system has large ones, 64 bytes changed can count as a megabyte
// (Linux 6.18 with ext4). The device counts what it was given, but everybody's.
//
// Threads: any.
// Not covered: file systems without one block device of their own (btrfs, overlays): nothing is
// told. Source: Linux, Documentation/block/stat.rst (sectors are of 512 bytes), proc(5):
// /proc/self/io.
#ifndef FENCEPOST_HARNESS_DEVICE_WRITES_H_
#define FENCEPOST_HARNESS_DEVICE_WRITES_H_

#include <cstdint>
#include <filesystem>
#include <optional>

namespace fencepost {

// Bytes written since the machine was booted to the device that `path`, or the folder it is to be
// in, lies on. Nothing where there is no such device.
std::optional<uint64_t> DeviceBytesWritten(const std::filesystem::path& path);

// Whether storage_write_bytes (process_usage.h) counts more than the pages that were changed, for
// files in `folder`. Writes and syncs a megabyte there, in a file that has no name.
bool KernelCountsWholeFolios(const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_DEVICE_WRITES_H_
