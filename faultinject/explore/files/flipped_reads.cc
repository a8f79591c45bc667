// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/flipped_reads.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <unordered_map>
#include <utility>

#include "faultinject/explore/budget.h"
#include "faultinject/explore/files/io_text.h"
#include "faultinject/explore/files/tree_pool.h"
#include "faultinject/explore/verdicts.h"

namespace fencepost {
namespace {

// Of one file: [begin, end), sorted, without overlap.
using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

uint64_t BytesIn(const Ranges& ranges) {
  uint64_t bytes = 0;
  for (const auto& [begin, end] : ranges) bytes += end - begin;
  return bytes;
}

// The byte of that number among those of the ranges.
uint64_t ByteAt(const Ranges& ranges, uint64_t number) {
  for (const auto& [begin, end] : ranges) {
    if (number < end - begin) return begin + number;
    number -= end - begin;
  }
  CHECK(false);
  return 0;
}

Ranges Joined(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end());
  Ranges joined;
  for (const auto& [begin, end] : ranges) {
    if (!joined.empty() && begin <= joined.back().second) {
      joined.back().second = std::max(joined.back().second, end);
    } else if (begin < end) {
      joined.emplace_back(begin, end);
    }
  }
  return joined;
}

// Of one file, spread evenly, each once.
void Draw(const std::string& file, const Ranges& ranges, uint64_t count, std::mt19937_64* random,
          std::vector<FlippedBit>* bits) {
  constexpr uint64_t kBits = 8;
  const uint64_t all = BytesIn(ranges) * kBits;
  const uint64_t parts = std::min(count, all);
  for (uint64_t i = 0; i < parts; ++i) {
    // Exact: a file of 2^40 bits times 2^20 parts fits.
    const uint64_t begin = all * i / parts, end = all * (i + 1) / parts;
    const uint64_t number = std::uniform_int_distribution<uint64_t>(begin, end - 1)(*random);
    bits->push_back({file, ByteAt(ranges, number / kBits), static_cast<uint32_t>(number % kBits)});
  }
}

class FlipExploration {
 public:
  FlipExploration(const FileTree& tree, const FlipOptions& options, Judge* judge,
                  const ExploreHooks& hooks)
      : tree_(tree),
        options_(options),
        judge_(judge),
        hooks_(hooks),
        budget_({.max_recoveries = UINT64_MAX,
                 .max_seconds = options.max_seconds,
                 .stop_after = options.stop_after},
                hooks) {
    for (const auto& [inode, path] : tree.Paths()) inode_of_[path] = inode;
  }

  Result<FlipResult> Run(const PoolOptions& pool, Recoverer* recoverer) {
    ASSIGN_OR_RETURN(pool_, TreePool::Start(pool, recoverer, [this](uint64_t job, Outcome outcome) {
                       Take(job, std::move(outcome));
                     }));
    pool_->OnWatchedDone([this](uint64_t, Outcome outcome, TreeReads reads) {
      whole_ = std::move(outcome);
      reads_ = std::move(reads);
    });
    RETURN_IF_ERROR(ReadWhole());
    const std::vector<FlippedBit> bits = DrawBits();
    result_.drawn = bits.size();
    for (const FlippedBit& flipped : bits) {
      if (!budget_.MayRecover(result_.flipped, groups_.size())) break;
      FileTree damaged = tree_;
      RETURN_IF_ERROR(FlipIn(&damaged, flipped));
      under_way_[result_.flipped] = flipped;
      RETURN_IF_ERROR(pool_->Submit(result_.flipped++, damaged, judge_->Context(options_.point)));
      if (!hooks_.progress) continue;
      hooks_.progress({.fraction = static_cast<double>(result_.flipped) /
                                   static_cast<double>(std::max<uint64_t>(bits.size(), 1)),
                       .recoveries = result_.flipped,
                       .groups = groups_.size()});
    }
    RETURN_IF_ERROR(pool_->Drain());
    result_.outcomes = outcomes_.size();
    result_.stopped = budget_.stopped();
    result_.seconds = budget_.Seconds();
    for (auto& [key, group] : groups_) result_.groups.push_back(std::move(group.second));
    return std::move(result_);
  }

 private:
  bool IsPassedOver(const std::string& path) const {
    const std::string name = path.substr(path.rfind('/') + 1);
    return std::any_of(
        options_.passed_over.begin(), options_.passed_over.end(),
        [&](const std::string& pattern) { return fnmatch(pattern.c_str(), name.c_str(), 0) == 0; });
  }

  // What the recovery reads, or all there is.
  Status ReadWhole() {
    RETURN_IF_ERROR(pool_->SubmitWatched(0, tree_, judge_->Context(options_.point)));
    RETURN_IF_ERROR(pool_->Drain());
    result_.unwatched = reads_.log.why;
    if (!result_.unwatched.empty()) {
      for (const auto& [path, inode] : inode_of_) Note(path, 0, UINT64_MAX);
      std::optional<Outcome> unwatched;
      on_whole_ = [&](Outcome outcome) { unwatched = std::move(outcome); };
      RETURN_IF_ERROR(pool_->Submit(0, tree_, judge_->Context(options_.point)));
      RETURN_IF_ERROR(pool_->Drain());
      on_whole_ = nullptr;
      whole_ = std::move(*unwatched);
    }
    const std::vector<Finding> findings = judge_->Verdict(options_.point, whole_);
    if (!findings.empty() || options_.is_refusal(whole_)) {
      return Status::Corrupt(
          fmt::format("the store is not whole even where no bit is flipped{}",
                      findings.empty() ? std::string() : ": " + findings.front().message));
    }
    for (const FileRead& read : reads_.log.reads) {
      if (read.kind == FileRead::Kind::kBytes) Note(reads_.paths[read.file], read.begin, read.end);
    }
    for (auto& [path, ranges] : ranges_) {
      ranges = Joined(std::move(ranges));
      result_.bytes_read += BytesIn(ranges);
    }
    std::erase_if(ranges_, [](const auto& entry) { return entry.second.empty(); });
    result_.files = ranges_.size();
    return Status::Ok();
  }

  void Note(const std::string& path, uint64_t begin, uint64_t end) {
    const auto found = inode_of_.find(path);
    if (found == inode_of_.end() || IsPassedOver(path)) return;
    const Inode& inode = tree_.inode(found->second);
    if (inode.type != InodeType::kFile) return;
    end = std::min(end, inode.content.bytes());
    if (begin < end) ranges_[path].emplace_back(begin, end);
  }

  // As many of each file; what a small one has not falls to those that are left.
  std::vector<FlippedBit> DrawBits() {
    std::mt19937_64 random(options_.seed);
    std::vector<const std::pair<const std::string, Ranges>*> files;
    for (const auto& entry : ranges_) files.push_back(&entry);
    std::stable_sort(files.begin(), files.end(), [](const auto* a, const auto* b) {
      return BytesIn(a->second) < BytesIn(b->second);
    });
    std::vector<FlippedBit> bits;
    for (size_t i = 0; i < files.size(); ++i) {
      const uint64_t share = (options_.count - bits.size()) / (files.size() - i);
      Draw(files[i]->first, files[i]->second, share, &random, &bits);
    }
    return bits;
  }

  void Take(uint64_t job, Outcome outcome) {
    if (on_whole_) return on_whole_(std::move(outcome));
    const FlippedBit flipped = under_way_.extract(job).mapped();
    const std::vector<Finding> findings = judge_->Verdict(options_.point, outcome);
    result_.failed += findings.empty() ? 0 : 1;
    result_.refused += findings.empty() && options_.is_refusal(outcome) ? 1 : 0;
    std::set<std::string> kinds;
    for (const Finding& finding : findings) {
      // Of many pairs that are lost by one bit the first.
      if (!kinds.insert(finding.kind).second) continue;
      auto& [first, group] = groups_[{finding.kind, WithoutNumbers(flipped.file)}];
      // Recoveries end in any order.
      if (group.occurrences == 0 || job < first) {
        first = job;
        group.finding = finding;
        group.flipped = flipped;
      }
      ++group.occurrences;
    }
    outcomes_.insert(KeyOf(outcome));
  }

  const FileTree& tree_;
  const FlipOptions& options_;
  Judge* const judge_;
  const ExploreHooks& hooks_;
  ExploreBudget budget_;
  std::unique_ptr<TreePool> pool_;
  std::map<std::string, InodeId> inode_of_;  // by path
  std::map<std::string, Ranges> ranges_;     // that the recovery reads, by path
  Outcome whole_;
  TreeReads reads_;
  std::function<void(Outcome)> on_whole_;
  std::unordered_map<uint64_t, FlippedBit> under_way_;  // by job
  // By kind and file: the job of the example, the group.
  std::map<std::pair<std::string, std::string>, std::pair<uint64_t, FlipGroup>> groups_;
  std::set<OutcomeKey> outcomes_;
  FlipResult result_;
};

}  // namespace

std::string FlippedBit::Text() const {
  return fmt::format("bit {} of byte {} of {}", bit, byte, file);
}

Status FlipIn(FileTree* tree, const FlippedBit& flipped) {
  for (const auto& [inode, path] : tree->Paths()) {
    if (path != flipped.file || tree->inode(inode).type != InodeType::kFile) continue;
    FileContent& content = tree->mutable_inode(inode).content;
    if (flipped.byte >= content.bytes() || flipped.bit >= 8) break;
    std::string byte = content.Read(flipped.byte, 1);
    byte[0] = static_cast<char>(static_cast<unsigned char>(byte[0]) ^ (1U << flipped.bit));
    content.Write(flipped.byte, byte);
    return Status::Ok();
  }
  return Status::Corrupt(fmt::format("there is no {}", flipped.Text()));
}

Result<FlipResult> ExploreFlippedReads(const FileTree& tree, const FlipOptions& options,
                                       const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                                       const ExploreHooks& hooks) {
  return FlipExploration(tree, options, judge, hooks).Run(pool, recoverer);
}

}  // namespace fencepost
