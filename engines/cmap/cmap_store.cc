// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/cmap_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fencepost::cmap {
namespace {

// Objects of a class come out of the heap a chunk of 256 KiB at a time; a part of it is metadata.
constexpr unsigned kSegmentsAtATime = 15;

uint64_t RootChecksum(const Root& root) { return XXH3_64bits(&root, kRootChecksummedBytes); }

uint64_t SegmentsFor(uint64_t buckets) {
  return (buckets + kBucketsPerSegment - 1) / kBucketsPerSegment;
}

void WriteRoot(const pmem::Pool& pool, uint64_t initial_buckets, uint64_t hash_seed, Root* root) {
  root->magic = kMagic;
  root->version = kLayoutVersion;
  root->hash_seed = hash_seed;
  root->initial_buckets = initial_buckets;
  root->pool_bytes = pool.bytes();
  root->checksum = RootChecksum(*root);
  root->bucket_count = CheckedNumber(initial_buckets);
}

}  // namespace

Status Store::Create(const std::filesystem::path& path, uint64_t pool_bytes,
                     uint64_t initial_buckets, uint64_t hash_seed) {
  CHECK(std::has_single_bit(initial_buckets) && initial_buckets >= kMinInitialBuckets &&
        initial_buckets <= kMaxInitialBuckets);
  return pmem::Pool::Create(path, kLayoutName, pool_bytes, sizeof(Root),
                            [&](pmem::Pool& pool) -> Status {
                              ASSIGN_OR_RETURN(const uint64_t root_offset, pool.Root(sizeof(Root)));
                              Root& root = *pool.At<Root>(root_offset);
                              WriteRoot(pool, initial_buckets, hash_seed, &root);
                              pool.Persist(&root, sizeof(root));
                              Store store(&pool);
                              RETURN_IF_ERROR(store.Attach(root_offset));
                              RETURN_IF_ERROR(store.AddIntentLog());
                              for (uint64_t i = 0; i < SegmentsFor(initial_buckets); ++i) {
                                RETURN_IF_ERROR(store.AddSegment(i));
                              }
                              return Status::Ok();
                            });
}

Result<std::unique_ptr<Store>> Store::Open(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<pmem::Pool> pool, pmem::Pool::Open(path, kLayoutName));
  ASSIGN_OR_RETURN(const uint64_t root_offset, pool->Root(sizeof(Root)));
  return OpenAt(std::move(pool), root_offset);
}

// All in one publication: what is reserved and not published a crash takes back.
Status Store::CreateLinked(pmem::Pool& pool, pmemoid* link, uint64_t hash_seed) {
  pmem::Publication publication(pool);
  const uint64_t root_offset = publication.Reserve(sizeof(Root), kRootType);
  Store store(&pool);
  if (root_offset == 0) return store.Full("no space for the root");
  Root& root = *pool.At<Root>(root_offset);
  root = Root{};
  WriteRoot(pool, kBucketsPerSegment, hash_seed, &root);
  RETURN_IF_ERROR(store.Attach(root_offset));
  const uint64_t intent_log = publication.ReserveZeroedUnit(store.segment_unit_);
  const uint64_t segment = publication.ReserveZeroedUnit(store.segment_unit_);
  if (intent_log == 0 || segment == 0) return store.Full("no space for the first segment");
  root.intent_log = Checked(intent_log);
  pool.Persist(&root, sizeof(root));
  RETURN_IF_ERROR(store.segment_directory_->Stage(publication, 0, segment));
  publication.StoreLink(link, root_offset);
  return publication.Publish();
}

Result<std::unique_ptr<Store>> Store::OpenLinked(std::unique_ptr<pmem::Pool> pool,
                                                 const pmemoid& link) {
  ASSIGN_OR_RETURN(const uint64_t root_offset, pool->Linked(link, sizeof(Root)));
  return OpenAt(std::move(pool), root_offset);
}

Result<std::unique_ptr<Store>> Store::OpenAt(std::unique_ptr<pmem::Pool> pool,
                                             uint64_t root_offset) {
  std::unique_ptr<Store> store(new Store(pool.get()));
  store->owned_pool_ = std::move(pool);
  RETURN_IF_ERROR(store->Attach(root_offset));
  RETURN_IF_ERROR(store->AttachIntentLog());
  RETURN_IF_ERROR(store->intent_log().Recover());
  RETURN_IF_ERROR(store->CheckRoot());  // again: growth goes through the log
  store->SetBucketCount(NumberOf(store->root_->bucket_count));
  RETURN_IF_ERROR(store->MirrorSegments());
  RETURN_IF_ERROR(store->heap().ReadExtents());
  return store;
}

Status Store::Attach(uint64_t root_offset) {
  if (root_offset % alignof(Root) != 0) return Corrupt("the root is at an impossible offset");
  root_ = pool_->At<Root>(root_offset);
  RETURN_IF_ERROR(CheckRoot());
  ASSIGN_OR_RETURN(segment_unit_, pool_->MakeUnitClass(kSegmentBytes, kSegmentsAtATime));
  segment_directory_ = std::make_unique<Directory>(*pool_, segment_unit_, root_->segments);
  extent_directory_ = std::make_unique<Directory>(*pool_, segment_unit_, root_->extents);
  heap_ = std::make_unique<SlabHeap>(*pool_, *extent_directory_);
  segment_capacity_ = std::min(kMaxSegments, pool_->bytes() / kSegmentBytes + 1);
  // calloc: the kernel provides the zero pages that are touched and no others.
  segments_.reset(static_cast<Bucket**>(std::calloc(segment_capacity_, sizeof(Bucket*))));
  CHECK(segments_ != nullptr);
  SetBucketCount(NumberOf(root_->bucket_count));
  return Status::Ok();
}

Status Store::CheckRoot() const {
  if (root_->magic != kMagic) return Corrupt("the root has no magic number");
  if (root_->version != kLayoutVersion) {
    return Corrupt(fmt::format("the pool is of cmap layout version {}, this program knows {}",
                               root_->version, kLayoutVersion));
  }
  if (root_->checksum != RootChecksum(*root_)) return Corrupt("the root's checksum is wrong");
  const uint64_t initial = root_->initial_buckets;
  if (!std::has_single_bit(initial) || initial < kMinInitialBuckets ||
      initial > kMaxInitialBuckets) {
    return Corrupt("the root's initial bucket count is impossible");
  }
  if (root_->pool_bytes != pool_->bytes()) {
    return Corrupt(fmt::format("the pool was made with {} bytes, the file has {}",
                               root_->pool_bytes, pool_->bytes()));
  }
  for (const DirectoryRoot* const directory : {&root_->segments, &root_->extents}) {
    for (const uint64_t word : *directory) {
      if (!IsSound(word)) return Corrupt(fmt::format("the root is damaged ({:#x})", word));
    }
  }
  if (!IsSound(root_->intent_log)) {
    return Corrupt(fmt::format("the root's intent log is damaged ({:#x})", root_->intent_log));
  }
  const uint64_t count = NumberOf(root_->bucket_count);
  if (!IsSound(root_->bucket_count) || count < initial || count > kMaxBuckets ||
      count > pool_->bytes() / sizeof(Bucket)) {
    return Corrupt(
        fmt::format("the root's bucket count is impossible ({:#x})", root_->bucket_count));
  }
  return Status::Ok();
}

Status Store::AddIntentLog() {
  pmem::Publication publication(*pool_);
  const uint64_t offset = publication.ReserveZeroedUnit(segment_unit_);
  if (offset == 0) return Full("no space for the intent log");
  publication.Store(&root_->intent_log, Checked(offset));
  RETURN_IF_ERROR(publication.Publish());
  return AttachIntentLog();
}

Status Store::AttachIntentLog() {
  ASSIGN_OR_RETURN(Bucket* const unit, SegmentAt(Unchecked(root_->intent_log)));
  intent_log_ = std::make_unique<IntentLog>(*pool_, reinterpret_cast<IntentLogUnit*>(unit));
  return Status::Ok();
}

// Whatever is as large as a segment.
Result<Bucket*> Store::SegmentAt(uint64_t offset) const {
  if (offset % kLineBytes != 0 || !pool_->Contains(offset, kSegmentBytes)) {
    return Corrupt(
        fmt::format("a segment or the intent log is at an impossible offset {}", offset));
  }
  return pool_->At<Bucket>(offset);
}

Status Store::MirrorSegments() {
  for (uint64_t i = 0; i < SegmentsFor(bucket_count()); ++i) {
    ASSIGN_OR_RETURN(const uint64_t offset, segment_directory_->Load(i));
    ASSIGN_OR_RETURN(segments_[i], SegmentAt(offset));
  }
  return Status::Ok();
}

Status Store::AddSegment(uint64_t segment) {
  if (segment >= segment_capacity_) return Full("the directory is full");
  ASSIGN_OR_RETURN(uint64_t offset, segment_directory_->Load(segment));
  // A crash may have come between a segment and its first bucket.
  if (offset == 0) {
    pmem::Publication publication(*pool_);
    offset = publication.ReserveZeroedUnit(segment_unit_);
    if (offset == 0) return Full("no space for a segment of buckets");
    RETURN_IF_ERROR(segment_directory_->Stage(publication, segment, offset));
    RETURN_IF_ERROR(publication.Publish());
  }
  ASSIGN_OR_RETURN(segments_[segment], SegmentAt(offset));
  return Status::Ok();
}

Status Store::ForEachOwnObject(FunctionRef<Status(uint64_t, uint64_t)> visit) const {
  const auto visit_unit = [&](uint64_t offset) { return visit(offset, kSegmentBytes); };
  RETURN_IF_ERROR(visit_unit(Unchecked(root_->intent_log)));
  RETURN_IF_ERROR(segment_directory_->ForEachTable(visit_unit));
  RETURN_IF_ERROR(extent_directory_->ForEachTable(visit_unit));
  RETURN_IF_ERROR(segment_directory_->ForEachEntry(
      [&](uint64_t, uint64_t offset) { return visit_unit(offset); }));
  return extent_directory_->ForEachEntry(
      [&](uint64_t, uint64_t offset) { return visit(offset, ExtentBytes(1)); });
}

uint64_t Store::Hash(std::string_view key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), root_->hash_seed);
}

bool Store::ReadRecord(RecordRef ref, RecordView* record) const {
  if (ref.offset % kRecordAlignment != 0 || !pool_->Contains(ref.offset, RecordBytes(0, 0))) {
    return false;
  }
  const char* at = pool_->At<const char>(ref.offset);
  uint64_t header;
  std::memcpy(&header, at, sizeof(header));
  const uint64_t key_bytes = HeaderKeyBytes(header);
  const uint64_t value_bytes = HeaderValueBytes(header);
  const uint64_t bytes = RecordBytes(key_bytes, value_bytes);
  if (!HeaderIsSound(header) || !pool_->Contains(ref.offset, bytes) ||
      (!ref.is_object && bytes > kMaxSlabRecordBytes)) {
    return false;
  }
  const char* key = at + sizeof(header);
  record->key = {key, key_bytes};
  record->value = {key + key_bytes + 1, value_bytes};
  return true;
}

Result<uint64_t> Store::ReadPair(uint64_t slot, RecordView* record) const {
  if (!IsSound(slot) || !ReadRecord(SlotRecord(slot), record)) {
    return Corrupt(fmt::format("a slot refers to no record ({:#x})", slot));
  }
  const uint64_t hash = Hash(record->key);
  if (SlotFingerprint(slot) != Fingerprint(hash)) {
    return Corrupt(fmt::format("a record is not the one that its slot names ({:#x})", slot));
  }
  return hash;
}

Status Store::Corrupt(std::string_view what) const {
  return Status::Corrupt(fmt::format("{}: {}", what, pool_->path().string()));
}

Status Store::Full(std::string_view what) const {
  return Status::Full(fmt::format("{}: the pool of {} bytes is full: {}", what, pool_->bytes(),
                                  pool_->path().string()));
}

}  // namespace fencepost::cmap
