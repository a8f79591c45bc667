// SPDX-License-Identifier: BSD-3-Clause
// ChildProcess: a program started with words, its standard error kept.
#ifndef FENCEPOST_HARNESS_CHILD_PROCESS_H_
#define FENCEPOST_HARNESS_CHILD_PROCESS_H_

#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// In a child's environment: the process that started it (EndWithParent in interrupt.h).
inline constexpr const char* kParentVariable = "FENCEPOST_PARENT";

class ChildProcess {
 public:
  // What its standard input and output are: nothing, or this program's; or standard error too, of
  // which error_text() then has nothing.
  enum class Streams : unsigned char { kNone, kShared, kAllShared };

  // Starts `words[0]`; `variables` ("NAME=value") are added to its environment, and it has the
  // descriptor `kept`, under the same number. kIoError if it cannot be started.
  static Result<ChildProcess> Start(const std::vector<std::string>& words,
                                    const std::vector<std::string>& variables = {},
                                    Streams streams = Streams::kNone, int kept = -1);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  // Kills the child if it still runs.
  ~ChildProcess();

  // Waits for its end, for `timeout_ms` at most. True if it has ended.
  bool WaitFor(int timeout_ms);
  // SIGKILL; it ends soon after.
  void Kill();
  // SIGINT, as by Ctrl-C: one of our own programs ends early and keeps what it has.
  void Interrupt();
  // SIGSTOP, and SIGCONT. One that is stopped can be killed, but not interrupted.
  void Stop();
  void Continue();
  // After its end: the exit code, or 128 + the signal that ended it.
  int exit_code() const { return exit_code_; }
  // What it wrote to standard error.
  const std::string& error_text() const { return error_text_; }
  // Of one of our own programs: its first complaint there that is no warning, without the program's
  // name; otherwise the first line.
  std::string FirstError() const;

 private:
  ChildProcess(int pid, int error_pipe) : pid_(pid), error_pipe_(error_pipe) {}
  void Drain();

  int pid_;
  int error_pipe_;
  int exit_code_ = 0;
  std::string error_text_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CHILD_PROCESS_H_
