// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cstring>

#include "faultinject/iotrace/content_hash.h"
#include "faultinject/iotrace/file_tree.h"

namespace fencepost {
namespace {

// 0 stands for "not computed yet".
uint64_t NotZero(uint64_t hash) { return hash == 0 ? 1 : hash; }

}  // namespace

const FileContent::Block* FileContent::FindBlock(uint64_t number) const {
  const auto extent = extents_.find(number / kExtentBlocks);
  if (extent == extents_.end()) return nullptr;
  const Shared<Block>& block = extent->second->blocks[number % kExtentBlocks];
  return block ? &*block : nullptr;
}

FileContent::Block& FileContent::MutableBlock(uint64_t number) {
  Extent& extent = extents_[number / kExtentBlocks].Mutable();
  extent.hash.value.store(0, std::memory_order_relaxed);
  Block& block = extent.blocks[number % kExtentBlocks].Mutable();
  block.hash.value.store(0, std::memory_order_relaxed);
  return block;
}

void FileContent::Write(uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  bytes_ = std::max(bytes_, offset + data.size());
  while (!data.empty()) {
    const uint64_t begin = offset % kBlockBytes;
    const uint64_t length = std::min<uint64_t>(kBlockBytes - begin, data.size());
    std::memcpy(MutableBlock(offset / kBlockBytes).bytes.data() + begin, data.data(), length);
    offset += length;
    data.remove_prefix(length);
  }
}

void FileContent::Resize(uint64_t bytes) {
  if (bytes < bytes_) Zero(bytes, bytes_ - bytes);
  bytes_ = bytes;
}

void FileContent::Zero(uint64_t offset, uint64_t length) {
  const uint64_t end = length < bytes_ - std::min(offset, bytes_) ? offset + length : bytes_;
  // To the end of the file is to the end of its last block, which is zero there already.
  const uint64_t last = end == bytes_ ? (end + kBlockBytes - 1) / kBlockBytes : end / kBlockBytes;
  const uint64_t first = (offset + kBlockBytes - 1) / kBlockBytes;
  const auto zero = [this](uint64_t from, uint64_t to) {
    if (from >= to || FindBlock(from / kBlockBytes) == nullptr) return;
    std::memset(MutableBlock(from / kBlockBytes).bytes.data() + from % kBlockBytes, 0, to - from);
  };
  if (offset >= end) return;
  zero(offset, std::min(first * kBlockBytes, end));
  if (first < last) DropBlocks(first, last);
  if (last >= first) zero(last * kBlockBytes, end);
}

void FileContent::DropBlocks(uint64_t first, uint64_t end) {
  for (auto it = extents_.lower_bound(first / kExtentBlocks); it != extents_.end();) {
    const uint64_t base = it->first * kExtentBlocks;
    if (base >= end) return;
    if (base >= first && base + kExtentBlocks <= end) {
      it = extents_.erase(it);
      continue;
    }
    Extent& extent = it->second.Mutable();
    extent.hash.value.store(0, std::memory_order_relaxed);
    for (uint64_t i = 0; i < kExtentBlocks; ++i) {
      if (base + i >= first && base + i < end) extent.blocks[i] = {};
    }
    ++it;
  }
}

void FileContent::Collapse(uint64_t offset, uint64_t length) {
  const std::string behind = Read(offset + length, bytes_ - offset - length);
  Resize(offset);
  Write(offset, behind);
}

void FileContent::InsertHole(uint64_t offset, uint64_t length) {
  const std::string behind = Read(offset, bytes_ - offset);
  Resize(offset);
  Resize(offset + length);
  Write(offset + length, behind);
}

std::string FileContent::Read(uint64_t offset, uint64_t length) const {
  std::string data(length, '\0');
  for (uint64_t done = 0; done < length;) {
    const uint64_t begin = (offset + done) % kBlockBytes;
    const uint64_t part = std::min(kBlockBytes - begin, length - done);
    if (const Block* block = FindBlock((offset + done) / kBlockBytes); block != nullptr) {
      std::memcpy(data.data() + done, block->bytes.data() + begin, part);
    }
    done += part;
  }
  return data;
}

uint64_t FileContent::Hash() const {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  static constexpr std::array<char, kBlockBytes> kZeros{};
  uint64_t at = 0;
  const auto zeros_until = [&](uint64_t end) {
    while (at < end) {
      const uint64_t part = std::min(kBlockBytes, end - at);
      XXH3_64bits_update(&state, kZeros.data(), part);
      at += part;
    }
  };
  ForEachBlock([&](uint64_t offset, std::string_view bytes) {
    zeros_until(offset);
    XXH3_64bits_update(&state, bytes.data(), bytes.size());
    at = offset + bytes.size();
  });
  zeros_until(bytes_);
  return XXH3_64bits_digest(&state);
}

uint64_t FileContent::HashOf(const Block& block) {
  uint64_t hash = block.hash.value.load(std::memory_order_relaxed);
  if (hash == 0) {
    hash = HashOfBlock(block.bytes.data());
    block.hash.value.store(hash, std::memory_order_relaxed);
  }
  return hash;
}

uint64_t FileContent::HashOf(const Extent& extent) {
  static const uint64_t kZeroBlock = HashOf(Block{});
  uint64_t sum = extent.hash.value.load(std::memory_order_relaxed);
  if (sum != 0) return sum;
  sum = 0;
  bool all_zero = true;
  for (uint64_t i = 0; i < kExtentBlocks; ++i) {
    if (!extent.blocks[i]) continue;
    const uint64_t hash = HashOf(*extent.blocks[i]);
    if (hash == kZeroBlock) continue;  // as a hole
    sum += MixedHash(i, hash);
    all_zero = false;
  }
  sum = all_zero ? kZeroBlock : NotZero(sum);
  extent.hash.value.store(sum, std::memory_order_relaxed);
  return sum;
}

uint64_t FileContent::QuickHash() const {
  static const uint64_t kZeroExtent = HashOf(Extent{});
  uint64_t sum = MixedHash(UINT64_MAX, bytes_);
  for (const auto& [number, extent] : extents_) {
    const uint64_t hash = HashOf(*extent);
    if (hash != kZeroExtent) sum += MixedHash(number, hash);
  }
  return sum;
}

bool FileContent::operator==(const FileContent& other) const {
  if (bytes_ != other.bytes_) return false;
  static constexpr std::array<char, kBlockBytes> kZeros{};
  const auto agrees = [](const FileContent& a, const FileContent& b) {
    for (const auto& [number, extent] : a.extents_) {
      const auto found = b.extents_.find(number);
      if (found != b.extents_.end() && found->second == extent) continue;
      for (uint64_t i = 0; i < kExtentBlocks; ++i) {
        if (!extent->blocks[i]) continue;
        const Block* block = b.FindBlock(number * kExtentBlocks + i);
        if (block == &*extent->blocks[i]) continue;
        if (extent->blocks[i]->bytes != (block == nullptr ? kZeros : block->bytes)) return false;
      }
    }
    return true;
  };
  return agrees(*this, other) && agrees(other, *this);
}

}  // namespace fencepost
