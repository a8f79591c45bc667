// SPDX-License-Identifier: BSD-3-Clause
// What the conformance tests share: one case for each engine of the table that stores data and each
// durability that it has, and a fixture that gives a case a path of its own on a medium of its
// kind. The tests use what the engine's row says and never its name.
#ifndef FENCEPOST_ENGINES_CONFORMANCE_H_
#define FENCEPOST_ENGINES_CONFORMANCE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "engines/engine_table.h"

namespace fencepost {

struct ConformanceCase {
  const EngineRow* row = nullptr;
  Durability durability = Durability::kNone;

  const Capabilities& can() const { return row->capabilities; }
};

void PrintTo(const ConformanceCase& test_case, std::ostream* out);

std::vector<ConformanceCase> AllCases();        // every durability of every engine
std::vector<ConformanceCase> StrongestCases();  // each engine once
std::string CaseName(const testing::TestParamInfo<ConformanceCase>& info);

// Where the tests of an engine may write: /dev/shm for one that wants persistent memory, else the
// folder for temporary files.
std::filesystem::path MediumFor(const EngineRow& row);

// A fresh directory, removed with everything in it.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::filesystem::path& parent);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A tmpfs of its own on a directory, unmounted at the end. Only root may mount.
class TinyMedium {
 public:
  // nullptr where mounting is not permitted.
  static std::unique_ptr<TinyMedium> Mount(const std::filesystem::path& parent, uint64_t bytes);
  ~TinyMedium();
  TinyMedium(const TinyMedium&) = delete;
  TinyMedium& operator=(const TinyMedium&) = delete;
  const std::filesystem::path& path() const { return scratch_.path(); }
  bool MakeReadOnly();

 private:
  explicit TinyMedium(const std::filesystem::path& parent) : scratch_(parent) {}
  ScratchDirectory scratch_;
};

using Model = std::map<std::string, std::string>;

// Deterministic bytes, zero bytes among them, that differ by `tag`.
std::string TestBytes(uint64_t tag, size_t bytes);

// A short key that every engine takes.
std::string TestKey(uint64_t number);

// The value of `key`, or nothing where the engine says kNotFound. Fails the test on other errors.
std::optional<std::string> Lookup(Engine* engine, std::string_view key);

// Fails the test unless the engine holds exactly what `model` does: by Get, by ForEach, by count.
void ExpectHolds(Engine* engine, const Capabilities& can, const Model& model);

// Fails the test unless a Status is an error with one line of text.
void ExpectOneLineError(const Status& status);

// Names under `root`, for comparing before and after.
std::vector<std::string> NamesUnder(const std::filesystem::path& root);

class ConformanceTest : public testing::TestWithParam<ConformanceCase> {
 protected:
  ConformanceTest();

  const Capabilities& can() const { return GetParam().can(); }
  EngineOptions OptionsAt(const std::filesystem::path& path) const;
  const std::filesystem::path& root() const { return scratch_.path(); }
  std::filesystem::path store() const { return scratch_.path() / "store"; }

  Result<std::unique_ptr<Engine>> TryOpen(const EngineOptions& options) const {
    return OpenEngine(*GetParam().row, options);
  }
  // Opens `store()`; ends the process on failure, since no test can go on without.
  std::unique_ptr<Engine> Open() const;

  SizeHint hint_ = {.pairs = 20'000, .key_bytes = 32, .value_bytes = 1000};

 private:
  ScratchDirectory scratch_;
};

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_CONFORMANCE_H_
