// SPDX-License-Identifier: BSD-3-Clause
// FileWalk: leads the model of a file system along the I/O of a run, from crash point to crash
// point.
//
// A crash point comes before each sync ends that makes something durable (a synchronous write is
// one), before each operation begins if anything was done or acknowledged since the last one (a
// sync is nothing done, but where it fails), and at the end. Between two of them the reachable
// trees only grow while what is required stays the same.
//
// Invariants: at a crash point the model has seen exactly the events before it.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_WALK_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_WALK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/crash_point.h"
#include "faultinject/iotrace/io_event.h"
#include "faultinject/model/posix/posix_model.h"

namespace fencepost {

// What a run did, in numbers.
struct IoSurvey {
  uint64_t events = 0;
  uint64_t writes = 0;
  uint64_t mapped_writes = 0;  // seen in shared mappings, sampled
  uint64_t bytes_written = 0;
  uint64_t syncs = 0;         // that ended well
  uint64_t failed_syncs = 0;  // that returned an error
  std::unordered_map<uint64_t, OperationSpan> operations = {};
};
// kCorrupt if an operation begins twice, or one ends that has not begun.
Result<IoSurvey> SurveyIo(const std::vector<IoEvent>& events);

class FileWalk {
 public:
  // REQUIRES: both outlive the walk; the model has seen nothing yet.
  FileWalk(const std::vector<IoEvent>& events, PosixModel* model);

  // Goes on to the next crash point; nothing after the last.
  std::optional<CrashPoint> Next();
  // Goes on to the crash point of this index. kCorrupt if there is none.
  Result<CrashPoint> Seek(uint64_t index);
  // After the last crash point: ok, unless an event cannot have happened.
  const Status& status() const { return status_; }
  // What a crash point's `stack` stands for: "fdatasync of #.log"; "" for 0.
  const std::vector<std::string>& places() const { return places_; }

 private:
  std::optional<CrashPoint::Before> CrashBefore(const IoEvent& event) const;
  uint32_t PlaceOf(const IoEvent& event);
  CrashPoint MakePoint(CrashPoint::Before before, const IoEvent* event);

  const std::vector<IoEvent>& events_;
  PosixModel* const model_;
  uint64_t next_event_ = 0;
  bool held_ = false;  // a crash point came before the next event already
  uint64_t next_index_ = 0;
  bool news_ = true;  // anything done or acknowledged since the last crash point
  bool ended_ = false;
  Status status_;
  std::vector<std::string> places_ = {""};
  std::map<std::string, uint32_t> place_numbers_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_WALK_H_
