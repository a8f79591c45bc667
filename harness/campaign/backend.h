// SPDX-License-Identifier: BSD-3-Clause
// The one list of places where a campaign's workers run. A backend is one file here and one row in
// backend_table.cc.
//
// A backend starts workers, says when all of them have ended, and ends them. What they have done it
// need not know: that is in the campaign's folder.
#ifndef FENCEPOST_HARNESS_CAMPAIGN_BACKEND_H_
#define FENCEPOST_HARNESS_CAMPAIGN_BACKEND_H_

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// What is asked of a backend as a whole, from the command line.
struct BackendFlags {
  std::vector<std::string> options;  // for the scheduler, as they are
};

struct Launch {
  std::string name;                // of the step, for whoever lists jobs
  std::vector<std::string> words;  // of a worker, but for its number, which comes last
  unsigned workers = 1;
  bool exclusive = false;        // a worker must have its machine for itself
  std::filesystem::path folder;  // which is there: for what the backend must keep
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Before anything is made. kUnsupported, kInvalidArgument: it cannot be used here.
  virtual Status Check() = 0;
  // Of a campaign that was killed something may still run; `folder` is that of its launch.
  virtual Status EndLeftover(const std::filesystem::path& folder) = 0;
  // REQUIRES: nothing runs.
  virtual Status Start(const Launch& launch) = 0;
  // Waits a while for the end of all workers. True: they have ended.
  virtual Result<bool> Wait() = 0;
  // How many of them are at work, and what the others wait for: "2 running, 1 waits (Resources)".
  virtual std::string Describe() const = 0;
  // Ends all, and waits for that.
  virtual void Cancel() = 0;
  // After the end: what the first worker to complain has said; empty: none has.
  virtual std::string Complaint() const = 0;
};

struct BackendRow {
  std::string_view name;
  std::string_view description;
  std::unique_ptr<Backend> (*make)(const BackendFlags& flags);
  bool shares_machine = false;  // workers run on this very machine
};

std::span<const BackendRow> Backends();
const BackendRow* FindBackend(std::string_view name);  // null: there is none

std::unique_ptr<Backend> MakeLocalBackend(const BackendFlags& flags);
std::unique_ptr<Backend> MakeSlurmBackend(const BackendFlags& flags);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CAMPAIGN_BACKEND_H_
