// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/disk_states.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <random>
#include <utility>

namespace fencepost {
namespace {

constexpr std::string_view kMarkBegin = "fencepost line ";

DiskDigest operator^(DiskDigest a, DiskDigest b) { return {a.low ^ b.low, a.high ^ b.high}; }

DiskDigest DigestOf(uint64_t sector, std::string_view contents) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(contents.data(), contents.size(), sector);
  return {hash.low64, hash.high64};
}

}  // namespace

std::string DiskMark(uint64_t line) { return fmt::format("{}{}\n", kMarkBegin, line); }

Result<uint64_t> ParseDiskMark(std::string_view sector) {
  const auto damaged = Status::Corrupt("a mark in the log of a disk is damaged");
  if (!sector.starts_with(kMarkBegin)) return damaged;
  sector.remove_prefix(kMarkBegin.size());
  uint64_t line = 0;
  const auto [end, error] = std::from_chars(sector.data(), sector.data() + sector.size(), line);
  if (error != std::errc() || end == sector.data() + sector.size() || *end != '\n') return damaged;
  return line;
}

uint64_t DiskImage::lost() const {
  return static_cast<uint64_t>(
      std::count_if(survived.begin(), survived.end(), [](const std::vector<bool>& sectors) {
        return std::find(sectors.begin(), sectors.end(), true) == sectors.end();
      }));
}

uint64_t DiskImage::torn() const {
  return static_cast<uint64_t>(
      std::count_if(survived.begin(), survived.end(), [](const std::vector<bool>& sectors) {
        const auto there = std::count(sectors.begin(), sectors.end(), true);
        return there > 0 && static_cast<size_t>(there) < sectors.size();
      }));
}

// Memory that takes what was written, and no more.
class DiskStates::Contents {
 public:
  explicit Contents(size_t bytes)
      : bytes_(bytes),
        address_(static_cast<char*>(
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    CHECK(address_ != MAP_FAILED);
  }
  ~Contents() { munmap(address_, bytes_); }
  Contents(const Contents&) = delete;
  Contents& operator=(const Contents&) = delete;

  void Clear() { CHECK(madvise(address_, bytes_, MADV_DONTNEED) == 0); }
  std::span<const char> all() const { return {address_, bytes_}; }
  std::string_view Sector(uint64_t number, uint64_t bytes) const {
    return {address_ + number * bytes, bytes};
  }
  void Put(uint64_t number, std::string_view sector) {
    std::memcpy(address_ + number * sector.size(), sector.data(), sector.size());
  }

 private:
  const size_t bytes_;
  char* const address_;
};

DiskStates::DiskStates(WriteLog log, uint64_t disk_bytes, uint64_t whole_bytes)
    : log_(std::move(log)),
      sectors_(disk_bytes / log_.sector_bytes()),
      whole_sectors_(std::max<uint64_t>(whole_bytes / log_.sector_bytes(), 1)),
      in_use_((disk_bytes + DiskContents::kPageBytes - 1) / DiskContents::kPageBytes),
      zeros_(log_.sector_bytes(), '\0'),
      durable_(std::make_shared<Contents>(disk_bytes)) {}

Result<DiskStates> DiskStates::Make(WriteLog log, uint64_t disk_bytes, uint64_t whole_bytes) {
  CHECK(disk_bytes > 0 && disk_bytes % log.sector_bytes() == 0);
  CHECK(whole_bytes % log.sector_bytes() == 0);
  DiskStates states(std::move(log), disk_bytes, whole_bytes);
  RETURN_IF_ERROR(states.FindPoints());
  states.Seek(0);
  return states;
}

bool DiskStates::IsMark(const WriteLogEntry& entry) const {
  return entry.writes() && entry.sector >= sectors_;
}

Status DiskStates::FindPoints() {
  bool marked = false, written = false;
  const std::vector<WriteLogEntry>& entries = log_.entries();
  uint64_t end = 0;
  for (; end < entries.size(); ++end) {
    const WriteLogEntry& entry = entries[end];
    if (IsMark(entry)) {
      const Result<uint64_t> line = ParseDiskMark(entry.data);
      if (!line.ok() && lines_ == 0) continue;
      RETURN_IF_ERROR(line.status());
      if (*line == 0 && lines_ > 0) break;
      if (*line != lines_ + 1) {
        return Status::Corrupt(
            fmt::format("the mark of line {} follows that of line {}", *line, lines_));
      }
      lines_ = *line;
      marked = true;
      continue;
    }
    const bool changes = entry.sectors > 0 && !entry.Is(kLogMark) && entry.sector < sectors_;
    if (changes && entry.sectors > sectors_ - entry.sector) {
      return Status::Corrupt(fmt::format("entry {} of the log reaches into the marks", end + 1));
    }
    if (lines_ > 0 && ((changes && marked) || (entry.Is(kLogFlush) && (written || marked)))) {
      points_.push_back({end, lines_});
      marked = written = false;
    }
    written |= changes;
    if (changes && entry.writes()) NoteInUse(entry);
  }
  if (lines_ == 0) return Status::Corrupt("the log of the disk has no mark");
  points_.push_back({end, lines_});
  return Status::Ok();
}

void DiskStates::NoteInUse(const WriteLogEntry& entry) {
  const uint64_t first = entry.sector * zeros_.size() / DiskContents::kPageBytes;
  const uint64_t last =
      ((entry.sector + entry.sectors) * zeros_.size() - 1) / DiskContents::kPageBytes;
  for (uint64_t page = first; page <= last; ++page) in_use_[page] = true;
}

std::string_view DiskStates::SectorOf(const WriteLogEntry& entry, uint64_t number) const {
  if (!entry.writes()) return zeros_;
  return entry.data.substr(number * zeros_.size(), zeros_.size());
}

void DiskStates::PutSectors(const WriteLogEntry& entry, const std::vector<bool>* except) {
  for (uint64_t i = 0; i < entry.sectors; ++i) {
    if (except != nullptr && (*except)[i]) continue;
    const uint64_t number = entry.sector + i;
    const std::string_view sector = SectorOf(entry, i);
    digest_ = digest_ ^ DigestOf(number, durable_->Sector(number, zeros_.size())) ^
              DigestOf(number, sector);
    durable_->Put(number, sector);
  }
}

void DiskStates::DecideAll() {
  for (const Pending& write : pending_) PutSectors(log_.entries()[write.entry], &write.decided);
  pending_.clear();
}

void DiskStates::Supersede(const WriteLogEntry& entry) {
  for (Pending& write : pending_) {
    const WriteLogEntry& before = log_.entries()[write.entry];
    const uint64_t begin = std::max(before.sector, entry.sector);
    const uint64_t end = std::min(before.sector + before.sectors, entry.sector + entry.sectors);
    for (uint64_t i = begin; i < end; ++i) write.decided[i - before.sector] = true;
  }
}

void DiskStates::Take(const WriteLogEntry& entry, uint64_t index) {
  // A flush comes before what its own request writes.
  if (entry.Is(kLogFlush)) DecideAll();
  if (entry.sectors == 0 || entry.Is(kLogMark) || entry.sector >= sectors_) return;
  if (entry.Is(kLogFua)) {
    Supersede(entry);
    PutSectors(entry, nullptr);
  } else {
    pending_.push_back({index, std::vector<bool>(entry.sectors, false)});
  }
}

void DiskStates::Seek(size_t point) {
  CHECK(point < points_.size());
  if (points_[point].entry < next_entry_) {
    durable_->Clear();
    digest_ = {};
    pending_.clear();
    next_entry_ = 0;
  }
  for (; next_entry_ < points_[point].entry; ++next_entry_) {
    Take(log_.entries()[next_entry_], next_entry_);
  }
  at_ = point;
}

std::vector<uint64_t> DiskStates::Undecided() const {
  std::vector<uint64_t> entries;
  for (const Pending& write : pending_) entries.push_back(write.entry);
  return entries;
}

DiskImage DiskStates::Draw(uint64_t seed, uint64_t number) const {
  CHECK(number % points_.size() == at_);
  std::seed_seq sequence{seed & UINT32_MAX, seed >> 32, number & UINT32_MAX, number >> 32};
  std::mt19937_64 random(sequence);
  // Not std::uniform_int_distribution, which may be another one elsewhere.
  const auto below = [&random](uint64_t bound) { return random() % bound; };
  DiskImage image{.number = number, .point = at_, .survived = {}};
  const size_t writes = pending_.size();
  enum Kind : uint64_t {
    kAll,
    kPrefix,
    kOneLost,
    kOneLeft,
    kWhole,
    kWhole2,
    kTorn,
    kTorn2,
    kKinds
  };
  const uint64_t kind = below(kKinds);
  const size_t chosen = writes == 0 ? 0 : below(writes + (kind == kPrefix ? 1 : 0));
  const uint64_t of_four = 1 + below(3);  // survive, of the kinds that draw each write
  for (size_t i = 0; i < writes; ++i) {
    const size_t sectors = pending_[i].decided.size();
    bool there = true;
    if (kind == kPrefix) there = i < chosen;
    if (kind == kOneLost) there = i != chosen;
    if (kind == kOneLeft) there = i == chosen;
    if (kind >= kWhole) there = below(4) < of_four;
    std::vector<bool> survived(sectors, there);
    if (kind >= kTorn && sectors > 1 && below(2) == 0) {
      // Its beginning, its end, or any part.
      const uint64_t how = below(3), cut = 1 + below(sectors - 1);
      for (size_t j = 0; j < sectors; ++j) {
        survived[j] = how == 0 ? j < cut : how == 1 ? j >= cut : below(2) == 0;
      }
    }
    // What does not tear goes with its first sector.
    const uint64_t begin = log_.entries()[pending_[i].entry].sector;
    for (size_t j = 1; j < sectors; ++j) {
      if ((begin + j) % whole_sectors_ != 0) survived[j] = survived[j - 1];
    }
    image.survived.push_back(std::move(survived));
  }
  return image;
}

void DiskStates::ForEachSurvivor(
    const DiskImage& image, const std::function<void(uint64_t, std::string_view)>& visit) const {
  CHECK(image.point == at_ && image.survived.size() == pending_.size());
  std::map<uint64_t, std::string_view> last;
  for (size_t i = 0; i < pending_.size(); ++i) {
    const WriteLogEntry& entry = log_.entries()[pending_[i].entry];
    for (uint64_t j = 0; j < entry.sectors; ++j) {
      if (!image.survived[i][j] || pending_[i].decided[j]) continue;
      last[entry.sector + j] = SectorOf(entry, j);
    }
  }
  for (const auto& [number, sector] : last) visit(number, sector);
}

DiskDigest DiskStates::Digest(const DiskImage& image) const {
  DiskDigest digest = digest_;
  ForEachSurvivor(image, [&](uint64_t number, std::string_view sector) {
    digest = digest ^ DigestOf(number, durable_->Sector(number, zeros_.size())) ^
             DigestOf(number, sector);
  });
  return digest;
}

void DiskStates::Show(const DiskImage& image, const std::function<void(const DiskContents&)>& use) {
  std::vector<std::pair<uint64_t, std::string>> before;
  ForEachSurvivor(image, [&](uint64_t number, std::string_view sector) {
    before.emplace_back(number, durable_->Sector(number, zeros_.size()));
    durable_->Put(number, sector);
  });
  use({durable_->all(), in_use_});
  for (const auto& [number, sector] : before) durable_->Put(number, sector);
}

}  // namespace fencepost
