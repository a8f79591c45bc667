// SPDX-License-Identifier: BSD-3-Clause
// What a modelled medium was made to cost, for a summary and for a reader, with how far off what
// was injected is from what was asked for.
#ifndef FENCEPOST_HARNESS_REPORT_INJECTION_REPORT_H_
#define FENCEPOST_HARNESS_REPORT_INJECTION_REPORT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/session.h"

namespace fencepost {

// Null: nothing was modelled.
nlohmann::json InjectionJson(const PhaseReport& report);

// REQUIRES: something was.
std::string InjectionLine(const PhaseReport& report);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_REPORT_INJECTION_REPORT_H_
