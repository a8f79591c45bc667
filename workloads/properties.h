// SPDX-License-Identifier: BSD-3-Clause
// Properties: what the user asked for, by name, with where each answer came from.
//
// Three layers, the higher wins whatever the order of the calls: -p, then property files (a later
// file overrides an earlier one), then defaults. Every error and every warning names the origin of
// the value ("workloads/x:12" or "-p").
//
// Invariants:
//   1. An entry holds the value of the highest layer that set it, and its origin.
//   2. A property that Get() or a typed reader was asked for is never in Unread().
// Threads: none; read everything before the threads start.
// Not covered: bytes above 0x7f are passed through as they are (Java reads them as ISO-8859-1).
// Source: java.util.Properties.load(), Java SE API documentation.
#ifndef FENCEPOST_WORKLOADS_PROPERTIES_H_
#define FENCEPOST_WORKLOADS_PROPERTIES_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engines/status.h"

namespace fencepost {

class Properties {
 public:
  struct Entry {
    std::string value;
    std::string origin;  // "file:12", "-p" or "default"
  };

  // Adds a file in the syntax of java.util.Properties. kInvalidArgument, and nothing added, when
  // it cannot be read or a line is malformed.
  Status LoadFile(const std::filesystem::path& path);

  // Adds one -p option. kInvalidArgument without '=' or without a name.
  Status Set(std::string_view key_equals_value);

  // Adds a value for when nobody gives one. The first default of a name stays.
  void SetDefault(std::string name, std::string value);

  // The value as written. Marks the property as read.
  std::optional<std::string> Get(std::string_view name) const;

  // Typed readers; they mark the property as read, and give `default_value` where no layer has it.
  // Blanks around the value are allowed. kInvalidArgument when malformed or too large.
  Result<uint64_t> Uint64(std::string_view name, uint64_t default_value) const;
  Result<double> Double(std::string_view name, double default_value) const;  // finite
  Result<bool> Bool(std::string_view name, bool default_value) const;        // true|false, any case
  Result<std::string> String(std::string_view name, std::string_view default_value) const;
  // Digits, then K, M, G or T (powers of 1024) if wanted.
  Result<uint64_t> Bytes(std::string_view name, uint64_t default_value) const;

  // kInvalidArgument that reads "origin: name=value: what".
  Status Error(std::string_view name, std::string_view what) const;

  // All layers merged.
  const std::map<std::string, Entry>& entries() const { return entries_; }

  // What files and -p set and nothing has read: for warnings.
  std::vector<std::pair<std::string, Entry>> Unread() const;

  // The file loaded last; empty when there was none.
  const std::filesystem::path& last_file() const { return last_file_; }

  // All files that were loaded, in order, as they were read.
  struct File {
    std::filesystem::path path;
    std::string text;
  };
  const std::vector<File>& files() const { return files_; }

 private:
  enum class Layer : unsigned char { kDefault, kFile, kOption };

  void Put(std::string name, Entry entry, Layer layer);
  // The value without blanks around it; nothing where no layer has it.
  std::optional<std::string_view> Trimmed(std::string_view name) const;

  std::map<std::string, Entry> entries_;
  std::map<std::string, Layer> layers_;
  std::filesystem::path last_file_;
  std::vector<File> files_;
  mutable std::set<std::string, std::less<>> read_;
};

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_PROPERTIES_H_
