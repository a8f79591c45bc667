// SPDX-License-Identifier: BSD-3-Clause
// The statement: what a campaign without a violation has shown, in words that claim no more than
// was done.
#ifndef FENCEPOST_HARNESS_CRASH_CRASH_STATEMENT_H_
#define FENCEPOST_HARNESS_CRASH_CRASH_STATEMENT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace fencepost {

// A power of ten as people write it: "1.3e+21"; exact below a million; "0" for no number.
std::string PowerOfTen(const nlohmann::json& log10);

// Lines of a passed report: "PROVED ..." if every state was judged that recovery can tell apart.
// REQUIRES: a report of verdict "passed".
std::string StatementOf(const nlohmann::json& report);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_STATEMENT_H_
