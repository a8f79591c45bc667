// SPDX-License-Identifier: BSD-3-Clause
// What is written to the block device under a path, by everybody.
//
// It stands beside the kernel's count of what a process writes (process_usage.h), which is in whole
// folios of the page cache: where the file system has large ones, 64 bytes changed can count as a
// megabyte (Linux 6.18 with ext4). Either is too much, and what was written is at most the lesser.
//
// Threads: any.
// Not covered: file systems without one block device of their own (btrfs, overlays): nothing is
//   told.
// Source: Linux, Documentation/block/stat.rst (sectors are of 512 bytes), proc(5): /proc/self/io.
#ifndef FENCEPOST_HARNESS_DEVICE_WRITES_H_
#define FENCEPOST_HARNESS_DEVICE_WRITES_H_

#include <cstdint>
#include <filesystem>
#include <optional>

namespace fencepost {

// Bytes written since the machine was booted to the device that `path`, or the folder it is to be
// in, lies on. Nothing where there is no such device.
std::optional<uint64_t> DeviceBytesWritten(const std::filesystem::path& path);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_DEVICE_WRITES_H_
