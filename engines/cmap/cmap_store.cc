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
constexpr unsigned kBucketsAtATime = 4000;

uint64_t RootChecksum(const Root& root) { return XXH3_64bits(&root, kRootChecksummedBytes); }

uint64_t SegmentsFor(uint64_t buckets) {
  return (buckets + kBucketsPerSegment - 1) / kBucketsPerSegment;
}

// Where the directory has the offset of a segment: entry of the root, of its table, of that one's.
struct DirectoryPath {
  explicit DirectoryPath(uint64_t segment)
      : root_entry(segment >> (2 * kTableBits)),
        table_entries{segment >> kTableBits & (kTableEntries - 1), segment & (kTableEntries - 1)} {}
  uint64_t root_entry;
  uint64_t table_entries[2];
};

}  // namespace

Status Store::Create(const std::filesystem::path& path, uint64_t pool_bytes,
                     uint64_t initial_buckets, uint64_t hash_seed) {
  CHECK(std::has_single_bit(initial_buckets) && initial_buckets >= kMinInitialBuckets &&
        initial_buckets <= kMaxInitialBuckets);
  return pmem::Pool::Create(path, kLayoutName, pool_bytes, sizeof(Root),
                            [&](pmem::Pool& pool) -> Status {
                              ASSIGN_OR_RETURN(const uint64_t root_offset, pool.Root(sizeof(Root)));
                              Root& root = *pool.At<Root>(root_offset);
                              root.magic = kMagic;
                              root.version = kLayoutVersion;
                              root.hash_seed = hash_seed;
                              root.initial_buckets = initial_buckets;
                              root.pool_bytes = pool.bytes();
                              root.checksum = RootChecksum(root);
                              root.bucket_count = initial_buckets;
                              pool.Persist(&root, sizeof(root));
                              Store store(&pool);
                              RETURN_IF_ERROR(store.Attach());
                              for (uint64_t i = 0; i < SegmentsFor(initial_buckets); ++i) {
                                RETURN_IF_ERROR(store.AddSegment(i));
                              }
                              return Status::Ok();
                            });
}

Result<std::unique_ptr<Store>> Store::Open(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<pmem::Pool> pool, pmem::Pool::Open(path, kLayoutName));
  std::unique_ptr<Store> store(new Store(pool.get()));
  store->owned_pool_ = std::move(pool);
  RETURN_IF_ERROR(store->Attach());
  RETURN_IF_ERROR(store->MirrorSegments());
  return store;
}

Status Store::Attach() {
  ASSIGN_OR_RETURN(const uint64_t root_offset, pool_->Root(sizeof(Root)));
  root_ = pool_->At<Root>(root_offset);
  RETURN_IF_ERROR(CheckRoot());
  ASSIGN_OR_RETURN(segment_unit_, pool_->MakeUnitClass(kSegmentBytes, kSegmentsAtATime));
  ASSIGN_OR_RETURN(bucket_unit_, pool_->MakeUnitClass(sizeof(Bucket), kBucketsAtATime));
  segment_capacity_ = std::min(kMaxSegments, pool_->bytes() / kSegmentBytes + 1);
  // calloc: the kernel provides the zero pages that are touched and no others.
  segments_.reset(static_cast<Bucket**>(std::calloc(segment_capacity_, sizeof(Bucket*))));
  CHECK(segments_ != nullptr);
  SetBucketCount(root_->bucket_count);
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
  const uint64_t count = root_->bucket_count;
  if (count < initial || count > kMaxBuckets || count > pool_->bytes() / sizeof(Bucket)) {
    return Corrupt(fmt::format("the root's bucket count {} is impossible", count));
  }
  return Status::Ok();
}

Result<uint64_t*> Store::TableAt(uint64_t offset) const {
  if (offset % kLineBytes != 0 || !pool_->Contains(offset, kSegmentBytes)) {
    return Corrupt(fmt::format("the directory has an impossible offset {}", offset));
  }
  return pool_->At<uint64_t>(offset);
}

Status Store::MirrorSegments() {
  for (uint64_t i = 0; i < SegmentsFor(bucket_count()); ++i) {
    const DirectoryPath path(i);
    uint64_t offset = root_->directory[path.root_entry];
    for (const uint64_t entry : path.table_entries) {
      ASSIGN_OR_RETURN(const uint64_t* table, TableAt(offset));
      offset = table[entry];
    }
    ASSIGN_OR_RETURN(uint64_t* const segment, TableAt(offset));
    segments_[i] = reinterpret_cast<Bucket*>(segment);
  }
  return Status::Ok();
}

Status Store::AddSegment(uint64_t segment) {
  if (segment >= segment_capacity_) return Full("the directory is full");
  const DirectoryPath path(segment);
  pmem::Publication publication(*pool_);
  uint64_t* word = &root_->directory[path.root_entry];
  // One round for each table and one for the segment: what `word` should refer to is made if need
  // be, and `word` goes on to the entry in it.
  for (size_t level = 0;; ++level) {
    uint64_t offset = publication.Load(word);
    if (offset == 0) {
      offset = publication.ReserveZeroedUnit(segment_unit_);
      if (offset == 0) return Full("no space for a segment of buckets");
      publication.Store(word, offset);
    }
    ASSIGN_OR_RETURN(uint64_t* const table, TableAt(offset));
    if (level == std::size(path.table_entries)) {
      RETURN_IF_ERROR(publication.Publish());
      segments_[segment] = reinterpret_cast<Bucket*>(table);
      return Status::Ok();
    }
    word = table + path.table_entries[level];
  }
}

Status Store::ForEachUnit(FunctionRef<Status(uint64_t)> visit) const {
  const auto visit_entries = [&](const uint64_t* entries, uint64_t count, auto&& next) -> Status {
    for (uint64_t i = 0; i < count; ++i) {
      if (entries[i] == 0) continue;
      ASSIGN_OR_RETURN(const uint64_t* const unit, TableAt(entries[i]));
      RETURN_IF_ERROR(visit(entries[i]));
      RETURN_IF_ERROR(next(unit));
    }
    return Status::Ok();
  };
  const auto in_segment = [](const uint64_t*) { return Status::Ok(); };
  const auto in_lower = [&](const uint64_t* table) {
    return visit_entries(table, kTableEntries, in_segment);
  };
  const auto in_upper = [&](const uint64_t* table) {
    return visit_entries(table, kTableEntries, in_lower);
  };
  return visit_entries(root_->directory.data(), kRootEntries, in_upper);
}

uint64_t Store::Hash(std::string_view key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), root_->hash_seed);
}

bool Store::ReadRecord(uint64_t offset, RecordView* record) const {
  if (offset % alignof(uint64_t) != 0 || !pool_->Contains(offset, RecordBytes(0, 0))) return false;
  const char* at = pool_->At<const char>(offset);
  uint64_t header;
  std::memcpy(&header, at, sizeof(header));
  const uint64_t key_bytes = HeaderKeyBytes(header);
  const uint64_t value_bytes = HeaderValueBytes(header);
  if (!pool_->Contains(offset, RecordBytes(key_bytes, value_bytes))) return false;
  const char* key = at + sizeof(header);
  record->key = {key, key_bytes};
  record->value = {key + key_bytes + 1, value_bytes};
  return true;
}

Status Store::Corrupt(std::string_view what) const {
  return Status::Corrupt(fmt::format("{}: {}", what, pool_->path().string()));
}

Status Store::Full(std::string_view what) const {
  return Status::Full(fmt::format("{}: the pool of {} bytes is full: {}", what, pool_->bytes(),
                                  pool_->path().string()));
}

}  // namespace fencepost::cmap
