// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/io_text.h"

#include <fmt/format.h>

#include <cctype>

namespace fencepost {
namespace {

using Kind = IoEvent::Kind;
using Paths = std::map<InodeId, std::string>;

std::string_view SyncName(IoEvent::Scope scope) {
  switch (scope) {
    case IoEvent::Scope::kFile:
      return "fsync";
    case IoEvent::Scope::kData:
      return "fdatasync";
    case IoEvent::Scope::kRange:
      return "sync of a range";
    case IoEvent::Scope::kAll:
      return "sync";
    case IoEvent::Scope::kNone:
      break;
  }
  return "sync_file_range";
}

std::string NameOf(InodeId inode, const Paths& paths) {
  const auto path = paths.find(inode);
  if (path == paths.end()) return "a file without a name";
  return path->second.empty() ? "the directory" : path->second;
}

std::string Entry(InodeId directory, const std::string& name, const Paths& paths) {
  if (directory == kNoInode) return "a file without a name";
  const auto path = paths.find(directory);
  const bool at_root = path == paths.end() || path->second.empty();
  return at_root ? name : path->second + "/" + name;
}

std::string NamesText(const IoEvent& event, const Paths& paths) {
  const std::string entry = Entry(event.directory, event.name, paths);
  const auto to = [&] { return Entry(event.to_directory, event.to_name, paths); };
  switch (event.kind) {
    case Kind::kCreate:
      return (event.type == InodeType::kDirectory ? "mkdir " : "create ") + entry;
    case Kind::kLink:
      return "link " + entry;
    case Kind::kRemove:
      return "remove " + entry;
    case Kind::kRename:
      return fmt::format("rename {} to {}", entry, to());
    default:
      return fmt::format("exchange {} and {}", entry, to());
  }
}

}  // namespace

std::string NameOfSync(const IoEvent& sync, const Paths& paths) {
  const std::string name(SyncName(sync.scope));
  return sync.scope == IoEvent::Scope::kAll ? name : name + " of " + NameOf(sync.inode, paths);
}

std::string DescribeEvent(const IoEvent& event, const Paths& paths) {
  const auto range = [&](const char* what, uint64_t bytes) {
    return fmt::format("{} {} bytes at {} of {}", what, bytes, event.offset,
                       NameOf(event.inode, paths));
  };
  switch (event.kind) {
    case Kind::kWrite:
      return range(event.mapped ? "store" : "write", event.data.size());
    case Kind::kTruncate:
      return fmt::format("truncate {} to {} bytes", NameOf(event.inode, paths), event.length);
    case Kind::kAllocate:
      return range("allocate", event.length);
    case Kind::kZero:
      return range("zero", event.length);
    case Kind::kCollapse:
      return range("collapse", event.length);
    case Kind::kInsertHole:
      return range("insert", event.length);
    case Kind::kSyncBegin:
      return NameOfSync(event, paths) + " begins";
    case Kind::kSyncEnd:
      return NameOfSync(event, paths) + (event.failed ? " fails" : " ends");
    case Kind::kOperationBegin:
      return fmt::format("operation {} begins", event.id);
    case Kind::kOperationEnd:
      return fmt::format("operation {} is acknowledged", event.id);
    case Kind::kContent:
      return "proof of " + NameOf(event.inode, paths);
    default:
      return NamesText(event, paths);
  }
}

std::string WithoutNumbers(const std::string& text) {
  std::string shown;
  bool in_number = false;
  for (const char c : text) {
    const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!digit) shown += c;
    if (digit && !in_number) shown += '#';
    in_number = digit;
  }
  return shown;
}

}  // namespace fencepost
