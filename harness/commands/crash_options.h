// SPDX-License-Identifier: BSD-3-Clause
// What `crash` and `explore` have in common on the command line, and what becomes of their reports.
#ifndef FENCEPOST_HARNESS_COMMANDS_CRASH_OPTIONS_H_
#define FENCEPOST_HARNESS_COMMANDS_CRASH_OPTIONS_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>

#include "harness/commands/command.h"
#include "harness/crash/crash_campaign.h"
#include "harness/crash/engine_recording.h"

namespace CLI {
class App;
}

namespace fencepost {

// Removes a result folder that came to nothing.
class Provisional {
 public:
  explicit Provisional(std::filesystem::path path) : path_(std::move(path)) {}
  ~Provisional() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Provisional(const Provisional&) = delete;
  Provisional& operator=(const Provisional&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void Keep() { path_.clear(); }

 private:
  std::filesystem::path path_;
};

// The flags, as the user gave them.
struct CrashFlags {
  std::optional<std::string> strategy;  // none: reads, or prefix where recovery is not watched
  uint64_t seed = 1;
  unsigned jobs = 0;  // 0: as many as there are processors
  double timeout_s = 10;
  uint64_t max_states = 0;  // 0: no limit
  double max_seconds = 0;   // 0: no limit
  uint64_t stop_after = 0;  // 0: no limit
  std::string shard = "0/1";
  std::optional<std::string> tear;
  bool eadr = false;
  std::optional<std::string> file_system;
  std::optional<uint64_t> sector_bytes;  // none: as the file system has it
  bool mutate = false;
  unsigned after = 12;
  unsigned depth = 0;  // 0: as the strategy has it
  std::string results = "results";
  bool json = false;
  bool quiet = false;
};

void DeclareCrashFlags(CLI::App& app, CrashFlags* flags);

// kInvalidArgument, naming the flag, where one makes no sense.
Result<CampaignSettings> MakeSettings(const CrashFlags& flags, CrashDomain domain);

// Writes crash.json, and verdict.json where there is one, into `folder`, prints what the user asked
// for, and gives the exit code.
ExitCode PublishReport(const nlohmann::json& report, const std::filesystem::path& folder,
                       const CrashFlags& flags);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_CRASH_OPTIONS_H_
