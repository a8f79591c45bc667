// SPDX-License-Identifier: BSD-3-Clause
// A campaign over files: a recording is explored, what fails is minimised, and a report is made of
// it.
#ifndef FENCEPOST_HARNESS_CRASH_FILE_CAMPAIGN_H_
#define FENCEPOST_HARNESS_CRASH_FILE_CAMPAIGN_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/crash/crash_campaign.h"
#include "harness/crash/crash_replay.h"

namespace fencepost {

// As RunCampaign, for a recording of files. `parts` are of its operations.
Result<nlohmann::json> RunFileCampaign(const std::filesystem::path& recording,
                                       const std::filesystem::path& folder,
                                       const MakeParts& make_parts,
                                       const CampaignSettings& settings,
                                       const std::vector<std::string>& command);

// As ReplayViolation, of a violation of such a report.
Result<ExitCode> ReplayFileViolation(const ReplayRequest& request, const nlohmann::json& report,
                                     const nlohmann::json& violation);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_FILE_CAMPAIGN_H_
