// SPDX-License-Identifier: BSD-3-Clause
// IoRecorder: records what a program and its children do to the files below one directory.
//
//   ASSIGN_OR_RETURN(IoRecorder recorder, IoRecorder::Start({.root = ..., .folder = ...}));
//   // start the program with recorder.Environment() beside its own, wait for it
//   RETURN_IF_ERROR(recorder.Finish());  // the trace is recorder.trace_path()
//
// The program loads libfencepost_iorecorder.so, which traps the system calls that can change files
// by seccomp: those of libc itself, of all threads, of children and of programs that they execute.
// What it is told apart by is the kernel's inode number; the paths and descriptors are the kernel's
// business. Finish() reads the directory again: a run whose trace does not make every file what it
// was is refused, and so is one that did what cannot be recorded.
//
// Not covered: programs that are linked statically, set-user-ID programs (they do not get their
//   rights), 32-bit programs; a program that has a seccomp filter of its own for the same calls;
//   what outlives the program that was waited for. What was stored to a shared mapping is seen when
//   a file is synced, unmapped or truncated, when an operation begins or ends, and at the end.
// Threads: none. The calling process is not recorded.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_IO_RECORDER_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_IO_RECORDER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "faultinject/iotrace/file_tree.h"

namespace fencepost {

struct IoRecorderOptions {
  std::filesystem::path root = {};  // what is recorded
  std::filesystem::path folder =
      {};  // where the trace goes; not below `root`; made if it is not there
  // Patterns ('*', '?') of names of files whose contents are neither recorded nor proved.
  std::vector<std::string> volatile_names = {};
  uint64_t log_bytes_max = 64ULL << 30;  // of a sparse file
  std::filesystem::path library = {};    // empty: FindIoRecorderLibrary()
};

// libfencepost_iorecorder.so, where this program was built or installed. kUnsupported: nowhere.
Result<std::filesystem::path> FindIoRecorderLibrary();

class IoRecorder {
 public:
  // Reads the directory. kUnsupported for what is in it and cannot be recorded (pipes, sockets, a
  // mount), or for this machine; kInvalidArgument; kIoError; kFull.
  static Result<IoRecorder> Start(const IoRecorderOptions& options);
  IoRecorder(IoRecorder&& other) noexcept;
  IoRecorder& operator=(IoRecorder&&) = delete;
  // Without Finish() nothing is left in the folder.
  ~IoRecorder();

  // NAME=value, of variables that the program's environment must have.
  std::vector<std::string> Environment() const;
  std::filesystem::path trace_path() const { return folder_ / "trace"; }
  // What was there before the program started.
  const FileTree& initial() const { return initial_; }

  // After the program has ended: proves the trace and seals it. kUnsupported for a run that did
  // what cannot be recorded, kCorrupt for one whose trace is not complete; both say what, and the
  // trace says it too when it is opened. kIoError.
  Status Finish();

 private:
  class Shared;

  IoRecorder();
  Status Prepare(const IoRecorderOptions& options);
  Status FillInodes();
  std::string WhatWasMissed() const;
  Status Prove();
  void Seal();

  std::filesystem::path root_;
  std::filesystem::path folder_;
  std::filesystem::path library_;
  FileTree initial_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_IO_RECORDER_H_
