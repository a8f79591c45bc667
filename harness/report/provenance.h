// SPDX-License-Identifier: BSD-3-Clause
// Which build ran on which machine, and in what two of those differ.
#ifndef FENCEPOST_HARNESS_REPORT_PROVENANCE_H_
#define FENCEPOST_HARNESS_REPORT_PROVENANCE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace fencepost {

// Of this process: fencepost_version, commit, dirty, compiler, build_type and machine, as in a
// manifest.
nlohmann::json ProvenanceJson();

// One line for each of build, kernel, CPU, memory and frequency settings that is in both and not
// the same: "kernel: Linux 6.1 before, Linux 6.5 now". What a document does not have is passed
// over.
std::vector<std::string> EnvironmentDifferences(const nlohmann::json& before,
                                                const nlohmann::json& now,
                                                const std::string& before_name,
                                                const std::string& now_name);

// "fencepost 0.1.0, commit 1234567890ab with changes, GNU 12.2.0 Release".
std::string BuildText(const nlohmann::json& manifest);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_REPORT_PROVENANCE_H_
