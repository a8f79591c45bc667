// SPDX-License-Identifier: BSD-3-Clause
// Recovery of any program's files: by a command, or by a function of a shared library; and the
// judge that takes its word.
//
// A command is run by /bin/sh, with {image} replaced by the path of the crash image, quoted
// ({image0}, {image1}, ... where there are several). Exit code 0: the image is consistent; 126 and
// 127: the shell could not run the command, which says nothing; any other, or a signal: it is not
// consistent. What it leaves running when it has ended is killed, or it might write to the next
// image. A function is `int f(const char* image)`, called in the worker; 0 is consistent.
//
// Both are told which operations had been acknowledged at the crash, and which were under way:
// FENCEPOST_ACKNOWLEDGED and FENCEPOST_UNDER_WAY hold their numbers, "1-40,43".
// Threads: none.
#ifndef FENCEPOST_HARNESS_CRASH_PROGRAM_RECOVERY_H_
#define FENCEPOST_HARNESS_CRASH_PROGRAM_RECOVERY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "faultinject/explore/explorer.h"

namespace fencepost {

class CommandRecovery : public Recoverer {
 public:
  // kInvalidArgument unless the command names an {image}.
  static Result<std::unique_ptr<CommandRecovery>> Make(const std::string& command);

  std::string Recover(const std::vector<std::string>& paths, const std::string& context) override;
  // What the shell is given.
  std::string CommandFor(const std::vector<std::string>& paths) const;

 private:
  explicit CommandRecovery(std::string command) : command_(std::move(command)) {}

  const std::string command_;
};

class LibraryRecovery : public Recoverer {
 public:
  // "lib.so:function". kInvalidArgument if there is no such library or function.
  static Result<std::unique_ptr<LibraryRecovery>> Make(const std::string& checker);

  std::string Recover(const std::vector<std::string>& paths, const std::string& context) override;

 private:
  using Function = int (*)(const char* image);
  explicit LibraryRecovery(Function function) : function_(function) {}

  const Function function_;
};

// A set of numbers, kept as the ranges that it is made of: mostly one.
class NumberRanges {
 public:
  void Insert(uint64_t number);
  void Erase(uint64_t number);
  // "1-3,7" for {1, 2, 3, 7}.
  std::string Text() const;

 private:
  std::map<uint64_t, uint64_t> last_of_;  // by the first number of each range, its last
};

class ProgramJudge : public Judge {
 public:
  // REQUIRES: `survey` outlives the judge.
  ProgramJudge(const TraceSurvey& survey, double timeout_s);

  // "ACKNOWLEDGED;UNDER_WAY". Cheap for points in ascending order; going back starts over.
  std::string Context(const CrashPoint& point) override;
  std::vector<Finding> Verdict(const CrashPoint& point, const Outcome& outcome) override;
  Status status() const override { return status_; }

 private:
  struct Mark {
    uint64_t event = 0;
    uint64_t operation = 0;
    bool ends = false;
  };
  std::vector<Mark> marks_;  // by event
  // After the first `taken_` marks.
  size_t taken_ = 0;
  NumberRanges acknowledged_, under_way_;
  const double timeout_s_;
  Status status_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_PROGRAM_RECOVERY_H_
