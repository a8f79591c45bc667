// SPDX-License-Identifier: BSD-3-Clause
// OpenCampaign: a recording that was opened to be explored: all of it at once, or in parts, of
// which another process, of the same build and settings, makes the report.
//
// Invariants: ReportOf the parts of all units is what Run gives, but for what depends on the
// process
//   (VerdictPart in crash_report.h).
// Threads: none; it forks.
#ifndef FENCEPOST_HARNESS_CRASH_OPEN_CAMPAIGN_H_
#define FENCEPOST_HARNESS_CRASH_OPEN_CAMPAIGN_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/crash/crash_campaign.h"

namespace fencepost {

// What a report is made for.
struct ReportFor {
  std::filesystem::path folder;
  std::vector<std::string> command;
};

// Says which units are explored next, and takes what came of them (PartDealerOf).
struct DocumentDealer {
  std::function<std::optional<UnitRange>()> next;
  std::function<Status(const UnitRange& units, nlohmann::json part)> take;
};

class OpenCampaign {
 public:
  virtual ~OpenCampaign() = default;
  // kCorrupt if replaying the trace of the recording does not give what the run left.
  static Result<std::unique_ptr<OpenCampaign>> Open(const std::filesystem::path& recording,
                                                    const MakeParts& make_parts,
                                                    const CampaignSettings& settings);

  virtual Result<nlohmann::json> Run(const ReportFor& report) = 0;
  // How many units there are to be dealt out.
  virtual Result<uint64_t> CountUnits() = 0;
  // Until there are no more, or somebody interrupts. kUnsupported if the strategy cannot be
  // followed: which one takes its place is not for one part to choose.
  virtual Status ExploreParts(const DocumentDealer& dealer) = 0;
  // Minimises what the parts, which are of all units, have found.
  virtual Result<nlohmann::json> ReportOf(const std::vector<nlohmann::json>& parts,
                                          const ReportFor& report) = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_OPEN_CAMPAIGN_H_
