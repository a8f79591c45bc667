// SPDX-License-Identifier: BSD-3-Clause
// Source files with what each line did to persistent memory in front of it, from pmemcheck's JSON
// report.
#ifndef FENCEPOST_HARNESS_ANNOTATED_SOURCE_H_
#define FENCEPOST_HARNESS_ANNOTATED_SOURCE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace fencepost {

// Files with the most stored bytes first; of each, the lines that stored, flushed or fenced, and
// two around them. A file that cannot be read is listed with its counts alone; code without line
// numbers under its object. `report`: fencepost.pmemcheck/1.
std::string AnnotateSource(const nlohmann::json& report);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ANNOTATED_SOURCE_H_
