// SPDX-License-Identifier: BSD-3-Clause
// PosixModel: which directory trees a crash can leave, given the durable one and the I/O since.
//
// An event is cut into pieces: each sector that a write touches, the size of the file, the name or
// names that an operation changes. A piece survives a crash or does not; it needs earlier pieces,
// and survives only with them. A crash state is a set of pieces that holds all durable ones and
// with each piece what it needs; its tree is the durable tree with these pieces applied in order.
//   a sector     has the contents that the file's sector had just after the event (what write-back
//                takes from the page cache); needs the piece before of the same sector. A torn
//                write is one of whose sectors some survive. Where a truncation frees blocks, it
//                needs the one that freed its own.
//   a size       by a write needs every size of the file before, and what the row's append rule
//                says. By truncation or fallocate it is metadata: it needs those before it only
//                (ext4 sets it while data of before waits), and what it cuts off is zero for good.
//   names        an operation on two names is one piece. It needs the pieces before of its names; a
//                rename also the names of the directories above its target; the removal of a
//                directory what was done in there. (Else files that were durable would be lost
//                with directories that no file system loses.)
//   collapse,    needs all before of the file, and all after need it: file systems write the file
//   insert       out first. A hole punched or a range zeroed is a write of zeros, sector by sector.
// With a journal (MetadataOrder::kGlobal) each piece of metadata needs the one before, of whatever
// file; a size by a write needs the last one, but none needs it: allocation is delayed.
//
// Invariants:
//   1. What is durable never becomes undecided again.
//   2. pending() is in the order of events; what a piece needs comes before it.
//   3. A durable piece stays pending as long as an undecided one before it must be applied first.
// Threads: const calls from any.
// Not covered: write-back that the program cannot see bounds nothing. ext4's flush at the close of
//   a file truncated to 0 (auto_da_alloc), for lack of closes: more states than it has.
//   Hole punching is atomic in journals: more states too.
// A sync that failed promises nothing, and its data pieces no later sync covers (the kernel marks
//   the pages clean) unless a later write of the same sector brings them along.
// Source: file_systems.cc.
#ifndef FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_MODEL_H_
#define FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_MODEL_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engines/status.h"
#include "faultinject/iotrace/file_tree.h"
#include "faultinject/iotrace/io_event.h"
#include "faultinject/model/posix/file_systems.h"

namespace fencepost {

struct PosixOptions {
  uint64_t sector_bytes = 0;  // 0: the row's
  uint64_t block_bytes = 0;   // 0: the row's
  bool tearing = true;        // false: a write's sectors survive together
};

struct PieceId {
  uint64_t event = 0;
  uint32_t part = 0;
  auto operator<=>(const PieceId&) const = default;
};

// Of the pending pieces, those of events before `through` have survived but for `lost`, and those
// of `kept`. Both are sorted. Means the same wherever the same events have come before.
struct FileCrashState {
  uint64_t through = 0;
  std::vector<PieceId> lost = {};
  std::vector<PieceId> kept = {};
  auto operator<=>(const FileCrashState&) const = default;

  // "12-3.0-3.1+15.2": through 12, lost parts 0 and 1 of event 3, kept part 2 of event 15.
  std::string Text() const;
  static Result<FileCrashState> Parse(const std::string& text);  // kInvalidArgument
};

struct FilePiece {
  enum class Kind : unsigned char { kData, kSize, kNames, kShift };
  struct Sector {
    uint64_t number = 0;
    std::string bytes;  // all of it, zeros beyond the end of the file
  };

  PieceId id;
  uint64_t serial = 0;  // rises; what others name it by
  Kind kind = Kind::kData;
  InodeId inode = kNoInode;          // kNames: what is named
  std::vector<Sector> sectors = {};  // kData; and kSize with AppendRule::kAtomic
  // kSize: the size from then on, and that before. kData: the size after the event.
  uint64_t file_bytes = 0;
  uint64_t old_bytes = 0;
  uint64_t fresh_begin = 0;  // kSize, by a write: from here to the end it wrote new bytes
  bool by_write = false;     // kSize
  bool ordered = false;      // part of the journal's order
  std::shared_ptr<const IoEvent> event = nullptr;  // kNames, kShift
  std::string names = {};                          // kNames: the call, by the paths of then
  std::optional<uint64_t> operation = {};          // in which it happened
  std::vector<uint64_t> needs = {};                // serials; those not pending are durable
  bool durable = false;
  bool forsaken = false;  // a sync of it failed

  bool cuts() const { return kind == Kind::kSize && file_bytes < old_bytes; }
};

class PosixModel {
 public:
  // Which of pending() survive, by index.
  using Survivors = std::vector<bool>;

  // `row` outlives the model.
  PosixModel(const FileSystemRow& row, const PosixOptions& options, FileTree durable);

  // Events in order; `index` is the number of the event in the trace. kCorrupt as of
  // FileTree::Apply: the event cannot have happened.
  Status Apply(const IoEvent& event, uint64_t index);
  // Whether a piece would become durable: a crash point comes before it. (Pieces count, not trees.)
  bool Shrinks(const IoEvent& event) const;

  const std::vector<FilePiece>& pending() const { return pending_; }
  const FileTree& durable() const { return durable_; }
  const FileTree& current() const { return current_; }  // what the program sees
  const FileSystemRow& file_system() const { return row_; }
  uint64_t sector_bytes() const { return options_.sector_bytes; }
  // By pending piece, the number of its chain, from 0: a sector, a size, a name, a journal's order.
  // A piece needs the one before in its chain.
  std::vector<size_t> Chains() const;
  // As a power of ten; an upper bound, which counts needs within chains only.
  double Log10States() const;

  // -- states. REQUIRES of Survivors: as many as pending().
  Survivors Newest() const { return Survivors(pending_.size(), true); }
  Survivors Oldest() const;  // the durable ones
  bool Allows(const Survivors& survivors) const;
  bool Allows(const FileCrashState& state) const;  // also false if it names what is not pending
  void AddNeeded(Survivors* survivors) const;      // and what is durable
  void DropWithoutNeeded(Survivors* survivors) const;
  FileCrashState StateOf(const Survivors& survivors) const;
  Survivors SurvivorsOf(const FileCrashState& state) const;
  // Every allowed set once: the oldest first, the newest last. Stops when `visit` returns false.
  void ForEachState(const std::function<bool(const Survivors&)>& visit) const;
  // Costs what differs from the durable tree.
  FileTree Build(const Survivors& survivors) const;
  FileTree Build(const FileCrashState& state) const { return Build(SurvivorsOf(state)); }

  // "write 512 bytes at 8192 of 000012.log (sector 16; event 7; operation 12)". `paths` are those
  // of current(): what the file is called now, or was called last.
  std::string Describe(const FilePiece& piece, const std::map<InodeId, std::string>& paths) const;
  std::string Describe(const FilePiece& piece) const { return Describe(piece, current_.Paths()); }

 private:
  using Entry = std::pair<InodeId, std::string>;
  using Place = std::pair<InodeId, uint64_t>;  // a sector of a file

  FilePiece& Add(FilePiece::Kind kind, const IoEvent& event, InodeId inode);
  void Need(FilePiece* piece, const std::map<InodeId, uint64_t>& last, InodeId inode) const;
  void JoinOrder(FilePiece* piece);
  void ApplyNames(const IoEvent& event, const std::map<InodeId, std::string>& paths);
  void NeedDirectoriesAbove(FilePiece* piece, InodeId directory) const;
  void NeedAllIn(FilePiece* piece, InodeId directory) const;
  void ApplySectors(const IoEvent& event, uint64_t end, uint64_t old_bytes);
  void AddSector(const IoEvent& event, FilePiece* piece, uint64_t number);
  void AddGrowth(const IoEvent& event, uint64_t old_bytes);
  void ApplySize(const IoEvent& event, uint64_t old_bytes);
  void ApplyZero(const IoEvent& event, const FileContent& before);
  void ApplyShift(const IoEvent& event);

  void Sync(const IoEvent& event);
  void Forsake(const IoEvent& event);
  Survivors CoveredBy(const IoEvent& sync) const;
  bool IsCovered(const FilePiece& piece, const IoEvent& sync) const;
  bool IsInRange(const FilePiece& piece, const IoEvent& sync) const;
  bool NamesAreCovered(const FilePiece& piece, const IoEvent& sync) const;
  void CoverDirectoriesAbove(size_t name, Survivors* covered) const;
  void Fold();

  std::string NameOf(InodeId inode, const std::map<InodeId, std::string>& paths) const;
  std::optional<size_t> IndexOf(uint64_t serial) const;
  bool HasNeeded(size_t index, const Survivors& survivors) const;

  const FileSystemRow& row_;
  PosixOptions options_;
  FileTree durable_;  // has every inode, with or without a name
  FileTree current_;
  std::vector<FilePiece> pending_;

  uint64_t index_ = 0;  // of the event at hand
  uint64_t next_serial_ = 1;
  // The last piece of each, by serial; it may be pending no longer.
  uint64_t last_ordered_ = 0;
  std::map<Entry, uint64_t> last_of_entry_;
  std::map<Place, uint64_t> last_of_sector_;
  std::map<InodeId, uint64_t> last_growth_;    // size by a write
  std::map<InodeId, uint64_t> last_set_size_;  // size by truncation, allocation
  std::map<InodeId, uint64_t> last_shift_;
  // Of a file: truncations, and where what they freed begins.
  std::map<InodeId, std::vector<std::pair<uint64_t, uint64_t>>> cuts_;
  std::map<InodeId, uint64_t> last_naming_;   // of a directory
  std::map<InodeId, InodeId> parent_;         // of a directory, as the program sees it
  std::map<InodeId, std::string> last_path_;  // of what has no name any longer
  std::map<uint32_t, uint64_t> operations_;   // by thread: in which it is
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_MODEL_H_
