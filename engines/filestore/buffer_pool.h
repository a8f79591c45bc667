// SPDX-License-Identifier: BSD-3-Clause
// The buffer pool: a fixed number of 4 KiB frames in DRAM that hold pages of the data file. Clock
// replacement; a hit takes no lock.
//
// Invariants:
//   1. Never more frames than asked for at construction. A frame that is pinned is not replaced, so
//      a thread holds at most one pin at a time: then no two threads can wait for each other.
//   2. A page goes to the data file only after the log that covers it is durable (or, in class
//      process-crash, written): the rule of write-ahead logging.
//   3. A page read from the file is checked: checksum, its own number, and no LSN from the future.
//   4. What a frame holds changes only in Install, while nobody else reads or writes it back: the
//      caller holds the tree latch exclusively. Every other call is made under that latch, shared,
//      or by the one writer.
// Threads: any number, given 4.
#ifndef FENCEPOST_ENGINES_FILESTORE_BUFFER_POOL_H_
#define FENCEPOST_ENGINES_FILESTORE_BUFFER_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "engines/filestore/page.h"
#include "engines/filestore/redo_log.h"
#include "engines/filestore/storage.h"
#include "engines/status.h"

namespace fencepost::filestore {

class BufferPool {
  struct Frame;

 public:
  static constexpr size_t kMinFrames = 16;

  // `sync_log`: whether invariant 2 means durable.
  BufferPool(File* file, RedoLog* log, uint64_t cache_bytes, bool sync_log);

  // A pin on a page; the page stays where it is until the reference goes.
  class Ref {
   public:
    Ref() = default;
    Ref(Ref&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    Ref& operator=(Ref&& other) noexcept {
      Release();
      frame_ = std::exchange(other.frame_, nullptr);
      return *this;
    }
    ~Ref() { Release(); }

    const Page& operator*() const { return *frame_->page; }
    const Page* operator->() const { return frame_->page; }
    void Release() {
      if (frame_ != nullptr) frame_->pins.fetch_sub(1, std::memory_order_release);
      frame_ = nullptr;
    }

   private:
    friend class BufferPool;
    explicit Ref(Frame* frame) : frame_(frame) {}
    Frame* frame_ = nullptr;
  };

  // Pins a page, reading it if it is not here. kCorrupt if what was read is not that page.
  // `*ref` must not hold a pin of the calling thread's that it could still need: it is released.
  Status Fetch(PageNo number, Ref* ref);

  // Replaces what the pool has for a page, without reading it first; the page is dirty then.
  Status Install(const Page& page, Lsn lsn);

  // Writes all dirty pages to the file. Not durable before a sync of the file.
  Status WriteBackAll();

  uint64_t used_bytes() const;
  uint64_t dirty_bytes() const { return dirty_count_.load(std::memory_order_relaxed) * kPageBytes; }
  size_t frame_count() const { return frame_count_; }

 private:
  static constexpr uint32_t kExclusive = 1u << 31;  // in Frame::pins: being loaded or replaced
  static constexpr uint32_t kNoFrame = UINT32_MAX;
  static constexpr PageNo kEmpty = UINT32_MAX;  // in Frame::number

  struct alignas(64) Frame {
    std::atomic<uint32_t> pins{0};
    std::atomic<PageNo> number{kEmpty};
    std::atomic<uint32_t> next{kNoFrame};  // in its hash chain
    std::atomic<bool> referenced{false};
    std::atomic<bool> dirty{false};
    bool writing = false;  // guarded by mutex_
    Page* page = nullptr;
  };
  struct FreePages {
    void operator()(Page* pages) const { ::operator delete (pages, std::align_val_t{kPageBytes}); }
  };

  size_t BucketOf(PageNo number) const { return (number * 0x9e3779b97f4a7c15u) >> bucket_shift_; }
  bool TryPin(Frame* frame, PageNo number);
  Frame* Find(PageNo number);
  void Link(Frame* frame);
  void Unlink(Frame* frame);
  // A frame in state kExclusive that holds nothing; or null, and then dirty frames to write first.
  Frame* TakeVictim(std::vector<Frame*>* dirty);
  // Finds or makes room for a page. `*fresh`: the frame is exclusive and to be filled by us.
  Status Acquire(PageNo number, Frame** frame, bool* fresh);
  Status Load(Frame* frame, PageNo number);
  Status WriteBack(std::vector<Frame*> frames);
  Status WriteRuns(const std::vector<Frame*>& frames);

  File* const file_;
  RedoLog* const log_;
  const bool sync_log_;
  const size_t frame_count_;
  unsigned bucket_shift_;
  std::unique_ptr<Page, FreePages> pages_;
  std::unique_ptr<Frame[]> frames_;
  std::vector<std::atomic<uint32_t>> buckets_;
  std::atomic<uint64_t> dirty_count_{0};

  mutable std::mutex mutex_;  // chains, clock hand, transitions to and from kExclusive
  std::condition_variable changed_;
  size_t used_frames_ = 0;
  size_t hand_ = 0;
};

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_BUFFER_POOL_H_
