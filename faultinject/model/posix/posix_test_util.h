// SPDX-License-Identifier: BSD-3-Clause
// Small programs as text, and trees as text, for tests of the file models.
//
// A program is statements with "; " between. Paths are relative to the root.
//
//     create a; mkdir d; create d/f; link a b; unlink a; rmdir d; rename a b; exchange a b
//     write a 0 AA; append a BB; mmap a 0 AA; dsync a 0 AA       (dsync: O_DSYNC, a write and a
//     sync) truncate a 4; allocate a 0 4; zero a 0 2; collapse a 0 2; insert a 0 2 fsync a;
//     fdatasync a; msync a 0 2; sync_file_range a 0 2; sync begin fsync a; ...; end            the
//     sync begins and ends, with something in between failed fsync a
//
// A tree is its entries in order: "a=AA b=a d/ d/f=" is a file a of two bytes, another name b of
// it, a directory d and in it an empty file f. A zero byte is '.', a stale one '?'; "-" is empty.
#ifndef FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_TEST_UTIL_H_

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "faultinject/iotrace/file_tree.h"
#include "faultinject/model/posix/file_systems.h"

namespace fencepost {

// As text: what of a content is printed.
inline std::string ContentText(std::string content) {
  for (char& c : content) {
    if (c == '\0') c = '.';
    if (c == kStaleByte) c = '?';
  }
  return content;
}

inline std::string TreeText(const FileTree& tree) {
  std::map<InodeId, std::string> first;
  std::string text;
  const auto walk = [&](const auto& self, InodeId directory, const std::string& prefix) -> void {
    for (const auto& [name, id] : tree.inode(directory).entries) {
      const std::string path = prefix + name;
      if (!text.empty()) text += ' ';
      const auto [seen, is_new] = first.try_emplace(id, path);
      const Inode& inode = tree.inode(id);
      if (!is_new) {
        text += path + '=' + seen->second;
      } else if (inode.type == InodeType::kDirectory) {
        text += path + '/';
        self(self, id, path + '/');
      } else {
        text += path + '=' + ContentText(inode.content.Read(0, inode.content.bytes()));
      }
    }
  };
  walk(walk, kRootInode, "");
  return text.empty() ? "-" : text;
}

// Turns statements into events; knows the tree as it is then.
class ProgramText {
 public:
  // The events of `program`, the first of which has the number events().size().
  void Run(const std::string& program) {
    std::istringstream statements(program);
    for (std::string statement; std::getline(statements, statement, ';');) {
      std::istringstream words(statement);
      std::string word;
      if (words >> word) Step(word, &words);
    }
  }

  const std::vector<IoEvent>& events() const { return events_; }
  const FileTree& tree() const { return tree_; }

 private:
  using Kind = IoEvent::Kind;

  struct Place {
    InodeId directory = kRootInode;
    std::string name;
    InodeId inode = kNoInode;
  };

  Place Find(const std::string& path) const {
    Place place;
    const size_t slash = path.rfind('/');
    if (slash != std::string::npos) place.directory = Find(path.substr(0, slash)).inode;
    place.name = slash == std::string::npos ? path : path.substr(slash + 1);
    CHECK(place.directory != kNoInode);
    const auto& entries = tree_.inode(place.directory).entries;
    const auto found = entries.find(place.name);
    if (found != entries.end()) place.inode = found->second;
    return place;
  }

  void Add(IoEvent event) {
    CHECK_OK(tree_.Apply(event));
    events_.push_back(std::move(event));
  }

  void Step(const std::string& word, std::istringstream* words) {
    static const std::map<std::string, Kind> kNames = {
        {"create", Kind::kCreate},    {"mkdir", Kind::kCreate}, {"link", Kind::kLink},
        {"unlink", Kind::kRemove},    {"rmdir", Kind::kRemove}, {"rename", Kind::kRename},
        {"exchange", Kind::kExchange}};
    static const std::map<std::string, Kind> kContents = {
        {"write", Kind::kWrite},  {"mmap", Kind::kWrite},        {"dsync", Kind::kWrite},
        {"append", Kind::kWrite}, {"truncate", Kind::kTruncate}, {"allocate", Kind::kAllocate},
        {"zero", Kind::kZero},    {"collapse", Kind::kCollapse}, {"insert", Kind::kInsertHole}};
    if (const auto names = kNames.find(word); names != kNames.end()) {
      return Names(names->second, word, words);
    }
    if (const auto contents = kContents.find(word); contents != kContents.end()) {
      return Contents(contents->second, word, words);
    }
    if (word == "begin") {
      std::string what;
      *words >> what;
      return BeginSync(what, words);
    }
    if (word == "end") return EndSync(false);
    std::string what = word;
    if (word == "failed") *words >> what;
    BeginSync(what, words);
    EndSync(word == "failed");
  }

  void Names(Kind kind, const std::string& word, std::istringstream* words) {
    IoEvent event;
    event.kind = kind;
    std::string from, to;
    *words >> from >> to;
    const Place place = Find(from);
    event.directory = place.directory;
    event.name = place.name;
    event.inode = place.inode;
    if (kind == Kind::kCreate) {
      event.inode = tree_.next_inode();
      if (word == "mkdir") event.type = InodeType::kDirectory;
    } else if (kind == Kind::kLink) {
      const Place link = Find(to);
      event.directory = link.directory;
      event.name = link.name;
    } else if (kind != Kind::kRemove) {
      const Place target = Find(to);
      event.to_directory = target.directory;
      event.to_name = target.name;
      event.replaced = target.inode;
    }
    Add(event);
  }

  void Contents(Kind kind, const std::string& word, std::istringstream* words) {
    IoEvent event;
    event.kind = kind;
    std::string path;
    *words >> path;
    event.inode = Find(path).inode;
    CHECK(event.inode != kNoInode);
    const uint64_t bytes = tree_.inode(event.inode).content.bytes();
    if (word == "append") {
      event.offset = bytes;
    } else if (word != "truncate") {
      *words >> event.offset;
    }
    if (kind == Kind::kWrite) {
      *words >> event.data;
    } else {
      *words >> event.length;
    }
    event.appended = kind == Kind::kWrite && event.offset == bytes;
    event.mapped = word == "mmap";
    const uint64_t length = event.data.size();
    const uint64_t offset = event.offset;
    const InodeId inode = event.inode;
    Add(std::move(event));
    if (word != "dsync") return;
    sync_ = {};
    sync_.scope = IoEvent::Scope::kRange;
    sync_.inode = inode;
    sync_.offset = offset;
    sync_.length = length;
    Begin();
    EndSync(false);
  }

  void BeginSync(const std::string& word, std::istringstream* words) {
    static const std::map<std::string, IoEvent::Scope> kScopes = {
        {"fsync", IoEvent::Scope::kFile},
        {"fdatasync", IoEvent::Scope::kData},
        {"msync", IoEvent::Scope::kRange},
        {"sync_file_range", IoEvent::Scope::kNone},
        {"sync", IoEvent::Scope::kAll}};
    sync_ = {};
    sync_.scope = kScopes.at(word);
    std::string path;
    if (word != "sync") {
      *words >> path;
      sync_.inode = path == "." ? kRootInode : Find(path).inode;
      CHECK(sync_.inode != kNoInode);
    }
    *words >> sync_.offset >> sync_.length;
    Begin();
  }

  void Begin() {
    sync_.begin = events_.size();
    sync_.kind = Kind::kSyncBegin;
    Add(sync_);
  }

  void EndSync(bool failed) {
    sync_.kind = Kind::kSyncEnd;
    sync_.failed = failed;
    Add(sync_);
  }

  FileTree tree_;
  std::vector<IoEvent> events_;
  IoEvent sync_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_TEST_UTIL_H_
