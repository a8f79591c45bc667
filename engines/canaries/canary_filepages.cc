// SPDX-License-Identifier: BSD-3-Clause
// canary-filepages: pairs in pages of one file, found through a meta page; all pairs in DRAM, too.
//
// A change writes the pages that it concerns to free places, makes them durable, and then publishes
// them by a meta page, which it makes durable before it returns. There are two places for meta
// pages, used in turn; the one of the higher version that passes its checksum counts, so a torn one
// does no harm, nor do the pages that only it refers to.
//
// The torn page and its control (double write) change a page where it is if a change concerns one
// page only. The mapped ones store to a mapping of the file and sync with msync.
//
// When it is closed it writes the meta page to its other place as well: of a store that is at rest,
// a meta page that is damaged is no loss. A page that is damaged is reported.
//
// Recovery writes anew all that it relies on, so that nothing is left that the system remembers and
// the medium does not have. It writes what is there already to where it is already, first pages,
// then the meta page: torn, that changes nothing durable.
//
// Invariants:
//   1. The pages that the durable meta page refers to are durable.
//   2. No place is written that either meta page of an earlier crash could count on: only free
//   ones,
//      while the meta page in use is durable.
// Threads: CanaryEngine's lock.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "engines/canaries/file_canary.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kPageCount = 64;
// Places in the file: two for meta pages, one for the double write, then pages, two of them spare.
constexpr uint64_t kJournalPlace = 2;
constexpr uint64_t kFirstPlace = 3;
constexpr uint64_t kPlaceCount = kFirstPlace + kPageCount + 2;
constexpr uint64_t kFileBytes = kPlaceCount * kPageBytes;

enum class Bug : size_t {
  kNone,
  kTornPage,
  kOneSync,
  kMetaFirst,
  kMetaIntoHole,
  kUncheckedPage,
  kControlDoubleWrite,
  kControlMapped,
  kControlSparse,
  kCount
};

constexpr std::string_view kName = "canary-filepages";
constexpr Planting kPlantings[] = {
    {kName, "torn-page", "torn page, no checksum", 'A',
     "a page is written where it is, recovery does not look at its checksum: half of it is old"},
    {kName, "one-sync", "metadata before data", 'O',
     "one sync for the pages and the meta page: it can survive without what it points to"},
    {kName, "meta-first", "metadata before data", 'O',
     "memory-mapped writes, the meta page is msynced before the pages that it points to"},
    {kName, "meta-into-hole", "no room under a mapping", 'O',
     "a sparse mapping, the meta page is stored before the pages: one that finds no room is lost"},
    {kName, "unchecked-page", "checksum not looked at", 'R',
     "recovery does not look at the checksum of a page: a bit that reads back flipped is served"},
    {kName, "control-double-write", "a page torn in place, and a copy of it", '-',
     "a page is written where it is, after a durable copy from which recovery mends it"},
    {kName, "control-mapped", "memory-mapped writes in order", '-',
     "stores to a mapping; the pages are msynced before the meta page is written"},
    {kName, "control-sparse", "a sparse mapping, written in order", '-',
     "as control-mapped, of a file without blocks: a store that finds no room ends the process"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

constexpr Durability kDurabilities[] = {Durability::kPowerFail};

constexpr const char* kPages = "pages";
constexpr const char* kNewPages = "pages.new";
constexpr StoreLayout kLayout = {"canary-filepages", kPages,
                                 [](std::string_view name) { return name == kNewPages; }};

struct Meta {
  uint64_t checksum = 0;
  uint64_t version = 0;
  std::array<uint16_t, kPageCount> places = {};  // of each page; 0: it was never written

  uint64_t Checksum() const {
    const char* const bytes = reinterpret_cast<const char*>(this);
    return HashOf({bytes + sizeof(checksum), sizeof(Meta) - sizeof(checksum)});
  }
  bool IsSane() const {
    std::set<uint16_t> used;
    for (const uint16_t place : places) {
      if (place == 0) continue;
      if (place < kFirstPlace || place >= kPlaceCount || !used.insert(place).second) return false;
    }
    return checksum == Checksum();
  }
};
static_assert(sizeof(Meta) <= 512);

// A page begins with this and the lengths of its pairs; the pairs themselves are at its end, the
// first one last.
struct PageHeader {
  uint64_t checksum = 0;  // of the rest of the page
  uint64_t version = 0;   // of the change that wrote it
  uint32_t page = 0;      // its number
  uint32_t pair_count = 0;
};

struct Lengths {
  uint16_t key_bytes = 0;
  uint16_t value_bytes = 0;
};

using Pairs = std::map<std::string, std::string, std::less<>>;

uint64_t BytesOf(const Pairs& pairs) {
  uint64_t bytes = sizeof(PageHeader);
  for (const auto& [key, value] : pairs) bytes += sizeof(Lengths) + key.size() + value.size();
  return bytes;
}

uint64_t ChecksumOf(std::string_view image) {
  return HashOf(image.substr(sizeof(PageHeader::checksum)));
}

PageHeader HeaderOf(std::string_view image) {
  PageHeader header;
  std::memcpy(&header, image.data(), sizeof(header));
  return header;
}

std::string Encode(const Pairs& pairs, uint32_t page, uint64_t version) {
  std::string image(kPageBytes, '\0');
  uint64_t lengths_at = sizeof(PageHeader);
  uint64_t pair_at = kPageBytes;
  for (const auto& [key, value] : pairs) {
    const Lengths lengths = {static_cast<uint16_t>(key.size()),
                             static_cast<uint16_t>(value.size())};
    std::memcpy(&image[lengths_at], &lengths, sizeof(lengths));
    lengths_at += sizeof(lengths);
    pair_at -= key.size() + value.size();
    key.copy(&image[pair_at], key.size());
    value.copy(&image[pair_at + key.size()], value.size());
  }
  PageHeader header = {
      .version = version, .page = page, .pair_count = static_cast<uint32_t>(pairs.size())};
  std::memcpy(image.data(), &header, sizeof(header));
  header.checksum = ChecksumOf(image);
  std::memcpy(image.data(), &header, sizeof(header));
  return image;
}

// Nothing if the lengths cannot be.
std::optional<Pairs> Decode(std::string_view image) {
  Pairs pairs;
  uint64_t lengths_at = sizeof(PageHeader);
  uint64_t pair_at = kPageBytes;
  for (uint32_t i = 0; i < HeaderOf(image).pair_count; ++i) {
    Lengths lengths;
    if (lengths_at + sizeof(lengths) > pair_at) return std::nullopt;
    std::memcpy(&lengths, image.data() + lengths_at, sizeof(lengths));
    lengths_at += sizeof(lengths);
    const uint64_t bytes = uint64_t{lengths.key_bytes} + lengths.value_bytes;
    if (lengths.key_bytes == 0 || lengths.key_bytes > kMaxKeyBytes ||
        lengths.value_bytes > kMaxValueBytes || bytes > pair_at - lengths_at) {
      return std::nullopt;
    }
    pair_at -= bytes;
    const std::string_view pair = image.substr(pair_at, bytes);
    pairs.emplace(pair.substr(0, lengths.key_bytes), pair.substr(lengths.key_bytes));
  }
  return pairs;
}

class FilePages final : public FileCanary<Bug> {
 public:
  FilePages(std::unique_ptr<Files> files, const EngineOptions& options, Bug bug)
      : FileCanary(std::move(files), options, bug) {}
  ~FilePages() override { (void)DoClose(); }

  Status Recover();

 private:
  using Changes = std::map<size_t, Pairs>;  // what pages hold after a change, by number

  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return page_of_.size(); }
  Status DoClose() override;

  bool InPlace() const { return bug_ == Bug::kTornPage || bug_ == Bug::kControlDoubleWrite; }
  bool Sparse() const { return bug_ == Bug::kMetaIntoHole || bug_ == Bug::kControlSparse; }
  bool Mapped() const { return bug_ == Bug::kMetaFirst || bug_ == Bug::kControlMapped || Sparse(); }

  Status Initialise(const std::vector<std::string>& names);
  Status Load(std::string bytes);
  Status MendFromCopy(std::string* bytes);
  Status Take(size_t page, std::string_view image);
  Status Commit(const Changes& changes);
  Status Overwrite(size_t page, const std::string& image);
  Status Publish(const Changes& changes);
  Status WriteAt(uint64_t place, std::string_view bytes);
  Status SyncAt(uint64_t place);

  std::unique_ptr<File> file_;
  char* mapping_ = nullptr;
  Meta meta_;
  uint64_t meta_place_ = 0;
  uint64_t version_ = 0;  // the highest that was used
  std::array<Pairs, kPageCount> pages_;
  std::map<std::string, size_t, std::less<>> page_of_;  // by key
};

Status FilePages::WriteAt(uint64_t place, std::string_view bytes) {
  if (!Mapped()) return file_->Write(place * kPageBytes, bytes);
  std::memcpy(mapping_ + place * kPageBytes, bytes.data(), bytes.size());
  return Status::Ok();
}

Status FilePages::SyncAt(uint64_t place) {
  if (!Mapped()) return file_->Sync();
  return file_->SyncMapped(place * kPageBytes, kPageBytes);
}

std::string_view BytesOf(const Meta& meta) {
  return {reinterpret_cast<const char*>(&meta), sizeof(meta)};
}

// A file with an empty meta page takes its name when it is durable.
Status FilePages::Initialise(const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), kNewPages) != names.end()) {
    RETURN_IF_ERROR(files_->Unlink(kNewPages));
  }
  Meta meta = {.version = 1};
  meta.checksum = meta.Checksum();
  ASSIGN_OR_RETURN(const auto file, files_->Create(kNewPages, WriteMode::kSync));
  RETURN_IF_ERROR(file->Write(0, BytesOf(meta)));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(files_->Rename(kNewPages, kPages));
  return files_->SyncDirectory();
}

Status FilePages::Recover() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->List());
  if (std::find(names.begin(), names.end(), kPages) == names.end()) {
    RETURN_IF_ERROR(Initialise(names));
  }
  ASSIGN_OR_RETURN(std::string bytes, files_->Read(kPages));
  if (bytes.size() > kFileBytes) return Corrupt("longer than any store");
  bytes.resize(kFileBytes);
  ASSIGN_OR_RETURN(file_, files_->Open(kPages));
  if (Mapped()) {
    ASSIGN_OR_RETURN(mapping_, file_->Map(kFileBytes, /*allocates=*/!Sparse()));
  }
  return Load(std::move(bytes));
}

Status FilePages::Load(std::string bytes) {
  for (const uint64_t place : {0, 1}) {
    Meta meta;
    std::memcpy(&meta, bytes.data() + place * kPageBytes, sizeof(meta));
    if (!meta.IsSane() || meta.version <= meta_.version) continue;
    meta_ = meta;
    meta_place_ = place;
  }
  if (meta_.version == 0) return Corrupt("neither meta page is whole");
  version_ = meta_.version;
  if (bug_ == Bug::kControlDoubleWrite) RETURN_IF_ERROR(MendFromCopy(&bytes));
  for (size_t page = 0; page < kPageCount; ++page) {
    const uint64_t place = meta_.places[page];
    if (place == 0) continue;
    const std::string_view image(bytes.data() + place * kPageBytes, kPageBytes);
    RETURN_IF_ERROR(Take(page, image));
    RETURN_IF_ERROR(WriteAt(place, image));
    if (Mapped()) RETURN_IF_ERROR(SyncAt(place));
  }
  if (!Mapped()) RETURN_IF_ERROR(file_->Sync());
  RETURN_IF_ERROR(WriteAt(meta_place_, BytesOf(meta_)));
  RETURN_IF_ERROR(SyncAt(meta_place_));
  // Who made the file may have been killed before its name was durable.
  return files_->SyncDirectory();
}

// The copy is of the last page that was written where it is: it replaces a torn or an older one.
Status FilePages::MendFromCopy(std::string* bytes) {
  const std::string copy = bytes->substr(kJournalPlace * kPageBytes, kPageBytes);
  const PageHeader header = HeaderOf(copy);
  if (header.checksum != ChecksumOf(copy) || header.page >= kPageCount) return Status::Ok();
  const uint64_t place = meta_.places[header.page];
  if (place == 0) return Status::Ok();
  const std::string_view there(bytes->data() + place * kPageBytes, kPageBytes);
  const PageHeader header_there = HeaderOf(there);
  if (header_there.checksum == ChecksumOf(there) && header_there.version >= header.version) {
    return Status::Ok();
  }
  bytes->replace(place * kPageBytes, kPageBytes, copy);
  RETURN_IF_ERROR(WriteAt(kJournalPlace, copy));
  return SyncAt(kJournalPlace);
}

// What is in a page of the meta page.
Status FilePages::Take(size_t page, std::string_view image) {
  const PageHeader header = HeaderOf(image);
  const bool is_checked = bug_ != Bug::kTornPage && bug_ != Bug::kUncheckedPage;
  if (is_checked && header.checksum != ChecksumOf(image)) {
    return Corrupt(fmt::format("page {} is not whole", page));
  }
  std::optional<Pairs> pairs = Decode(image);
  if (!pairs || header.page != page) return Corrupt(fmt::format("page {} is none", page));
  for (const auto& [key, value] : *pairs) page_of_[key] = page;
  pages_[page] = std::move(*pairs);
  version_ = std::max(version_, header.version);
  return Status::Ok();
}

Status FilePages::Commit(const Changes& changes) {
  ++version_;
  const size_t first = changes.begin()->first;
  if (InPlace() && changes.size() == 1 && meta_.places[first] != 0) {
    const auto number = static_cast<uint32_t>(first);
    RETURN_IF_ERROR(Overwrite(first, Encode(changes.begin()->second, number, version_)));
  } else {
    RETURN_IF_ERROR(Publish(changes));
  }
  for (const auto& [page, pairs] : changes) {
    for (const auto& [key, value] : pages_[page]) page_of_.erase(key);
  }
  for (const auto& [page, pairs] : changes) {
    for (const auto& [key, value] : pairs) page_of_[key] = page;
    pages_[page] = pairs;
  }
  return Status::Ok();
}

Status FilePages::Overwrite(size_t page, const std::string& image) {
  if (bug_ == Bug::kControlDoubleWrite) {
    RETURN_IF_ERROR(WriteAt(kJournalPlace, image));
    RETURN_IF_ERROR(SyncAt(kJournalPlace));
  }
  RETURN_IF_ERROR(WriteAt(meta_.places[page], image));
  return SyncAt(meta_.places[page]);
}

Status FilePages::Publish(const Changes& changes) {
  Meta meta = meta_;
  std::set<uint64_t> taken(meta_.places.begin(), meta_.places.end());
  std::map<uint64_t, std::string> images;  // by place
  for (const auto& [page, pairs] : changes) {
    uint64_t place = kFirstPlace;
    while (!taken.insert(place).second) ++place;  // there are two more places than pages
    meta.places[page] = static_cast<uint16_t>(place);
    images[place] = Encode(pairs, static_cast<uint32_t>(page), version_);
  }
  meta.version = version_;
  meta.checksum = meta.Checksum();
  const uint64_t meta_place = 1 - meta_place_;
  if (bug_ == Bug::kMetaIntoHole) RETURN_IF_ERROR(WriteAt(meta_place, BytesOf(meta)));
  for (const auto& [place, image] : images) RETURN_IF_ERROR(WriteAt(place, image));
  const auto sync_pages = [&]() -> Status {
    for (const auto& [place, image] : images) RETURN_IF_ERROR(SyncAt(place));
    return Status::Ok();
  };
  if (bug_ != Bug::kOneSync && bug_ != Bug::kMetaFirst) RETURN_IF_ERROR(sync_pages());
  RETURN_IF_ERROR(WriteAt(meta_place, BytesOf(meta)));
  RETURN_IF_ERROR(SyncAt(meta_place));
  if (bug_ == Bug::kMetaFirst) RETURN_IF_ERROR(sync_pages());
  meta_ = meta;
  meta_place_ = meta_place;
  return Status::Ok();
}

// A pair stays in its page if that has room for the new value; else the first page that has gets
// it.
Status FilePages::DoPut(std::string_view key, std::string_view value) {
  Changes changes;
  if (const auto found = page_of_.find(key); found != page_of_.end()) {
    Pairs& pairs = changes[found->second] = pages_[found->second];
    pairs.erase(pairs.find(key));
  }
  const auto fits = [&](const Pairs& pairs) {
    return BytesOf(pairs) + sizeof(Lengths) + key.size() + value.size() <= kPageBytes;
  };
  size_t page = 0;
  if (!changes.empty() && fits(changes.begin()->second)) {
    page = changes.begin()->first;
  } else {
    while (page < kPageCount && (changes.contains(page) || !fits(pages_[page]))) ++page;
    if (page == kPageCount) return Full();
    changes[page] = pages_[page];
  }
  changes[page].emplace(key, value);
  return Change([&] { return Commit(changes); });
}

Status FilePages::DoDelete(std::string_view key) {
  const auto found = page_of_.find(key);
  if (found == page_of_.end()) return Status::NotFound();
  Changes changes;
  Pairs& pairs = changes[found->second] = pages_[found->second];
  pairs.erase(pairs.find(key));
  return Change([&] { return Commit(changes); });
}

Result<std::string_view> FilePages::DoGet(std::string_view key) {
  const auto found = page_of_.find(key);
  if (found == page_of_.end()) return Status::NotFound();
  return std::string_view(pages_[found->second].find(key)->second);
}

void FilePages::DoForEach(PairVisitor visit) {
  for (const Pairs& pairs : pages_) {
    for (const auto& [key, value] : pairs) {
      if (!visit(key, value)) return;
    }
  }
}

// Every change was made durable, or said that it was not.
Status FilePages::DoClose() {
  Status status;
  if (file_ != nullptr && meta_.version > 0) {
    status = Change([&]() -> Status {
      const uint64_t other = 1 - meta_place_;
      RETURN_IF_ERROR(WriteAt(other, BytesOf(meta_)));
      return SyncAt(other);
    });
  }
  file_.reset();
  files_.reset();
  return status;
}

Result<std::unique_ptr<Engine>> OpenFilepages(const EngineOptions& options) {
  return OpenFileCanary<FilePages>(options, kLayout, kPlantings);
}

Result<std::unique_ptr<Engine>> OpenFilepagesOn(std::unique_ptr<Files> files,
                                                const EngineOptions& options) {
  return OpenFileCanaryOn<FilePages>(std::move(files), options, kPlantings);
}

}  // namespace

constinit const Structure kFilepagesStructure = {
    .name = kName,
    .description = "pages of one file, found through a meta page that is written last",
    .open = OpenFilepages,
    .checksums = true,
    .plantings = kPlantings,
    .open_on = OpenFilepagesOn,
    .durabilities = kDurabilities};

}  // namespace fencepost::canary
