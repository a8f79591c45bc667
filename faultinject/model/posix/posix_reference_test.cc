// SPDX-License-Identifier: BSD-3-Clause
// The models against a brute-force enumeration of the rules, on random programs.
#include "faultinject/model/posix/posix_reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <sstream>

#include "faultinject/model/posix/posix_model.h"
#include "faultinject/model/posix/posix_test_util.h"

namespace fencepost {
namespace {

using reference::Disk;
using Kind = IoEvent::Kind;
using Scope = IoEvent::Scope;

constexpr size_t kMostUndecided = 12;

// What the programs have met, so that a generator gone dull fails.
struct Coverage {
  int points = 0, too_many = 0, states = 0, no_choice = 0, shrinks = 0, syncs_in_vain = 0;
  int durable_behind = 0, failed = 0, shifts = 0, cuts = 0, renames = 0, several_trees = 0;
};

// A random program that can run, two files and two directories at most.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::vector<IoEvent> Setup() {
    std::vector<IoEvent> events;
    const uint64_t count = Draw(0, 6);
    while (events.size() < count) {
      const IoEvent event = Draw(0, 1) == 0 ? AnyNames() : AnyContent();
      if (event.kind == Kind::kOperationBegin) continue;
      disk_.Do(event);
      events.push_back(event);
    }
    return events;
  }

  // kOperationBegin where nothing came to mind.
  IoEvent Next(size_t index) {
    if (!next_.empty()) {
      IoEvent event = next_.back();
      next_.pop_back();
      if (event.kind == Kind::kSyncBegin) next_.back().begin = event.begin = index;
      disk_.Do(event);
      return event;
    }
    const uint64_t what = Draw(0, 9);
    IoEvent event;
    if (what < 3) event = AnyNames();
    if (what >= 3 && what < 7) event = AnyContent();
    if (what >= 7) event = AnySync(index);
    disk_.Do(event);
    if (event.kind == Kind::kWrite && Draw(0, 2) == 0) SyncRange(event);
    if (event.kind == Kind::kTruncate && event.length > 0 && Draw(0, 1) == 0) {
      // What is durable behind a truncation that is not.
      event.kind = Kind::kWrite;
      event.data = "dd";
      SyncRange(event);
      next_.push_back(event);
      event.kind = Kind::kTruncate;
      event.data.clear();
    }
    return event;
  }

  const Disk& disk() const { return disk_; }
  uint64_t Draw(uint64_t least, uint64_t most) { return least + random_() % (most - least + 1); }

 private:
  InodeId AnyDirectory() {
    std::vector<InodeId> named = {kRootInode};
    for (const auto& [entry, inode] : disk_.names) {
      if (disk_.IsDirectory(inode)) named.push_back(inode);
    }
    return named[Draw(0, named.size() - 1)];
  }
  std::string AnyName() { return Draw(0, 1) == 0 ? "a" : "b"; }

  bool IsBelow(InodeId directory, InodeId above) const {
    for (; directory != kRootInode; directory = disk_.ParentOf(directory)) {
      if (directory == above) return true;
    }
    return false;
  }

  bool IsEmpty(InodeId directory) const {
    return std::none_of(disk_.names.begin(), disk_.names.end(),
                        [&](const auto& name) { return name.first.first == directory; });
  }

  IoEvent AnyNames() {
    IoEvent event;
    event.directory = AnyDirectory();
    event.name = AnyName();
    const auto found = disk_.names.find({event.directory, event.name});
    if (found == disk_.names.end()) {
      event.kind = Kind::kCreate;
      event.type = Draw(0, 3) == 0 ? InodeType::kDirectory : InodeType::kFile;
      event.inode = next_inode_++;
      if (Draw(0, 3) == 0 && !disk_.names.empty()) {
        const InodeId linked = disk_.names.begin()->second;
        if (!disk_.IsDirectory(linked)) {
          event.kind = Kind::kLink;
          event.type = InodeType::kFile;
          event.inode = linked;
        }
      }
      return event;
    }
    event.inode = found->second;
    const bool directory = disk_.IsDirectory(event.inode);
    if (Draw(0, 2) == 0) {
      if (directory && !IsEmpty(event.inode)) return {};
      event.kind = Kind::kRemove;
      return event;
    }
    event.to_directory = AnyDirectory();
    event.to_name = AnyName();
    if (directory && IsBelow(event.to_directory, event.inode)) return {};
    const auto target = disk_.names.find({event.to_directory, event.to_name});
    event.kind = Kind::kRename;
    if (target == disk_.names.end()) return event;
    event.replaced = target->second;
    if (event.replaced == event.inode) return {};
    const bool onto_directory = disk_.IsDirectory(event.replaced);
    if (Draw(0, 2) == 0) {
      if (onto_directory && IsBelow(event.directory, event.replaced)) return {};
      event.kind = Kind::kExchange;
      return event;
    }
    if (directory != onto_directory || (onto_directory && !IsEmpty(event.replaced))) return {};
    return event;
  }

  IoEvent AnyContent() {
    if (disk_.files.empty()) return {};
    auto file = disk_.files.begin();
    std::advance(file, Draw(0, disk_.files.size() - 1));
    const uint64_t bytes = file->second.size();
    IoEvent event;
    event.inode = file->first;
    event.offset = Draw(0, 6);
    event.length = Draw(1, 4);
    const uint64_t what = Draw(0, 11);
    event.kind = Kind::kWrite;
    if (what == 0) event.kind = Kind::kAllocate;
    if (what == 1) event.kind = Kind::kZero;
    if (what == 2 && event.offset + event.length <= bytes) event.kind = Kind::kCollapse;
    if (what == 3 && event.offset <= bytes) event.kind = Kind::kInsertHole;
    if (what == 4 || what == 5) {
      event.kind = Kind::kTruncate;
      event.length = Draw(0, 7);
    }
    if (event.kind != Kind::kWrite) return event;
    if (Draw(0, 1) == 0) event.offset = bytes;
    event.data = std::string(event.length, letter_);
    letter_ = letter_ == 'Z' ? 'A' : static_cast<char>(letter_ + 1);
    return event;
  }

  // As if the write had been with O_DSYNC; in reverse, since the last is next.
  void SyncRange(const IoEvent& write) {
    IoEvent sync;
    sync.scope = Scope::kRange;
    sync.inode = write.inode;
    sync.offset = write.offset;
    sync.length = write.data.size();
    for (const Kind kind : {Kind::kSyncEnd, Kind::kSyncBegin}) {
      sync.kind = kind;
      next_.push_back(sync);
    }
  }

  IoEvent AnySync(size_t index) {
    if (!open_.empty() && Draw(0, 2) != 0) {
      IoEvent end = open_.back();
      open_.pop_back();
      end.kind = Kind::kSyncEnd;
      end.failed = Draw(0, 4) == 0;
      return end;
    }
    IoEvent sync;
    sync.kind = Kind::kSyncBegin;
    sync.begin = index;
    constexpr Scope kScopes[] = {Scope::kFile,  Scope::kFile, Scope::kData, Scope::kRange,
                                 Scope::kRange, Scope::kNone, Scope::kAll};
    sync.scope = kScopes[Draw(0, std::size(kScopes) - 1)];
    sync.inode = sync.scope == Scope::kRange ? kNoInode : AnyDirectory();
    if (!disk_.files.empty() && (sync.inode == kNoInode || Draw(0, 2) != 0)) {
      auto file = disk_.files.begin();
      std::advance(file, Draw(0, disk_.files.size() - 1));
      sync.inode = file->first;
    }
    if (sync.inode == kNoInode) return {};
    sync.offset = Draw(0, 6);
    sync.length = Draw(1, 4);
    open_.push_back(sync);
    return sync;
  }

  std::mt19937_64 random_;
  Disk disk_;
  InodeId next_inode_ = 1;
  char letter_ = 'A';
  std::vector<IoEvent> open_;  // syncs that have begun
  std::vector<IoEvent> next_;  // to come, the last first
};

std::string Describe(const std::vector<IoEvent>& events) {
  static constexpr const char* kNames[] = {
      "create", "link",     "remove", "rename",     "exchange", "write", "truncate",  "allocate",
      "zero",   "collapse", "insert", "sync begin", "sync end", "begin", "operation", "content"};
  std::ostringstream out;
  for (size_t i = 0; i < events.size(); ++i) {
    const IoEvent& e = events[i];
    out << i << ": " << kNames[static_cast<int>(e.kind)] << " inode " << e.inode;
    if (e.directory != kNoInode) out << ' ' << e.directory << '/' << e.name;
    if (e.to_directory != kNoInode) out << " -> " << e.to_directory << '/' << e.to_name;
    out << " at " << e.offset << '+' << e.length << ' ' << e.data << " scope "
        << static_cast<int>(e.scope) << " begin " << e.begin << (e.failed ? " failed" : "") << '\n';
  }
  return out.str();
}

class Comparison {
 public:
  Comparison(const FileSystemRow& row, bool tearing, uint64_t seed, Coverage* coverage)
      : generator_(seed), rules_(reference::RulesOf(std::string(row.name))), coverage_(coverage) {
    rules_.tear = tearing;
    setup_ = generator_.Setup();
    start_ = generator_.disk();
    FileTree tree;
    for (const IoEvent& event : setup_) CHECK_OK(tree.Apply(event));
    model_.emplace(
        row,
        PosixOptions{
            .sector_bytes = rules_.sector, .block_bytes = rules_.block, .tearing = tearing},
        tree);
  }

  void Run() {
    const uint64_t count = generator_.Draw(1, 14);
    while (events_.size() < count && !testing::Test::HasFailure()) {
      events_.push_back(generator_.Next(events_.size()));
      const IoEvent& event = events_.back();
      const bool shrinks = model_->Shrinks(event);
      const size_t before =
          reference::Crash(rules_, start_, {events_.begin(), events_.end() - 1}).undecided();
      CHECK_OK(model_->Apply(event, events_.size() - 1));
      if (event.kind == Kind::kSyncEnd) {
        const bool fewer = reference::Crash(rules_, start_, events_).undecided() < before;
        EXPECT_EQ(shrinks, fewer);
        ++(fewer ? coverage_->shrinks : coverage_->syncs_in_vain);
      } else {
        EXPECT_FALSE(shrinks);
      }
      if (event.failed) ++coverage_->failed;
      if (generator_.Draw(0, 2) == 0 || events_.size() == count) CheckCrashPoint();
    }
  }

  std::string Text() const {
    return "durable\n" + Describe(setup_) + "then\n" + Describe(events_) + "crash here";
  }

 private:
  void CheckCrashPoint() {
    reference::Crash crash(rules_, start_, events_);
    size_t undecided = 0;
    for (const FilePiece& piece : model_->pending()) undecided += piece.durable ? 0 : 1;
    ASSERT_EQ(undecided, crash.undecided());
    if (undecided > kMostUndecided) {
      ++coverage_->too_many;
      return;
    }
    ++coverage_->points;
    const std::set<std::string> expected = crash.Trees();
    std::set<std::string> trees;
    std::set<PosixModel::Survivors> seen;
    std::optional<PosixModel::Survivors> last;
    model_->ForEachState([&](const PosixModel::Survivors& survivors) {
      EXPECT_TRUE(!seen.empty() || survivors == model_->Oldest());
      EXPECT_TRUE(seen.insert(survivors).second) << "twice";
      CheckState(survivors);
      trees.insert(TreeText(model_->Build(survivors)));
      last = survivors;
      return true;
    });
    EXPECT_EQ(last, model_->Newest());
    EXPECT_EQ(trees, expected);
    EXPECT_EQ(seen.size(), crash.states());
    EXPECT_GE(model_->Log10States() + 1e-9, std::log10(seen.size()));
    EXPECT_EQ(TreeText(model_->Build(model_->Newest())), TreeText(model_->current()));
    CheckAllowed(seen);
    Count(undecided, trees.size());
    coverage_->states += static_cast<int>(seen.size());
  }

  void CheckState(const PosixModel::Survivors& survivors) {
    EXPECT_TRUE(model_->Allows(survivors));
    const FileCrashState state = model_->StateOf(survivors);
    EXPECT_TRUE(model_->Allows(state));
    EXPECT_EQ(model_->SurvivorsOf(state), survivors);
    EXPECT_EQ(*FileCrashState::Parse(state.Text()), state);
  }

  // Any other set is not allowed, and is mended both ways.
  void CheckAllowed(const std::set<PosixModel::Survivors>& allowed) {
    for (int i = 0; i < 20; ++i) {
      PosixModel::Survivors any(model_->pending().size());
      for (size_t p = 0; p < any.size(); ++p) any[p] = generator_.Draw(0, 1) == 0;
      EXPECT_EQ(model_->Allows(any), allowed.contains(any));
      PosixModel::Survivors more = any;
      model_->AddNeeded(&more);
      EXPECT_TRUE(allowed.contains(more));
      PosixModel::Survivors fewer = any;
      for (size_t p = 0; p < any.size(); ++p) {
        if (model_->pending()[p].durable) fewer[p] = true;
      }
      model_->DropWithoutNeeded(&fewer);
      EXPECT_TRUE(allowed.contains(fewer));
    }
  }

  void Count(size_t undecided, size_t trees) {
    if (undecided == 0) ++coverage_->no_choice;
    if (trees > 2) ++coverage_->several_trees;
    bool durable = false, shift = false, cut = false, rename = false;
    for (const FilePiece& piece : model_->pending()) {
      durable = durable || piece.durable;
      shift = shift || piece.kind == FilePiece::Kind::kShift;
      cut = cut || piece.cuts();
      rename = rename || (piece.event && piece.event->kind == Kind::kRename);
    }
    coverage_->durable_behind += durable;
    coverage_->shifts += shift;
    coverage_->cuts += cut;
    coverage_->renames += rename;
  }

  Generator generator_;
  reference::Rules rules_;
  std::vector<IoEvent> setup_;
  Disk start_;
  std::optional<PosixModel> model_;
  std::vector<IoEvent> events_;
  Coverage* const coverage_;
};

void ExpectOften(int count, int of, double share, const char* what) {
  EXPECT_GE(count, of * share) << what << ": " << count << " of " << of;
}

class PosixReference : public testing::TestWithParam<FileSystemRow> {};

TEST_P(PosixReference, TheTreesAreThoseOfBruteForce) {
  Coverage c;
  for (const bool tearing : {true, false}) {
    for (uint64_t seed = 1; seed <= (tearing ? 1500u : 400u); ++seed) {
      Comparison comparison(GetParam(), tearing, seed, &c);
      comparison.Run();
      if (HasFailure()) {
        FAIL() << GetParam().name << ", seed " << seed << ", " << (tearing ? "" : "no ")
               << "tearing\n"
               << comparison.Text();
      }
    }
  }
  ExpectOften(c.points, c.points + c.too_many, 0.7, "crash points");
  ExpectOften(c.several_trees, c.points, 0.35, "with several trees");
  ExpectOften(c.points - c.no_choice, c.points, 0.5, "with a choice");
  ExpectOften(c.durable_behind, c.points, 0.01, "durable behind undecided");
  ExpectOften(c.shifts, c.points, 0.05, "shifts");
  ExpectOften(c.cuts, c.points, 0.05, "cuts");
  ExpectOften(c.renames, c.points, 0.05, "renames");
  ExpectOften(c.shrinks, c.shrinks + c.syncs_in_vain, 0.2, "syncs that shrink");
  ExpectOften(c.syncs_in_vain, c.shrinks + c.syncs_in_vain, 0.1, "syncs in vain");
  EXPECT_GE(c.failed, 50);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, PosixReference, testing::ValuesIn(FileSystems()),
                         [](const auto& row) {
                           std::string name(row.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace fencepost
