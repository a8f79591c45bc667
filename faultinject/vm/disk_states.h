// SPDX-License-Identifier: BSD-3-Clause
// DiskStates: which contents a disk may have once its power is cut, from the log of its writes.
//
// The disk is as long as was said; what was written behind its end are marks, a sector each: the
// number of the line of a run's history that had just been written down, and 0 where the run's part
// of the log ends. (Makers of file systems wipe a disk's end: before the first mark there are
// none.) A line's mark is in the log before whatever its operation does, and after whatever it was
// answered for. So how much of the history there is at a place of the log is known exactly, with no
// clock.
//
// A crash point comes before a write if there was a mark since the last point, before each flush if
// there was anything, and at the end: between two of them the possible contents only grow
// while what is required stays the same. At a point,
//   what was written before the last flush, or by a write with FUA, is there;
//   of each write since then every sector may be there or not. A sector is never torn, and has
//   what the last of the surviving writes has put there.
//
// Invariants: what Draw gives depends on the log, the seed and the number only.
// Threads: one owner.
// Not covered: QEMU logs a request when it comes. A write that was under way when a flush came
//   counts as flushed by it, though it need not be: such states are left out, none is made up.
//   A sector that was discarded holds zeros.
// Source: Linux, Documentation/admin-guide/device-mapper/log-writes.rst and
//   Documentation/block/writeback_cache_control.rst.
#ifndef FENCEPOST_FAULTINJECT_VM_DISK_STATES_H_
#define FENCEPOST_FAULTINJECT_VM_DISK_STATES_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "faultinject/vm/write_log.h"

namespace fencepost {

// What a mark's sector holds: its first bytes; the rest is zero.
std::string DiskMark(uint64_t line);
Result<uint64_t> ParseDiskMark(std::string_view sector);  // kCorrupt

// What tells contents apart.
struct DiskDigest {
  uint64_t low = 0, high = 0;
  auto operator<=>(const DiskDigest&) const = default;
};

// What a disk holds. A page that is not in use is zero, now and at every other point.
struct DiskContents {
  static constexpr uint64_t kPageBytes = 4096;
  std::span<const char> bytes;
  const std::vector<bool>& in_use;  // by page
};

// One of the possible contents at a crash point. The n-th of a seed is at point n modulo points().
struct DiskImage {
  uint64_t number = 0;
  size_t point = 0;
  // Of each undecided write which sectors have survived.
  std::vector<std::vector<bool>> survived;

  uint64_t lost() const;  // writes of which nothing has survived
  uint64_t torn() const;  // of which a part has
};

class DiskStates {
 public:
  // `disk_bytes`: without the marks. `whole_bytes`: what never tears, aligned; 0: a sector of the
  // log; REQUIRES: a multiple of that. kCorrupt for marks that are damaged or out of order, and for
  // a log without any.
  static Result<DiskStates> Make(WriteLog log, uint64_t disk_bytes, uint64_t whole_bytes = 0);

  size_t points() const { return points_.size(); }
  // How many of the log's entries were before a point, and how many lines of the history.
  uint64_t entries_before(size_t point) const { return points_[point].entry; }
  uint64_t lines_before(size_t point) const { return points_[point].lines; }
  uint64_t lines() const { return lines_; }
  const WriteLog& log() const { return log_; }

  // Goes to a point. Costs what lies between; going back begins anew.
  void Seek(size_t point);
  // The entries of the log that are not decided there.
  std::vector<uint64_t> Undecided() const;
  // REQUIRES, of all below: Seek(number % points()) was the last one.
  DiskImage Draw(uint64_t seed, uint64_t number) const;
  DiskDigest Digest(const DiskImage& image) const;
  // The contents of the whole disk during the call of `use`.
  void Show(const DiskImage& image, const std::function<void(const DiskContents&)>& use);

 private:
  struct Point {
    uint64_t entry = 0, lines = 0;
  };
  struct Pending {
    uint64_t entry = 0;
    std::vector<bool> decided;  // sectors that a later write with FUA has replaced
  };
  class Contents;

  DiskStates(WriteLog log, uint64_t disk_bytes, uint64_t whole_bytes);

  Status FindPoints();
  void NoteInUse(const WriteLogEntry& entry);
  bool IsMark(const WriteLogEntry& entry) const;
  void Take(const WriteLogEntry& entry, uint64_t index);
  void PutSectors(const WriteLogEntry& entry, const std::vector<bool>* except);
  void DecideAll();
  void Supersede(const WriteLogEntry& entry);
  std::string_view SectorOf(const WriteLogEntry& entry, uint64_t number) const;
  // Calls `visit` for each sector, once, of which an undecided write has survived: its number on
  // the disk, and what it holds.
  void ForEachSurvivor(const DiskImage& image,
                       const std::function<void(uint64_t, std::string_view)>& visit) const;

  WriteLog log_;
  uint64_t sectors_;
  uint64_t whole_sectors_;
  std::vector<bool> in_use_;
  std::string zeros_;  // a sector
  std::vector<Point> points_;
  uint64_t lines_ = 0;

  std::shared_ptr<Contents> durable_;
  DiskDigest digest_;  // of the durable contents
  std::vector<Pending> pending_;
  uint64_t next_entry_ = 0;
  size_t at_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_DISK_STATES_H_
