// SPDX-License-Identifier: BSD-3-Clause
#include "harness/campaign/campaign_state.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/build_info.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSchema = "fencepost.campaign/1";

// What a step was asked to do: a campaign goes on only where that is the same.
json AskedOf(const SuiteStep& step) {
  return {{"name", step.name}, {"command", step.command}, {"arguments", step.words}};
}

Status CheckSame(const json& before, const fs::path& folder, const Suite& suite,
                 const CampaignState& fresh) {
  const auto refuse = [&](const std::string& why) {
    return Status::InvalidArgument(fmt::format("{}: {}", folder.string(), why));
  };
  if (before.at("schema") != kSchema) return refuse("a campaign of another version");
  for (const auto& [name, mine] : {std::pair("fencepost_version", GetBuildInfo().version),
                                   std::pair("commit", GetBuildInfo().commit)}) {
    if (before.at(name) == mine) continue;
    return refuse(fmt::format("was begun by another version of fencepost: {} {}, this is {}", name,
                              before.at(name).get<std::string>(), mine));
  }
  if (before.at("shards") != fresh.shards) {
    return refuse(fmt::format("was begun with --shards={}, not {}",
                              before.at("shards").get<uint64_t>(), fresh.shards));
  }
  const json& steps = before.at("steps");
  for (size_t i = 0; i < suite.steps.size() || i < steps.size(); ++i) {
    if (i < suite.steps.size() && i < steps.size()) {
      const json asked = AskedOf(suite.steps[i]);
      bool same = true;
      for (const auto& [name, value] : asked.items()) same &= steps[i].at(name) == value;
      if (same) continue;
    }
    return refuse("was begun with other steps than the suite has now, or from another folder");
  }
  return Status::Ok();
}

}  // namespace

Result<CampaignState> CampaignState::TakeUp(const fs::path& folder, const Suite& suite,
                                            const CampaignState& fresh) {
  CampaignState state = fresh;
  const fs::path path = folder / "campaign.json";
  std::error_code error;
  if (!fs::exists(path, error)) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().filename() == "campaign.lock") continue;
      return Status::InvalidArgument(
          fmt::format("{}: is not empty, and holds no campaign", folder.string()));
    }
    state.steps.resize(suite.steps.size());
    return state;
  }
  try {
    std::ifstream file(path);
    const json before = json::parse(file);
    RETURN_IF_ERROR(CheckSame(before, folder, suite, fresh));
    before.at("created_utc").get_to(state.created_utc);
    for (const json& entry : before.at("steps")) {
      CampaignStep& step = state.steps.emplace_back();
      if (!entry.at("exit_code").is_null()) step.exit_code = entry.at("exit_code").get<int>();
      entry.at("wall_s").get_to(step.wall_s);
      entry.at("shards").get_to(step.shards);
      entry.at("retries").get_to(step.retries);
      entry.at("launches").get_to(step.launches);
      entry.at("nodes").get_to(step.nodes);
      entry.at("cells").get_to(step.cells);
    }
  } catch (const json::exception&) {
    return Status::InvalidArgument(fmt::format("{}: cannot be read", path.string()));
  }
  return state;
}

Status CampaignState::Save(const fs::path& folder, const Suite& suite) const {
  json list = json::array();
  for (size_t i = 0; i < steps.size(); ++i) {
    const CampaignStep& step = steps[i];
    json entry = AskedOf(suite.steps[i]);
    entry.update({{"exit_code", step.exit_code ? json(*step.exit_code) : json(nullptr)},
                  {"wall_s", step.wall_s},
                  {"shards", step.shards},
                  {"retries", step.retries},
                  {"launches", step.launches},
                  {"nodes", step.nodes},
                  {"cells", step.cells}});
    list.push_back(std::move(entry));
  }
  const json document = {{"schema", kSchema},
                         {"campaign_id", folder.filename().string()},
                         {"created_utc", created_utc},
                         {"command", command},
                         {"fencepost_version", GetBuildInfo().version},
                         {"commit", GetBuildInfo().commit},
                         {"suite", suite.name},
                         {"title", suite.title},
                         {"backend", backend},
                         {"shards", shards},
                         {"steps", std::move(list)}};
  return WriteFileAtomically(folder / "campaign.json", document.dump(2) + "\n");
}

}  // namespace fencepost
