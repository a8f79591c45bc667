// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/page_cache.h"

#include <algorithm>
#include <iterator>

namespace fencepost::media {
namespace {

struct Blocks {
  uint64_t first;
  uint64_t end;
};

Blocks BlocksOf(uint64_t offset, uint64_t bytes) {
  return {offset / kBlockBytes, (offset + bytes + kBlockBytes - 1) / kBlockBytes};
}

}  // namespace

PageCache::PageCache(const BlockModel& model, uint64_t bytes)
    : device_(model), capacity_(static_cast<size_t>(bytes / kBlockBytes)) {}

void PageCache::Add(FileNumber file, uint64_t bytes) {
  Remove(file);
  files_[file].written = DirtyFile(bytes);
}

void PageCache::Remove(FileNumber file) {
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  for (const auto& [block, place] : found->second.clean) clean_.erase(place);
  files_.erase(found);
}

void PageCache::Keep(FileNumber number, File& file, uint64_t first, uint64_t blocks,
                     double ready_ns) {
  if (capacity_ == 0) return;
  // Of more than fits the last ones stay.
  for (uint64_t i = blocks - std::min<uint64_t>(blocks, capacity_); i < blocks; ++i) {
    if (clean_.size() < capacity_) {
      clean_.emplace_front();
    } else {
      // The node of the block that goes is the node of the one that comes.
      files_[clean_.back().file].clean.erase(clean_.back().block);
      clean_.splice(clean_.begin(), clean_, std::prev(clean_.end()));
    }
    clean_.front() = {number, first + i, ready_ns};
    file.clean.emplace(first + i, clean_.begin());
  }
}

void PageCache::Drop(File& file, uint64_t first, uint64_t blocks) {
  for (uint64_t block = first; block < first + blocks && !file.clean.empty(); ++block) {
    const auto place = file.clean.find(block);
    if (place == file.clean.end()) continue;
    clean_.erase(place->second);
    file.clean.erase(place);
  }
}

double PageCache::Read(double now_ns, FileNumber number, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return now_ns;
  const Blocks wanted = BlocksOf(offset, bytes);
  File& file = files_[number];
  totals_.blocks_read += wanted.end - wanted.first;
  double done_ns = now_ns;
  uint64_t missing = 0;
  const auto fetch = [&](uint64_t end) {
    if (missing == 0) return;
    done_ns = device_.Read(done_ns, missing);
    totals_.blocks_missed += missing;
    Keep(number, file, end - missing, missing, done_ns);
    missing = 0;
  };
  for (uint64_t block = wanted.first; block < wanted.end; ++block) {
    const auto place = file.clean.find(block);
    if (place == file.clean.end() && !file.written.IsDirty(block)) {
      ++missing;
      continue;
    }
    double ready_ns = 0;
    if (place != file.clean.end()) {
      ready_ns = place->second->ready_ns;
      clean_.splice(clean_.begin(), clean_, place->second);
    }
    fetch(block);
    // Another thread's read may be on its way with it still.
    done_ns = std::max(done_ns, ready_ns);
  }
  fetch(wanted.end);
  return done_ns;
}

double PageCache::ReadAround(double now_ns, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return now_ns;
  const Blocks wanted = BlocksOf(offset, bytes);
  totals_.blocks_read += wanted.end - wanted.first;
  totals_.blocks_missed += wanted.end - wanted.first;
  return device_.Read(now_ns, wanted.end - wanted.first);
}

double PageCache::Write(double now_ns, FileNumber number, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return now_ns;
  File& file = files_[number];
  file.written.Write(offset, bytes);
  const Blocks written = BlocksOf(offset, bytes);
  // They are among the dirty ones now.
  Drop(file, written.first, written.end - written.first);
  return now_ns;
}

double PageCache::WriteAround(double now_ns, FileNumber number, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return now_ns;
  File& file = files_[number];
  file.written.WriteAround(offset, bytes);
  const Blocks written = BlocksOf(offset, bytes);
  Drop(file, written.first, written.end - written.first);
  totals_.blocks_written += written.end - written.first;
  return device_.Write(now_ns, written.end - written.first);
}

double PageCache::WriteRun(double now_ns, FileNumber number, File& file, uint64_t first,
                           uint64_t blocks) {
  totals_.blocks_written += blocks;
  Keep(number, file, first, blocks, /*ready_ns=*/0);
  return device_.Write(now_ns, blocks);
}

double PageCache::Sync(double now_ns, FileNumber number) {
  ++totals_.syncs;
  File& file = files_[number];
  double done_ns = now_ns;
  const bool changed = file.written.Sync([&](uint64_t first, uint64_t blocks) {
    done_ns = WriteRun(done_ns, number, file, first, blocks);
  });
  if (!changed) return done_ns;
  ++totals_.blocks_written;
  return device_.Write(done_ns, 1);
}

double PageCache::WriteBack(double now_ns, FileNumber number, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return now_ns;
  const Blocks wanted = BlocksOf(offset, bytes);
  File& file = files_[number];
  double done_ns = now_ns;
  file.written.WriteBack(wanted.first, wanted.end, [&](uint64_t first, uint64_t blocks) {
    done_ns = WriteRun(done_ns, number, file, first, blocks);
  });
  return done_ns;
}

}  // namespace fencepost::media
