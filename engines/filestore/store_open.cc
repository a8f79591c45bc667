// SPDX-License-Identifier: BSD-3-Clause
// Creating, checking and recovering a store.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "engines/filestore/page_delta.h"
#include "engines/filestore/store.h"

namespace fencepost::filestore {
namespace {

constexpr char kDataName[] = "filestore.data";
constexpr char kLogName[] = "filestore.log";
constexpr char kNewDataName[] = "filestore.data.new";
constexpr char kNewLogName[] = "filestore.log.new";
constexpr PageNo kFirstRoot = 1;

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A name that is none of ours; empty if there is none.
std::string ForeignName(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name != kDataName && name != kLogName && name != kNewDataName && name != kNewLogName) {
      return name;
    }
  }
  return {};
}

uint64_t RandomStoreId() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

Store::Store(std::unique_ptr<Storage> storage, const StoreOptions& options)
    : storage_(std::move(storage)), options_(options) {}

Result<std::unique_ptr<Store>> Store::Open(std::unique_ptr<Storage> storage,
                                           const StoreOptions& options) {
  std::unique_ptr<Store> store(new Store(std::move(storage), options));
  RETURN_IF_ERROR(store->OpenFiles());
  RETURN_IF_ERROR(store->Recover());
  return store;
}

Status Store::OpenFiles() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, storage_->List());
  const bool has_log = Contains(names, kLogName);
  if (Contains(names, kDataName)) {
    if (!has_log) {
      return Status::Corrupt(
          fmt::format("{}: there is {} but no {}", storage_->path(), kDataName, kLogName));
    }
  } else {
    if (const std::string name = ForeignName(names); !name.empty()) {
      return Status::Corrupt(
          fmt::format("{}: holds '{}' and is no filestore", storage_->path(), name));
    }
    if (has_log) {
      // A creation that was cut short, or a data file that was removed?
      ASSIGN_OR_RETURN(const std::unique_ptr<File> log, storage_->Open(kLogName, false));
      ASSIGN_OR_RETURN(const bool fresh, RedoLog::IsFresh(log.get()));
      if (!fresh) {
        return Status::Corrupt(
            fmt::format("{}: there is {} but no {}", storage_->path(), kLogName, kDataName));
      }
    }
    if (!options_.create_if_missing) {
      return Status(StatusCode::kNotFound,
                    fmt::format("filestore: no store in {}", storage_->path()));
    }
    RETURN_IF_ERROR(Create());
  }
  ASSIGN_OR_RETURN(data_, storage_->Open(kDataName, false));
  ASSIGN_OR_RETURN(log_file_, storage_->Open(kLogName, false));
  // A creator may have died between the last rename and its sync.
  return storage_->SyncDirectory();
}

Status Store::Create() {
  Status status = WriteNewFiles(RandomStoreId());
  // The data file's name is what says that there is a store: it comes last, and the log's name
  // must be durable by then.
  if (status.ok()) status = storage_->Rename(kNewLogName, kLogName);
  if (status.ok()) status = storage_->SyncDirectory();
  if (status.ok()) status = storage_->Rename(kNewDataName, kDataName);
  if (status.ok()) status = storage_->SyncDirectory();
  if (!status.ok()) RemoveLeftovers();
  return status;
}

Status Store::WriteNewFiles(uint64_t store_id) {
  const auto pages = std::make_unique<Page[]>(2);
  InitPage(pages[0], kMetaPage, PageType::kMeta, 0);
  MetaOf(pages[0]) = Meta{.magic = kMagic,
                          .version = kFormatVersion,
                          .page_bytes = kPageBytes,
                          .store_id = store_id,
                          .count = 0,
                          .root = kFirstRoot,
                          .page_count = kFirstRoot + 1,
                          .free_head = kNoPage,
                          .free_count = 0};
  InitPage(pages[1], kFirstRoot, PageType::kLeaf, 0);
  for (size_t i = 0; i < 2; ++i) pages[i].header.checksum = PageChecksum(pages[i]);

  ASSIGN_OR_RETURN(const std::unique_ptr<File> data, storage_->Open(kNewDataName, true));
  RETURN_IF_ERROR(data->Allocate(2 * kPageBytes));
  RETURN_IF_ERROR(data->WriteAt(0, {pages[0].bytes(), 2 * kPageBytes}));
  RETURN_IF_ERROR(data->Sync());
  ASSIGN_OR_RETURN(const std::unique_ptr<File> log, storage_->Open(kNewLogName, true));
  return RedoLog::Format(log.get(), store_id);
}

// After a creation that failed. That this may fail too changes nothing: what is left is recognized
// by the next one, as long as the data file's name goes, durably, before the log's.
void Store::RemoveLeftovers() {
  (void)storage_->Remove(kNewDataName);
  (void)storage_->Remove(kNewLogName);
  (void)storage_->Remove(kDataName);
  if (storage_->SyncDirectory().ok()) (void)storage_->Remove(kLogName);
}

// From the first sector of the data file, which is the same in every state of the file: even a
// torn meta page has it.
Status Store::CheckIdentity(uint64_t* store_id) {
  const auto page = std::make_unique<Page>();
  ASSIGN_OR_RETURN(const size_t got, data_->ReadAt(0, page->bytes(), kPageBytes));
  const Meta& meta = MetaOf(*page);
  if (got != kPageBytes || meta.magic != kMagic) {
    return Status::Corrupt(fmt::format("{}: not a filestore data file", data_->name()));
  }
  if (meta.version != kFormatVersion || meta.page_bytes != kPageBytes) {
    return Status::Corrupt(
        fmt::format("{}: layout version {} with pages of {} bytes; this is "
                    "version {} with {}",
                    data_->name(), meta.version, meta.page_bytes, kFormatVersion, kPageBytes));
  }
  *store_id = meta.store_id;
  return Status::Ok();
}

Status Store::Recover() {
  uint64_t store_id = 0;
  RETURN_IF_ERROR(CheckIdentity(&store_id));
  const bool sync = promises_power_loss();
  log_.emplace(log_file_.get(), options_.log_bytes, options_.log_buffer_bytes, options_.direct);
  RETURN_IF_ERROR(log_->Open(store_id, sync));
  pool_.emplace(data_.get(), &*log_, options_.cache_bytes, sync);

  // Each page's first entry in the epoch is a full image, so the data file's content of a page that
  // is in the log never matters: it may be old, new or torn.
  const auto page = std::make_unique<Page>();
  BufferPool::Ref ref;
  const auto apply = [&](Lsn lsn, std::string_view payload) -> Status {
    DeltaReader entries(payload);
    while (entries.Next()) {
      if (!entries.full()) {
        RETURN_IF_ERROR(pool_->Fetch(entries.page(), &ref));
        *page = *ref;
        ref.Release();
      }
      entries.ApplyTo(page.get());
      RETURN_IF_ERROR(pool_->Install(*page, lsn));
    }
    if (entries.ok()) return Status::Ok();
    return Status::Corrupt(fmt::format("{}: a record makes no sense", log_file_->name()));
  };
  RETURN_IF_ERROR(log_->Replay(apply));
  RETURN_IF_ERROR(LoadMeta());
  // Also after a clean close: behind the end of the log may lie records of this epoch that came
  // before an earlier one was durable. The next epoch makes them stale.
  RETURN_IF_ERROR(Checkpoint(sync));
  ASSIGN_OR_RETURN(data_bytes_, data_->Size());
  if (data_bytes_ < uint64_t{meta_.page_count} * kPageBytes) {
    return Status::Corrupt(fmt::format("{}: truncated: {} bytes, but {} pages were allocated",
                                       data_->name(), data_bytes_, meta_.page_count));
  }
  transaction_.emplace(&*pool_);
  return Status::Ok();
}

Status Store::LoadMeta() {
  BufferPool::Ref ref;
  RETURN_IF_ERROR(pool_->Fetch(kMetaPage, &ref));
  meta_ = MetaOf(*ref);
  meta_lsn_ = root_lsn_ = ref->header.lsn;
  if (meta_.root == kMetaPage || meta_.root >= meta_.page_count) {
    return Status::Corrupt(fmt::format("{}: the meta page makes no sense", data_->name()));
  }
  return Status::Ok();
}

}  // namespace fencepost::filestore
