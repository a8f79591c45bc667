// SPDX-License-Identifier: BSD-3-Clause
// For tests of the exploration of files: random programs, in the words of posix_test_util.h.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORE_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORE_TEST_UTIL_H_

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "faultinject/model/posix/posix_test_util.h"

namespace fencepost {

// Files and directories of a few names, and a few bytes each.
class RandomProgram {
 public:
  explicit RandomProgram(uint64_t seed) : random_(seed) {}

  // Runs `steps` more; returns them.
  std::string Run(size_t steps) {
    std::string program;
    for (size_t done = 0; done < steps;) {
      const std::string statement = Draw();
      if (statement.empty()) continue;
      text_.Run(statement);
      program += statement + "; ";
      ++done;
    }
    return program;
  }

  const ProgramText& text() const { return text_; }
  uint64_t Below(uint64_t end) { return random_() % end; }

  // Every path that there is, "" for the root first.
  static std::vector<std::string> Paths(const FileTree& tree, InodeType type) {
    std::vector<std::string> paths;
    const std::function<void(InodeId, const std::string&)> walk = [&](InodeId directory,
                                                                      const std::string& prefix) {
      for (const auto& [name, id] : tree.inode(directory).entries) {
        if (tree.inode(id).type == type) paths.push_back(prefix + name);
        if (tree.inode(id).type == InodeType::kDirectory) walk(id, prefix + name + '/');
      }
    };
    if (type == InodeType::kDirectory) paths.push_back("");
    walk(kRootInode, "");
    return paths;
  }

 private:
  template <typename T>
  const T& Pick(const std::vector<T>& of) {
    return of[Below(of.size())];
  }

  // A name that is not taken; "" if the one drawn is.
  std::string NewPath() {
    const std::string directory = Pick(Paths(text_.tree(), InodeType::kDirectory));
    const std::string path =
        (directory.empty() ? "" : directory + '/') + static_cast<char>('a' + Below(3));
    for (const InodeType type : {InodeType::kFile, InodeType::kDirectory}) {
      for (const std::string& taken : Paths(text_.tree(), type)) {
        if (taken == path) return {};
      }
    }
    return path;
  }

  std::string Draw() {
    const std::vector<std::string> files = Paths(text_.tree(), InodeType::kFile);
    const std::vector<std::string> directories = Paths(text_.tree(), InodeType::kDirectory);
    const uint64_t kind = files.empty() ? 0 : Below(20);
    const auto at = [&] { return ' ' + std::to_string(Below(8)); };
    if (kind < 3) {
      const std::string path = NewPath();
      if (path.empty()) return {};
      return (Below(4) == 0 && directories.size() < 3 ? "mkdir " : "create ") + path;
    }
    const std::string file = Pick(files);
    const std::string data(1 + Below(6), static_cast<char>('A' + Below(6)));
    if (kind < 6) return "append " + file + ' ' + data;
    if (kind < 9) return "write " + file + at() + ' ' + data;
    if (kind == 9) return "truncate " + file + at();
    if (kind == 10) return "zero " + file + at() + " 2";
    if (kind == 11) return "allocate " + file + at() + " 4";
    if (kind == 12) return "unlink " + file;
    if (kind == 13) return "fsync " + file;
    if (kind == 14) return "fdatasync " + file;
    if (kind == 15) return "fsync " + (Below(2) == 0 ? "." : file);
    if (kind == 16) return "failed fsync " + file;
    const std::string to = Below(2) == 0 ? NewPath() : Pick(files);
    if (to.empty() || to == file) return {};
    if (kind == 17) return "rename " + file + ' ' + to;
    if (kind == 18) {
      for (const std::string& taken : files) {
        if (taken == to) return "exchange " + file + ' ' + to;
      }
      return "link " + file + ' ' + to;
    }
    const uint64_t bytes = text_.tree().inode(kRootInode).entries.size();  // any
    return bytes % 2 == 0 ? "collapse " + file + " 0 0" : "insert " + file + " 0 2";
  }

  std::mt19937_64 random_;
  ProgramText text_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORE_TEST_UTIL_H_
