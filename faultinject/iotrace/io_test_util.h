// SPDX-License-Identifier: BSD-3-Clause
// For tests of the I/O recorder: a directory, a program that is recorded in it, its events.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_IO_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_IO_TEST_UTIL_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "faultinject/iotrace/io_recorder.h"
#include "faultinject/iotrace/io_trace.h"
#include "faultinject/iotrace/replay_check.h"

namespace fencepost {

// A directory on the build folder's disk, for one test.
class IoTestFolder {
 public:
  IoTestFolder() {
    std::string name = (std::filesystem::current_path() / "iotrace-test-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
    std::filesystem::create_directory(root());
  }
  IoTestFolder(const IoTestFolder&) = delete;
  IoTestFolder& operator=(const IoTestFolder&) = delete;
  ~IoTestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path root() const { return path_ / "root"; }
  std::filesystem::path trace_folder() const { return path_ / "trace"; }

 private:
  std::filesystem::path path_;
};

// Runs `args` in `folder` with more in its environment. What waitpid() says.
inline int RunProgram(const std::vector<std::string>& args, const std::filesystem::path& folder,
                      const std::vector<std::string>& environment) {
  const pid_t child = fork();
  if (child == 0) {
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> words;
    for (const std::string& arg : args) words.push_back(const_cast<char*>(arg.c_str()));
    words.push_back(nullptr);
    if (chdir(folder.c_str()) == 0) execvp(words[0], words.data());
    _exit(127);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

// A run that has been recorded.
struct RecordedRun {
  int exit_status = -1;
  Status finished;
  bool fault_was_played = false;
  FileTree initial;
  std::filesystem::path trace_path;

  IoTrace Open() const {
    Result<IoTrace> trace = IoTrace::Open(trace_path);
    EXPECT_TRUE(trace.ok()) << trace.message();
    return std::move(trace).value();
  }

  std::vector<IoEvent> Events() const {
    std::vector<IoEvent> events;
    IoTrace trace = Open();
    for (IoEvent event; trace.Next(&event).value();) events.push_back(event);
    return events;
  }
};

inline RecordedRun Record(const IoTestFolder& folder, const std::vector<std::string>& args,
                          IoRecorderOptions options = {}) {
  options.root = folder.root();
  options.folder = folder.trace_folder();
  Result<IoRecorder> recorder = IoRecorder::Start(options);
  EXPECT_TRUE(recorder.ok()) << recorder.message();
  RecordedRun run;
  run.trace_path = recorder->trace_path();
  run.initial = recorder->initial();
  run.exit_status = RunProgram(args, folder.root(), recorder->Environment());
  run.finished = recorder->Finish();
  run.fault_was_played = recorder->fault_was_played();
  return run;
}

inline void PutFile(const std::filesystem::path& path, const std::string& data) {
  std::ofstream(path, std::ios::binary) << data;
}

inline std::string GetFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_IO_TEST_UTIL_H_
