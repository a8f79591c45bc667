// SPDX-License-Identifier: BSD-3-Clause
// For tests of the explorer: a recording made by hand, and recoverers and judges that are
// functions.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_EXPLORE_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_EXPLORE_TEST_UTIL_H_

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/explorer.h"
#include "faultinject/explore/recording.h"
#include "faultinject/explore/trace_replay.h"
#include "faultinject/trace/trace_test_util.h"

namespace fencepost {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "explore-XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  CHECK(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  out.close();
  CHECK(out.good());
}

// How much is in a folder, for tests that nothing is left.
inline size_t EntriesOf(const std::filesystem::path& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder),
                                           std::filesystem::directory_iterator()));
}

// A recording of one file, number 1, mapped at kBase. Each call returns its event's number.
class TestRun {
 public:
  static constexpr uint64_t kBase = 0x10000000;
  static constexpr uint32_t kFile = 1;

  explicit TestRun(const std::string& initial = std::string(4096, '\0'))
      : pool_(folder_.path() / "run" / "pool") {
    std::filesystem::create_directories(pool_.parent_path());
    WriteFile(pool_, initial);
    recording_.folder = folder_.path() / "recording";
    std::filesystem::create_directories(recording_.folder);
    CHECK(recording_.AddFile(pool_).ok());
    fpt_file(writer(), kFile, recording_.files.front().path.c_str());
    fpt_map(writer(), 1, kFile, kBase, initial.size(), 0, FPT_MAP_FOUND);
  }

  fpt_writer* writer() { return trace_.writer(); }
  const std::filesystem::path& pool() const { return pool_; }
  const std::filesystem::path& folder() const { return folder_.path(); }
  Recording* recording() { return &recording_; }

  uint64_t Store(uint64_t offset, const std::string& bytes, uint32_t flags = 0, uint32_t thread = 1,
                 uint32_t stack = 0) {
    return Do([&] {
      fpt_store(writer(), thread, kBase + offset, bytes.data(), bytes.size(), flags, stack);
    });
  }
  uint64_t Store8(uint64_t offset, uint64_t value, uint32_t thread = 1, uint32_t stack = 0) {
    return Do([&] { fpt_store(writer(), thread, kBase + offset, &value, 8, 0, stack); });
  }
  uint64_t Flush(uint64_t offset, uint64_t bytes = 1, fpt_flush_kind kind = FPT_FLUSH_CLWB,
                 uint32_t thread = 1, uint32_t stack = 0) {
    return Do([&] { fpt_flush(writer(), thread, kBase + offset, bytes, kind, stack); });
  }
  uint64_t Fence(uint32_t thread = 1, fpt_fence_kind kind = FPT_FENCE_SFENCE, uint32_t stack = 0) {
    return Do([&] { fpt_fence(writer(), thread, kind, stack); });
  }
  uint64_t Sync(uint64_t offset, uint64_t bytes, uint32_t stack = 0) {
    return Do([&] { fpt_sync(writer(), 1, kBase + offset, bytes, FPT_SYNC_MSYNC, stack); });
  }
  uint64_t Write(uint64_t offset, uint64_t bytes, fpt_write_kind kind) {
    const std::string contents(bytes, 'w');
    return Do([&] { fpt_file_write(writer(), 1, kFile, offset, bytes, contents.data(), kind); });
  }
  uint64_t Begin(uint64_t operation) {
    return Do([&] { fpt_op_begin(writer(), 1, operation); });
  }
  uint64_t End(uint64_t operation) {
    return Do([&] { fpt_op_end(writer(), 1, operation); });
  }
  void Persist(uint64_t offset, uint64_t bytes = 1) {
    Flush(offset, bytes);
    Fence();
  }

  // The end of the run: the trace is written, and what the file holds now is what replay gives.
  void Finish() {
    const std::vector<uint8_t>& bytes = trace_.Finish();
    WriteFile(recording_.trace_path(), {bytes.begin(), bytes.end()});
    TraceFile trace = Trace();
    Result<ImageSet> images = InitialImages(recording_, &trace);
    CHECK(images.ok());
    CHECK(ReplayAll(&trace, &*images).ok());
    const std::vector<uint8_t>& last = images->files().at(kFile).bytes;
    WriteFile(pool_, {last.begin(), last.end()});
    CHECK(recording_.Finish().ok());
    CHECK(recording_.Write().ok());
  }

  TraceFile Trace() const {
    Result<TraceFile> trace = TraceFile::Open(recording_.trace_path().string());
    CHECK(trace.ok());
    return std::move(*trace);
  }

 private:
  template <typename Emit>
  uint64_t Do(Emit&& emit) {
    const uint64_t number = fpt_writer_events(writer());
    emit();
    return number;
  }

  TemporaryFolder folder_;
  std::filesystem::path pool_;
  Recording recording_;
  MemoryTrace trace_;
};

class FunctionRecoverer : public Recoverer {
 public:
  using Function =
      std::function<std::string(const std::vector<std::string>& paths, const std::string& context)>;
  explicit FunctionRecoverer(Function function) : function_(std::move(function)) {}
  std::string Recover(const std::vector<std::string>& paths, const std::string& context) override {
    return function_(paths, context);
  }

 private:
  const Function function_;
};

// The answer is what the first image holds.
inline FunctionRecoverer WholeImage() {
  return FunctionRecoverer([](const std::vector<std::string>& paths, const std::string&) {
    return ReadFile(paths.front());
  });
}

class FunctionJudge : public Judge {
 public:
  using Function = std::function<std::vector<Finding>(const CrashPoint&, const Outcome&)>;
  explicit FunctionJudge(Function function) : function_(std::move(function)) {}
  std::string Context(const CrashPoint&) override { return {}; }
  std::vector<Finding> Verdict(const CrashPoint& point, const Outcome& outcome) override {
    return function_(point, outcome);
  }

 private:
  const Function function_;
};

// The little-endian number at an offset of an image.
inline uint64_t NumberAt(const std::string& image, uint64_t offset) {
  uint64_t number = 0;
  CHECK(offset + sizeof(number) <= image.size());
  std::memcpy(&number, image.data() + offset, sizeof(number));
  return number;
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_EXPLORE_TEST_UTIL_H_
