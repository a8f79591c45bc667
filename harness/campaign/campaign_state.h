// SPDX-License-Identifier: BSD-3-Clause
// campaign.json: which campaign a folder holds, and what has been done of it.
//
// What a step's shards have come to is not in it but beside it (shard_store.h): of a campaign that
// was killed, files tell what is done.
#ifndef FENCEPOST_HARNESS_CAMPAIGN_CAMPAIGN_STATE_H_
#define FENCEPOST_HARNESS_CAMPAIGN_CAMPAIGN_STATE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "harness/suite/suite_file.h"

namespace fencepost {

struct CampaignStep {
  std::optional<int> exit_code;  // none: not finished
  double wall_s = 0;             // of all starts of the campaign together
  uint64_t shards = 0;           // 0: it is not divided yet
  uint64_t retries = 0;          // shards that a worker had begun, and were lost with it
  uint64_t launches = 0;         // how often workers were started
  std::map<std::string, uint64_t> nodes = {};     // who has made how many of its parts
  std::map<std::string, std::string> cells = {};  // of a bench: on which node each cell ran

  // An end that says something of the subject; everything else is tried again.
  bool done() const { return exit_code == 0 || exit_code == 1; }
};

struct CampaignState {
  std::string created_utc;
  std::vector<std::string> command;
  std::string backend;
  uint64_t shards = 0;  // that were asked for
  std::vector<CampaignStep> steps;

  // The folder's, if it holds one: kInvalidArgument, in one line, if that is of another build, of
  // other steps or another number of shards, or cannot be read, or the folder holds something
  // else. Otherwise a new one.
  static Result<CampaignState> TakeUp(const std::filesystem::path& folder, const Suite& suite,
                                      const CampaignState& fresh);
  Status Save(const std::filesystem::path& folder, const Suite& suite) const;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CAMPAIGN_CAMPAIGN_STATE_H_
