// SPDX-License-Identifier: BSD-3-Clause
// How the book's programs begin and end, as fencepost itself does: words, Ctrl-C, one line for what
// went wrong, exit codes.
#ifndef FENCEPOST_HARNESS_BOOK_PROGRAM_H_
#define FENCEPOST_HARNESS_BOOK_PROGRAM_H_

#include "engines/function_ref.h"
#include "engines/status.h"

namespace CLI {
class App;
}

namespace fencepost {

// Reads the words into `app`, whose name is the program's, and calls `run`. What main returns.
int RunProgram(CLI::App& app, int argc, char** argv, FunctionRef<Status()> run);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_PROGRAM_H_
