// SPDX-License-Identifier: BSD-3-Clause
// The page cache of a kernel in front of a device, simulated in virtual time: what it holds costs
// nothing to read, what is written costs nothing until it is synced.
//
// Invariants:
//   1. Of clean blocks at most so many bytes as were asked for are held; those used least recently
//      are let go of.
//   2. A dirty block is held until a sync, or a write-back that was asked for, writes it.
//   3. Runs of blocks that lie together are one request; a caller's requests are one after another.
// Threads: none.
// Not covered: write-back that nobody asked for; that dirty blocks take the place of clean ones;
//   reading ahead that nobody asked for; that a write of part of a block reads the rest; that a
//   device overlaps the requests of one sync.
#ifndef FENCEPOST_ENGINES_MEDIA_PAGE_CACHE_H_
#define FENCEPOST_ENGINES_MEDIA_PAGE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "engines/media/block_device.h"
#include "engines/media/dirty_file.h"

namespace fencepost::media {

// Blocks of 4 KiB.
struct PageCacheTotals {
  uint64_t blocks_read = 0;     // asked for by reads
  uint64_t blocks_missed = 0;   // of these: of the device
  uint64_t blocks_written = 0;  // to the device
  uint64_t syncs = 0;
};

class PageCache {
 public:
  using FileNumber = uint64_t;  // a caller's own

  PageCache(const BlockModel& model, uint64_t bytes);

  // What a file, or a directory, has on the device when it is first told of. Blocks of an earlier
  // file of that number are gone.
  void Add(FileNumber file, uint64_t bytes);
  void Remove(FileNumber file);
  // More than its data: its size, its place, the names in it.
  void Change(FileNumber file) { files_[file].written.Change(); }

  // Each returns when what the caller must wait for is done: `now_ns`, if nothing.
  double Read(double now_ns, FileNumber file, uint64_t offset, uint64_t bytes);
  double ReadAround(double now_ns, uint64_t offset, uint64_t bytes);
  double Write(double now_ns, FileNumber file, uint64_t offset, uint64_t bytes);
  double WriteAround(double now_ns, FileNumber file, uint64_t offset, uint64_t bytes);
  double Sync(double now_ns, FileNumber file);
  // Begins to write; done when it is.
  double WriteBack(double now_ns, FileNumber file, uint64_t offset, uint64_t bytes);

  const PageCacheTotals& totals() const { return totals_; }

 private:
  struct Block {
    FileNumber file;
    uint64_t block;
    double ready_ns;  // when the device has brought it
  };
  struct File {
    DirtyFile written;
    std::unordered_map<uint64_t, std::list<Block>::iterator> clean;  // by block
  };

  void Keep(FileNumber number, File& file, uint64_t first, uint64_t blocks, double ready_ns);
  void Drop(File& file, uint64_t first, uint64_t blocks);
  double WriteRun(double now_ns, FileNumber number, File& file, uint64_t first, uint64_t blocks);

  BlockDevice device_;
  const size_t capacity_;  // in blocks
  PageCacheTotals totals_;
  std::unordered_map<FileNumber, File> files_;
  std::list<Block> clean_;  // used most recently first
};

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_PAGE_CACHE_H_
