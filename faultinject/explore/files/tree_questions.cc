// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/tree_questions.h"

#include <xxhash.h>

#include <algorithm>
#include <functional>
#include <set>

namespace fencepost {
namespace {

constexpr InodeId kUnasked = kNoInode - 1;
// Answers that are no hash of anything.
constexpr uint64_t kMissing = 1, kNotAFile = 2;

uint64_t HashOf(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// Collects questions without repeating any.
class Questions {
 public:
  Questions(const FileTree& tree, TreePaths* paths)
      : paths_(paths), view_(tree, *paths, /*links=*/false) {}

  void AddNames(PathId path) {
    if (path == kRootPath) return;
    AddNames(paths_->parent(path));
    Add({.kind = FileRead::Kind::kName, .path = path});
  }

  void Add(const TreeQuestion& question) {
    if (seen_.insert(question).second) questions_.push_back(question);
  }

  // A block at a time, up to the one that tells of the end.
  void AddBytes(PathId path, uint64_t begin, uint64_t end) {
    const std::optional<InodeId> inode = view_.Resolve(path);
    const uint64_t bytes = inode ? view_.tree().inode(*inode).content.bytes() : 0;
    while (begin < end) {
      const uint64_t block = begin / TreeQuestion::kBlockBytes;
      const uint64_t stop = std::min(end, (block + 1) * TreeQuestion::kBlockBytes);
      auto& covered = covered_[{path, block}];
      const bool known = std::any_of(covered.begin(), covered.end(), [&](const auto& range) {
        return range.first <= begin && stop <= range.second;
      });
      if (!known) {
        covered.emplace_back(begin, stop);
        Add({.kind = FileRead::Kind::kBytes, .path = path, .begin = begin, .end = stop});
      }
      if (stop > bytes) return;
      begin = stop;
    }
  }

  bool IsFile(PathId path) {
    const std::optional<InodeId> inode = view_.Resolve(path);
    return inode && view_.tree().inode(*inode).type == InodeType::kFile;
  }
  std::vector<TreeQuestion> Take() { return std::move(questions_); }

 private:
  TreePaths* const paths_;
  TreeView view_;
  std::vector<TreeQuestion> questions_;
  std::set<TreeQuestion> seen_;
  std::map<std::pair<PathId, uint64_t>, std::vector<std::pair<uint64_t, uint64_t>>> covered_;
};

}  // namespace

PathId TreePaths::Child(PathId directory, const std::string& name) {
  const auto [found, is_new] =
      numbers_.try_emplace({directory, name}, static_cast<PathId>(paths_.size()));
  if (is_new) paths_.emplace_back(directory, name);
  return found->second;
}

PathId TreePaths::Of(std::string_view path) {
  PathId at = kRootPath;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    at = Child(at, std::string(path.substr(0, slash)));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return at;
}

std::vector<TreeQuestion> QuestionsOf(const TreeReads& reads, const FileTree& tree,
                                      TreePaths* paths) {
  Questions questions(tree, paths);
  for (const FileRead& read : reads.log.reads) {
    const PathId path = paths->Of(reads.paths[read.file]);
    questions.AddNames(path);
    switch (read.kind) {
      case FileRead::Kind::kName:
        questions.Add({.kind = read.kind, .path = paths->Child(path, read.name)});
        break;
      case FileRead::Kind::kStat:
        if (questions.IsFile(path)) questions.Add({.kind = read.kind, .path = path});
        break;
      case FileRead::Kind::kListing:
        questions.Add({.kind = read.kind, .path = path});
        break;
      case FileRead::Kind::kBytes:
        if (questions.IsFile(path)) questions.AddBytes(path, read.begin, read.end);
    }
  }
  return questions.Take();
}

std::optional<InodeId> TreeView::Resolve(PathId path) {
  if (path == kRootPath) return kRootInode;
  if (resolved_.size() <= path) resolved_.resize(paths_.size(), kUnasked);
  if (resolved_[path] == kUnasked) {
    InodeId found = kNoInode;
    if (const std::optional<InodeId> directory = Resolve(paths_.parent(path))) {
      const auto& entries = tree_.inode(*directory).entries;
      const auto entry = entries.find(paths_.name(path));
      if (entry != entries.end()) found = entry->second;
    }
    resolved_[path] = found;
  }
  if (resolved_[path] == kNoInode) return std::nullopt;
  return resolved_[path];
}

// Which names a file has, if that may be more than one.
const std::string& TreeView::NamesOf(InodeId inode) {
  if (names_.empty()) {
    const std::function<void(InodeId, const std::string&)> walk = [&](InodeId directory,
                                                                      const std::string& prefix) {
      for (const auto& [name, id] : tree_.inode(directory).entries) {
        const std::string path = prefix + '/' + name;
        names_[id] += path + '\0';
        if (tree_.inode(id).type == InodeType::kDirectory) walk(id, path);
      }
    };
    names_[kRootInode] = "";
    walk(kRootInode, "");
  }
  return names_[inode];
}

uint64_t TreeView::NameAnswer(InodeId id) {
  const Inode& inode = tree_.inode(id);
  const auto type = static_cast<uint64_t>(inode.type);
  if (inode.type == InodeType::kFile && links_) return HashOf(NamesOf(id), type);
  return HashOf(inode.target, type);
}

uint64_t TreeView::Answer(const TreeQuestion& question) {
  const std::optional<InodeId> id = Resolve(question.path);
  if (!id) return kMissing;
  const Inode& inode = tree_.inode(*id);
  if (question.kind == FileRead::Kind::kName) return NameAnswer(*id);
  if (question.kind == FileRead::Kind::kListing) {
    uint64_t hash = static_cast<uint64_t>(inode.type);
    for (const auto& [name, entry] : inode.entries) hash = HashOf(name, hash ^ NameAnswer(entry));
    return hash;
  }
  if (inode.type != InodeType::kFile) return kNotAFile;
  const uint64_t bytes = inode.content.bytes();
  if (question.kind == FileRead::Kind::kStat) {
    return HashOf(links_ ? NamesOf(*id) : std::string(), bytes);
  }
  if (question.begin >= bytes) return kNotAFile;
  const uint64_t length = std::min(question.end, bytes) - question.begin;
  return HashOf(inode.content.Read(question.begin, length), length);
}

bool HasLinks(const FileTree& tree) {
  std::set<InodeId> named;
  const std::function<bool(InodeId)> walk = [&](InodeId directory) {
    for (const auto& [name, id] : tree.inode(directory).entries) {
      if (tree.inode(id).type == InodeType::kDirectory) {
        if (walk(id)) return true;
      } else if (!named.insert(id).second) {
        return true;
      }
    }
    return false;
  };
  return walk(kRootInode);
}

}  // namespace fencepost
