// SPDX-License-Identifier: BSD-3-Clause
// FileCanary: what the canaries on files share: the files, the planted bug, opening, and what
// becomes of a store of which a write or a sync has failed.
//
// Invariants:
//   1. After a change that failed half-way none is taken: what is durable is not known, and only
//      opening the store again, which writes anew all that it relies on, makes it known.
// Threads: CanaryEngine's lock.
#ifndef FENCEPOST_ENGINES_CANARIES_FILE_CANARY_H_
#define FENCEPOST_ENGINES_CANARIES_FILE_CANARY_H_

#include <fmt/format.h>

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_files.h"
#include "engines/canaries/canary_structure.h"

namespace fencepost::canary {

template <typename BugType>
class FileCanary : public CanaryEngine {
 public:
  using Bug = BugType;

  Status Sync() final {
    return Locked([&] { return Change([&] { return DoSync(); }); });
  }

 protected:
  FileCanary(std::unique_ptr<Files> files, const EngineOptions& options, Bug bug)
      : CanaryEngine(options.path, files->medium()), files_(std::move(files)), bug_(bug) {}

  virtual Status DoSync() { return Status::Ok(); }
  uint64_t DoSyncs() final { return files_ == nullptr ? 0 : files_->sync_count(); }

  // Every step that writes or syncs after recovery goes through here. Its error is kIoError,
  // whatever it was, since some of the step may have been done.
  Status Change(FunctionRef<Status()> step) {
    if (!failed_.ok()) return failed_;
    const Status status = step();
    if (status.ok()) return status;
    failed_ = Status::IoError(fmt::format(
        "no changes until it is opened again, since this failed: {}", status.message()));
    return failed_;
  }

  Status Corrupt(std::string_view what) const {
    return Status::Corrupt(fmt::format("{}: {}", path().string(), what));
  }

  std::unique_ptr<Files> files_;  // null when closed
  const Bug bug_;

 private:
  Status failed_;
};

// Recovers the store in `files`, or makes it there.
template <typename Canary>
Result<std::unique_ptr<Engine>> OpenFileCanaryOn(std::unique_ptr<Files> files,
                                                 const EngineOptions& options,
                                                 std::span<const Planting> plantings) {
  ASSIGN_OR_RETURN(const size_t bug, FindBug(options, plantings));
  auto engine =
      std::make_unique<Canary>(std::move(files), options, static_cast<typename Canary::Bug>(bug));
  RETURN_IF_ERROR(engine->Recover());
  return std::unique_ptr<Engine>(std::move(engine));
}

// The same in the directory that `options` names.
template <typename Canary>
Result<std::unique_ptr<Engine>> OpenFileCanary(const EngineOptions& options,
                                               const StoreLayout& layout,
                                               std::span<const Planting> plantings) {
  RETURN_IF_ERROR(FindBug(options, plantings).status());  // before a directory is made
  ASSIGN_OR_RETURN(std::unique_ptr<PosixFiles> files, PosixFiles::Open(options, layout));
  PosixFiles& kept = *files;
  ASSIGN_OR_RETURN(auto engine, OpenFileCanaryOn<Canary>(std::move(files), options, plantings));
  kept.Keep();
  return engine;
}

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_FILE_CANARY_H_
