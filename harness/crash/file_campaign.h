// SPDX-License-Identifier: BSD-3-Clause
// A campaign over files: a recording is explored, what fails is minimised, and a report is made of
// it.
#ifndef FENCEPOST_HARNESS_CRASH_FILE_CAMPAIGN_H_
#define FENCEPOST_HARNESS_CRASH_FILE_CAMPAIGN_H_

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/crash/crash_replay.h"
#include "harness/crash/open_campaign.h"

namespace fencepost {

// As OpenCampaign::Open, for a recording of files. `make_parts` is told its operations.
Result<std::unique_ptr<OpenCampaign>> OpenFileCampaign(const std::filesystem::path& recording,
                                                       const MakeParts& make_parts,
                                                       const CampaignSettings& settings);

// As ReplayViolation, of a violation of such a report.
Result<ExitCode> ReplayFileViolation(const ReplayRequest& request, const nlohmann::json& report,
                                     const nlohmann::json& violation);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_FILE_CAMPAIGN_H_
