// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/file_tree.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <functional>

namespace fencepost {
namespace {

bool IsOnNames(IoEvent::Kind kind) {
  switch (kind) {
    case IoEvent::Kind::kCreate:
    case IoEvent::Kind::kLink:
    case IoEvent::Kind::kRemove:
    case IoEvent::Kind::kRename:
    case IoEvent::Kind::kExchange:
      return true;
    default:
      return false;
  }
}

bool IsOnContent(IoEvent::Kind kind) {
  switch (kind) {
    case IoEvent::Kind::kWrite:
    case IoEvent::Kind::kTruncate:
    case IoEvent::Kind::kAllocate:
    case IoEvent::Kind::kZero:
    case IoEvent::Kind::kCollapse:
    case IoEvent::Kind::kInsertHole:
      return true;
    default:
      return false;
  }
}

// As of the system: off_t.
bool IsBeyond(uint64_t offset, uint64_t length) {
  constexpr uint64_t kMost = INT64_MAX;
  return offset > kMost || length > kMost - offset;
}

Status Impossible(std::string_view what, InodeId inode) {
  return Status::Corrupt(
      fmt::format("an event that cannot have happened: {} (inode {})", what, inode));
}

}  // namespace

FileTree::FileTree() {
  Inode root;
  root.type = InodeType::kDirectory;
  Add(kRootInode, std::move(root));
}

void FileTree::Add(InodeId id, Inode inode) {
  inodes_.insert_or_assign(id, Shared<Inode>(std::move(inode)));
}

Status FileTree::AddName(InodeId directory, const std::string& name, InodeId inode) {
  if (!Has(directory) || this->inode(directory).type != InodeType::kDirectory) {
    return Impossible("a name in what is no directory", directory);
  }
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    return Impossible(fmt::format("the name '{}'", name), inode);
  }
  if (!mutable_inode(directory).entries.try_emplace(name, inode).second) {
    return Impossible(fmt::format("{} is there already", name), inode);
  }
  return Status::Ok();
}

Status FileTree::RemoveName(InodeId directory, const std::string& name, InodeId inode) {
  if (!Has(directory) || this->inode(directory).type != InodeType::kDirectory) {
    return Impossible("a name in what is no directory", directory);
  }
  const auto& entries = this->inode(directory).entries;
  const auto found = entries.find(name);
  if (found == entries.end() || found->second != inode) {
    return Impossible(fmt::format("{} is not that inode's name", name), inode);
  }
  mutable_inode(directory).entries.erase(name);
  return Status::Ok();
}

Status FileTree::Apply(const IoEvent& event) {
  if (IsOnNames(event.kind)) return ApplyToNames(event);
  return IsOnContent(event.kind) ? ApplyToContent(event) : Status::Ok();
}

Status FileTree::ApplyToNames(const IoEvent& event) {
  if (event.kind == IoEvent::Kind::kCreate) {
    if (Has(event.inode)) return Impossible("a new inode that is there already", event.inode);
    if (event.directory != kNoInode) {
      RETURN_IF_ERROR(AddName(event.directory, event.name, event.inode));
    }
    Inode inode;
    inode.type = event.type;
    if (event.type == InodeType::kSymlink) inode.target = event.data;
    Add(event.inode, std::move(inode));
    return Status::Ok();
  }
  if (!Has(event.inode)) return Impossible("an unknown inode", event.inode);
  switch (event.kind) {
    case IoEvent::Kind::kLink:
      return AddName(event.directory, event.name, event.inode);
    case IoEvent::Kind::kRemove:
      if (!inode(event.inode).entries.empty()) {
        return Impossible("the removal of a directory that is not empty", event.inode);
      }
      return RemoveName(event.directory, event.name, event.inode);
    case IoEvent::Kind::kRename:
      RETURN_IF_ERROR(RemoveName(event.directory, event.name, event.inode));
      if (event.replaced != kNoInode) {
        RETURN_IF_ERROR(RemoveName(event.to_directory, event.to_name, event.replaced));
      }
      return AddName(event.to_directory, event.to_name, event.inode);
    default:  // kExchange
      RETURN_IF_ERROR(RemoveName(event.directory, event.name, event.inode));
      RETURN_IF_ERROR(RemoveName(event.to_directory, event.to_name, event.replaced));
      RETURN_IF_ERROR(AddName(event.directory, event.name, event.replaced));
      return AddName(event.to_directory, event.to_name, event.inode);
  }
}

Status FileTree::ApplyToContent(const IoEvent& event) {
  if (!Has(event.inode)) return Impossible("an unknown inode", event.inode);
  if (inode(event.inode).type != InodeType::kFile) {
    return Impossible("the contents of what is no file", event.inode);
  }
  if (IsBeyond(event.offset, std::max<uint64_t>(event.length, event.data.size()))) {
    return Impossible("an offset beyond 2^63", event.inode);
  }
  FileContent& content = mutable_inode(event.inode).content;
  const uint64_t end = event.offset + event.length;
  switch (event.kind) {
    case IoEvent::Kind::kWrite:
      content.Write(event.offset, event.data);
      break;
    case IoEvent::Kind::kTruncate:
      content.Resize(event.length);
      break;
    case IoEvent::Kind::kAllocate:
      if (end > content.bytes()) content.Resize(end);
      break;
    case IoEvent::Kind::kZero:
      content.Zero(event.offset, event.length);
      break;
    case IoEvent::Kind::kCollapse:
      if (end > content.bytes()) return Impossible("a collapse beyond the end", event.inode);
      content.Collapse(event.offset, event.length);
      break;
    default:  // kInsertHole
      if (event.offset > content.bytes() || IsBeyond(content.bytes(), event.length)) {
        return Impossible("a hole beyond the end", event.inode);
      }
      content.InsertHole(event.offset, event.length);
  }
  return Status::Ok();
}

std::map<InodeId, std::string> FileTree::Paths() const {
  std::map<InodeId, std::string> paths = {{kRootInode, ""}};
  const std::function<void(const Inode&, const std::string&)> walk = [&](const Inode& directory,
                                                                         const std::string& at) {
    for (const auto& [name, id] : directory.entries) {
      const std::string path = at.empty() ? name : at + '/' + name;
      if (!paths.try_emplace(id, path).second || !Has(id)) continue;
      walk(inode(id), path);
    }
  };
  walk(inode(kRootInode), "");
  return paths;
}

std::vector<InodeId> FileTree::Changed(const FileTree& from) const {
  std::vector<InodeId> changed;
  auto then = from.inodes_.begin();
  for (const auto& [id, inode] : inodes_) {
    for (; then != from.inodes_.end() && then->first < id; ++then) changed.push_back(then->first);
    const bool both = then != from.inodes_.end() && then->first == id;
    if (!both || !(then->second == inode)) changed.push_back(id);
    if (both) ++then;
  }
  for (; then != from.inodes_.end(); ++then) changed.push_back(then->first);
  return changed;
}

uint64_t FileTree::Hash() const {
  // The walk's order numbers the inodes, so that links of one file look the same in equal trees.
  std::map<InodeId, uint64_t> numbers = {{kRootInode, 0}};
  std::string form;
  const auto add_number = [&](uint64_t number) {
    form.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  const auto add_text = [&](const std::string& text) {
    add_number(text.size());
    form += text;
  };
  const std::function<void(const Inode&)> walk = [&](const Inode& at) {
    add_number(static_cast<uint64_t>(at.type));
    switch (at.type) {
      case InodeType::kFile:
        return add_number(at.content.QuickHash());
      case InodeType::kSymlink:
        return add_text(at.target);
      case InodeType::kDirectory:
        add_number(at.entries.size());
        for (const auto& [name, id] : at.entries) {
          add_text(name);
          const auto [number, is_new] = numbers.try_emplace(id, numbers.size());
          add_number(number->second);
          if (is_new) walk(inode(id));
        }
    }
  };
  walk(inode(kRootInode));
  return XXH3_64bits(form.data(), form.size());
}

}  // namespace fencepost
