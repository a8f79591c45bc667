// SPDX-License-Identifier: BSD-3-Clause
// YCSB's command-line flags, rewritten into the double-dash form that CLI11 can parse.
//
// YCSB writes long flags with one dash (-threads 4), which CLI11 2.1.2 refuses, and gives -p
// exactly one value, where CLI11 would take every following word (`-p a=1 cmap` would lose the
// engine).
#ifndef FENCEPOST_HARNESS_YCSB_FLAGS_H_
#define FENCEPOST_HARNESS_YCSB_FLAGS_H_

#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// {"-P", "f", "-p", "a=1", "-threads", "4"} -> {"--workload=f", "--property=a=1", "--threads=4"}.
// Words after "--" are left alone. kInvalidArgument if a flag that takes a value ends the line.
Result<std::vector<std::string>> RewriteYcsbFlags(const std::vector<std::string>& arguments);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_YCSB_FLAGS_H_
