// SPDX-License-Identifier: BSD-3-Clause
// TreeFolder: a folder that is made to hold one tree after the other, whatever has become of it in
// between. Costs a comparison of what is there, and the writing of what differs.
//
// Invariants:
//   1. Whatever was there is made right or removed: other types, links, rights taken away, what
//   lies
//      behind the end of a file; nothing outside of the folder is touched.
// Threads: none.
// Not covered: times, owners. Permissions are those of new files.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_FOLDER_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_FOLDER_H_

#include <filesystem>
#include <map>
#include <string>

#include "engines/status.h"
#include "faultinject/iotrace/file_tree.h"
#include "faultinject/watch/files/file_watch.h"

namespace fencepost {

// Makes `folder` hold exactly `tree`; it is made if need be. Holes of new files stay holes. kFull,
// kIoError; kCorrupt as FileTree::WriteTo.
Status MakeFolderHold(const FileTree& tree, const std::filesystem::path& folder);

// What the files and directories of `tree` are on the file system, where `folder` holds it; by path
// from the root, the first of several. kIoError.
Result<std::map<FileIdentity, std::string>> IdentitiesIn(const FileTree& tree,
                                                         const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_FOLDER_H_
