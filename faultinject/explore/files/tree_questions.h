// SPDX-License-Identifier: BSD-3-Clause
// What a recovery can ask of a directory tree, and what the tree answers.
//
// A recovery is a function of the answers to its questions: trees that answer those of one recovery
// alike are one tree to it.
//
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_QUESTIONS_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_QUESTIONS_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "faultinject/explore/files/tree_pool.h"
#include "faultinject/iotrace/file_tree.h"
#include "faultinject/watch/files/file_watch.h"

namespace fencepost {

using PathId = uint32_t;
inline constexpr PathId kRootPath = 0;

// Paths from the root by number.
class TreePaths {
 public:
  TreePaths() : paths_{{kRootPath, ""}} {}
  PathId Child(PathId directory, const std::string& name);
  PathId Of(std::string_view path);  // "d/f"
  PathId parent(PathId path) const { return paths_[path].first; }
  const std::string& name(PathId path) const { return paths_[path].second; }
  size_t size() const { return paths_.size(); }

 private:
  std::vector<std::pair<PathId, std::string>> paths_;  // the directory, the name in it
  std::map<std::pair<PathId, std::string>, PathId> numbers_;
};

struct TreeQuestion {
  static constexpr uint64_t kBlockBytes = 4096;

  FileRead::Kind kind = FileRead::Kind::kName;
  PathId path = kRootPath;      // kName: of what is looked up
  uint64_t begin = 0, end = 0;  // kBytes: within one block
  auto operator<=>(const TreeQuestion&) const = default;
};

// Each question once, in the order in which they were asked; before those on a path, the names on
// it. `tree` is the one that was recovered from.
std::vector<TreeQuestion> QuestionsOf(const TreeReads& reads, const FileTree& tree,
                                      TreePaths* paths);

// One tree, while it is asked.
class TreeView {
 public:
  // `links`: files may have several names. REQUIRES: both outlive it.
  TreeView(const FileTree& tree, const TreePaths& paths, bool links)
      : tree_(tree), paths_(paths), links_(links) {}

  // A hash: equal for equal answers.
  uint64_t Answer(const TreeQuestion& question);
  // What the path is of; nothing if there is no such path.
  std::optional<InodeId> Resolve(PathId path);
  const FileTree& tree() const { return tree_; }
  const TreePaths& paths() const { return paths_; }

 private:
  const std::string& NamesOf(InodeId inode);
  uint64_t NameAnswer(InodeId inode);

  const FileTree& tree_;
  const TreePaths& paths_;
  const bool links_;
  std::vector<InodeId> resolved_;  // by path; kUnasked
  std::map<InodeId, std::string> names_;
};

// Whether a file of this tree has more than one name.
bool HasLinks(const FileTree& tree);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_TREE_QUESTIONS_H_
