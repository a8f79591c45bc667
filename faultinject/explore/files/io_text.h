// SPDX-License-Identifier: BSD-3-Clause
// I/O events in words.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_IO_TEXT_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_IO_TEXT_H_

#include <map>
#include <string>

#include "faultinject/iotrace/io_event.h"

namespace fencepost {

// "fdatasync of 000004.log". `paths`: by inode, as of FileTree::Paths.
std::string NameOfSync(const IoEvent& sync, const std::map<InodeId, std::string>& paths);

// "write 4096 bytes at 8192 of 000004.log", "fsync of CURRENT ends", "operation 17 begins".
std::string DescribeEvent(const IoEvent& event, const std::map<InodeId, std::string>& paths);

// Numbers in names differ from run to run and from file to file: with # in place of each, what is
// said of one is what is said of another.
std::string WithoutNumbers(const std::string& text);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_IO_TEXT_H_
