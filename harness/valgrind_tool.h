// SPDX-License-Identifier: BSD-3-Clause
// Where the pmemcheck of this build is, and what it takes to run a program under it.
#ifndef FENCEPOST_HARNESS_VALGRIND_TOOL_H_
#define FENCEPOST_HARNESS_VALGRIND_TOOL_H_

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

struct ValgrindTool {
  std::filesystem::path valgrind;  // the launcher
  std::filesystem::path library;   // for VALGRIND_LIB; empty: the launcher's own
};

// Beside this program, in the build tree or where it was installed; with `launcher`, a Valgrind
// that has a pmemcheck of its own. kUnsupported if there is none.
Result<ValgrindTool> FindPmemcheck(const std::string& launcher);

// The file that `word` names, as a shell would find it. kInvalidArgument unless it is a 64-bit ELF
// program that may be executed: Valgrind's own complaint about others takes a page.
Result<std::filesystem::path> FindProgram(const std::string& word);

// Replaces this process by `program` under the tool. Comes back only on failure.
Status ExecUnder(const ValgrindTool& tool, const std::vector<std::string>& options,
                 const std::vector<std::string>& program);
// How a program ended: its exit code, or 128 + the signal that ended it.
struct EndedProgram {
  int exit_code = 0;
  int pid = 0;
};
// The same in a child.
Result<EndedProgram> RunUnder(const ValgrindTool& tool, const std::vector<std::string>& options,
                              const std::vector<std::string>& program);

// A program under the tool that answers lines with lines: its standard input and output are pipes
// of ours.
class ToolServer {
 public:
  static Result<ToolServer> Start(const ValgrindTool& tool, const std::vector<std::string>& options,
                                  const std::vector<std::string>& program);
  ToolServer(ToolServer&& other) noexcept;
  ToolServer& operator=(ToolServer&&) = delete;
  // Ends it by closing its input, and waits for its end.
  ~ToolServer();

  // The answer to a line. kIoError if the program has ended instead.
  Result<std::string> Ask(const std::string& line);

 private:
  ToolServer(int pid, FILE* to, FILE* from) : pid_(pid), to_(to), from_(from) {}

  int pid_;
  FILE *to_, *from_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VALGRIND_TOOL_H_
