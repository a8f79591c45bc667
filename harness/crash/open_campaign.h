// SPDX-License-Identifier: BSD-3-Clause
// OpenCampaign: a recording that was opened to be explored: all of it at once, or in parts, of
// which another process, of the same build and settings, makes the report.
//
// Invariant: ReportOf the parts of all units is what Run gives, but for what depends on the process
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

#include "faultinject/explore/budget.h"
#include "faultinject/explore/explore_part.h"
#include "harness/crash/crash_campaign.h"
#include "harness/progress.h"

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

// A search that ends at Ctrl-C. `tells`: what is found is shown as it is found, behind `label`.
// REQUIRES: `progress` outlives it.
ExploreHooks HooksOf(Progress* progress, const std::string& label, bool tells);

// Deals out nothing: a search led by it only counts its units, which all lie before what is wanted.
template <typename State>
PartDealerOf<State> CountingDealer() {
  return {.next = [] { return std::optional(UnitRange{.begin = UINT64_MAX}); },
          .take = [](const UnitRange&, const ExplorePartOf<State>&) { return Status::Ok(); }};
}

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
