// SPDX-License-Identifier: BSD-3-Clause
// Is each flush needed? The part of a campaign that leaves out the recording's flushes, fences and
// msyncs in turn (faultinject/explore/mutation.h), and its part of the report.
#ifndef FENCEPOST_HARNESS_CRASH_MUTATIONS_H_
#define FENCEPOST_HARNESS_CRASH_MUTATIONS_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "faultinject/explore/mutation.h"
#include "harness/crash/crash_campaign.h"
#include "harness/progress.h"

namespace fencepost {

// Why a recording is not mutated, by the report of what became of it as it is; empty if it passed.
// A violation is only a site's if none is there without the mutation.
std::string WhyNotMutated(const nlohmann::json& report);

// Leaves out each site, one after the other; what `report` of the recording as it is gets as its
// "mutations". A site that cannot be explored says why; the others are.
// REQUIRES: `parts` were made for the recording.
Result<nlohmann::json> Mutate(const nlohmann::json& report, const Recording& recording,
                              TraceFile* trace, const TraceSurvey& survey,
                              const CampaignSettings& settings, const CampaignParts& parts,
                              Progress* progress);

// A row of "mutations".
nlohmann::json MutationJson(const MutationSite& site, const MutationResult& result,
                            const TraceFile& trace);

// For the terminal: a table, those that are not shown necessary first. Empty for null.
std::string MutationsText(const nlohmann::json& report);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_MUTATIONS_H_
