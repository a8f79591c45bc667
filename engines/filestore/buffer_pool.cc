// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/buffer_pool.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <thread>

namespace fencepost::filestore {
namespace {

// Dirty pages that one eviction writes together, so that they share one sync of the log.
constexpr size_t kWriteBackBatch = 64;
// Neighbours in the file that go out in one write.
constexpr size_t kRunPages = 16;

}  // namespace

BufferPool::BufferPool(File* file, RedoLog* log, uint64_t cache_bytes, bool sync_log)
    : file_(file),
      log_(log),
      sync_log_(sync_log),
      frame_count_(static_cast<size_t>(
          std::clamp<uint64_t>(cache_bytes / kPageBytes, kMinFrames, kNoFrame - 1))),
      bucket_shift_(0),
      frames_(std::make_unique<Frame[]>(frame_count_)),
      buckets_(std::bit_ceil(frame_count_ * 2)) {
  bucket_shift_ = 64 - static_cast<unsigned>(std::countr_zero(buckets_.size()));
  pages_.reset(
      static_cast<Page*>(::operator new (frame_count_* kPageBytes, std::align_val_t{kPageBytes})));
  // Only advice: fewer TLB misses in a large pool.
  (void)madvise(pages_.get(), frame_count_ * kPageBytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < frame_count_; ++i) frames_[i].page = pages_.get() + i;
  for (std::atomic<uint32_t>& bucket : buckets_) bucket.store(kNoFrame, std::memory_order_relaxed);
}

uint64_t BufferPool::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_frames_ * kPageBytes;
}

bool BufferPool::TryPin(Frame* frame, PageNo number) {
  uint32_t pins = frame->pins.load(std::memory_order_relaxed);
  do {
    if ((pins & kExclusive) != 0) return false;
  } while (!frame->pins.compare_exchange_weak(pins, pins + 1, std::memory_order_acquire,
                                              std::memory_order_relaxed));
  // It cannot be given to another page while pinned; it may have been just before.
  if (frame->number.load(std::memory_order_relaxed) == number) [[likely]] {
    if (!frame->referenced.load(std::memory_order_relaxed)) {
      frame->referenced.store(true, std::memory_order_relaxed);
    }
    return true;
  }
  frame->pins.fetch_sub(1, std::memory_order_release);
  return false;
}

// Without the mutex a chain may change under our feet and lead elsewhere: then we find nothing, and
// Acquire looks again under the mutex. The steps are bounded against a chain that keeps moving.
BufferPool::Frame* BufferPool::Find(PageNo number) {
  uint32_t index = buckets_[BucketOf(number)].load(std::memory_order_acquire);
  for (size_t steps = 0; index != kNoFrame && steps < frame_count_; ++steps) {
    Frame* frame = &frames_[index];
    if (frame->number.load(std::memory_order_relaxed) == number) return frame;
    index = frame->next.load(std::memory_order_acquire);
  }
  return nullptr;
}

void BufferPool::Link(Frame* frame) {
  std::atomic<uint32_t>& bucket = buckets_[BucketOf(frame->number.load())];
  frame->next.store(bucket.load(std::memory_order_relaxed), std::memory_order_release);
  bucket.store(static_cast<uint32_t>(frame - frames_.get()), std::memory_order_release);
}

void BufferPool::Unlink(Frame* frame) {
  const auto self = static_cast<uint32_t>(frame - frames_.get());
  std::atomic<uint32_t>* link = &buckets_[BucketOf(frame->number.load())];
  while (link->load(std::memory_order_relaxed) != self) {
    link = &frames_[link->load(std::memory_order_relaxed)].next;
  }
  link->store(frame->next.load(std::memory_order_relaxed), std::memory_order_release);
  frame->number.store(kEmpty, std::memory_order_relaxed);
}

BufferPool::Frame* BufferPool::TakeVictim(std::vector<Frame*>* dirty) {
  dirty->clear();
  if (used_frames_ < frame_count_) {
    Frame* frame = &frames_[used_frames_++];
    frame->pins.store(kExclusive, std::memory_order_relaxed);
    return frame;
  }
  // Twice round: the first time may only take away the second chances.
  for (size_t step = 0; step < 2 * frame_count_; ++step) {
    Frame* frame = &frames_[hand_];
    hand_ = (hand_ + 1) % frame_count_;
    if (frame->pins.load(std::memory_order_relaxed) != 0) continue;
    if (frame->referenced.exchange(false, std::memory_order_relaxed)) continue;
    if (frame->dirty.load(std::memory_order_acquire)) {
      if (!frame->writing) dirty->push_back(frame);
      if (dirty->size() >= kWriteBackBatch) break;
      continue;
    }
    uint32_t unpinned = 0;
    if (!frame->pins.compare_exchange_strong(unpinned, kExclusive, std::memory_order_acquire)) {
      continue;
    }
    if (frame->dirty.load(std::memory_order_acquire)) {  // it came between
      frame->pins.store(0, std::memory_order_release);
      continue;
    }
    if (frame->number.load(std::memory_order_relaxed) != kEmpty) Unlink(frame);
    return frame;
  }
  std::sort(dirty->begin(), dirty->end());
  dirty->erase(std::unique(dirty->begin(), dirty->end()), dirty->end());
  for (Frame* frame : *dirty) {
    frame->pins.fetch_add(1, std::memory_order_relaxed);  // no transition happens without mutex_
    frame->writing = true;
  }
  return nullptr;
}

Status BufferPool::Acquire(PageNo number, Frame** frame, bool* fresh) {
  std::vector<Frame*> dirty;
  std::unique_lock lock(mutex_);
  while (true) {
    if (Frame* found = Find(number); found != nullptr) {
      if (TryPin(found, number)) {
        *frame = found;
        *fresh = false;
        return Status::Ok();
      }
      changed_.wait(lock);  // being loaded by another
      continue;
    }
    if (Frame* victim = TakeVictim(&dirty); victim != nullptr) {
      victim->number.store(number, std::memory_order_relaxed);
      Link(victim);
      *frame = victim;
      *fresh = true;
      return Status::Ok();
    }
    lock.unlock();
    if (dirty.empty()) {
      std::this_thread::yield();  // all pinned or being written: others are at work
    } else {
      RETURN_IF_ERROR(WriteBack(dirty));
    }
    lock.lock();
  }
}

Status BufferPool::Fetch(PageNo number, Ref* ref) {
  ref->Release();
  if (Frame* frame = Find(number); frame != nullptr && TryPin(frame, number)) [[likely]] {
    *ref = Ref(frame);
    return Status::Ok();
  }
  Frame* frame = nullptr;
  bool fresh = false;
  RETURN_IF_ERROR(Acquire(number, &frame, &fresh));
  if (fresh) {
    const Status status = Load(frame, number);
    {
      const std::lock_guard lock(mutex_);
      if (!status.ok()) Unlink(frame);
      frame->referenced.store(status.ok(), std::memory_order_relaxed);
      frame->pins.store(status.ok() ? 1 : 0, std::memory_order_release);
    }
    changed_.notify_all();
    if (!status.ok()) return status;
  }
  *ref = Ref(frame);
  return Status::Ok();
}

Status BufferPool::Load(Frame* frame, PageNo number) {
  Page& page = *frame->page;
  const uint64_t offset = uint64_t{number} * kPageBytes;
  ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(offset, page.bytes(), kPageBytes));
  std::string_view wrong;
  if (got != kPageBytes) {
    wrong = "lies beyond the end of the file";
  } else if (page.header.checksum != PageChecksum(page)) {
    wrong = "has a wrong checksum";
  } else if (page.header.page != number) {
    wrong = "holds another page's content";
  } else if (page.header.lsn > log_->appended_lsn()) {
    wrong = "is newer than the log: the log has lost records";
  } else {
    return Status::Ok();
  }
  return Status::Corrupt(fmt::format("{}: page {} {}", file_->name(), number, wrong));
}

Status BufferPool::Install(const Page& page, Lsn lsn) {
  Frame* frame = nullptr;
  bool fresh = false;
  const PageNo number = page.header.page;
  if (Frame* found = Find(number); found != nullptr && TryPin(found, number)) {
    frame = found;
  } else {
    RETURN_IF_ERROR(Acquire(number, &frame, &fresh));
  }
  std::memcpy(frame->page->bytes(), page.bytes(), kPageBytes);
  frame->page->header.lsn = lsn;
  if (!frame->dirty.exchange(true, std::memory_order_release)) {
    dirty_count_.fetch_add(1, std::memory_order_relaxed);
  }
  frame->referenced.store(true, std::memory_order_relaxed);
  if (fresh) {
    {
      const std::lock_guard lock(mutex_);
      frame->pins.store(0, std::memory_order_release);
    }
    changed_.notify_all();
  } else {
    frame->pins.fetch_sub(1, std::memory_order_release);
  }
  return Status::Ok();
}

Status BufferPool::WriteBackAll() {
  std::vector<Frame*> frames;
  {
    std::unique_lock lock(mutex_);
    for (size_t i = 0; i < used_frames_; ++i) {
      Frame* frame = &frames_[i];
      // Another thread's write-back of it must be over before the caller syncs the file.
      changed_.wait(lock, [&] { return !frame->writing; });
      if (!frame->dirty.load(std::memory_order_acquire)) continue;
      frame->pins.fetch_add(1, std::memory_order_relaxed);
      frame->writing = true;
      frames.push_back(frame);
    }
  }
  return WriteBack(std::move(frames));
}

// REQUIRES a pin on each frame, and `writing` set; both are taken back.
Status BufferPool::WriteBack(std::vector<Frame*> frames) {
  std::sort(frames.begin(), frames.end(), [](const Frame* a, const Frame* b) {
    return a->number.load(std::memory_order_relaxed) < b->number.load(std::memory_order_relaxed);
  });
  Lsn newest = 0;
  for (const Frame* frame : frames) newest = std::max(newest, frame->page->header.lsn);
  Status status = sync_log_ ? log_->WaitDurable(newest) : log_->WaitWritten(newest);
  if (status.ok()) status = WriteRuns(frames);
  {
    const std::lock_guard lock(mutex_);
    for (Frame* frame : frames) {
      frame->writing = false;
      if (status.ok() && frame->dirty.exchange(false, std::memory_order_release)) {
        dirty_count_.fetch_sub(1, std::memory_order_relaxed);
      }
      frame->pins.fetch_sub(1, std::memory_order_release);
    }
  }
  changed_.notify_all();
  return status;
}

Status BufferPool::WriteRuns(const std::vector<Frame*>& frames) {
  // A copy, since the checksum is put in while others may be reading the page.
  const auto run = std::make_unique_for_overwrite<Page[]>(kRunPages);
  for (size_t i = 0; i < frames.size();) {
    const PageNo first = frames[i]->number.load(std::memory_order_relaxed);
    size_t count = 0;
    for (; count < kRunPages && i + count < frames.size() &&
           frames[i + count]->number.load(std::memory_order_relaxed) == first + count;
         ++count) {
      run[count] = *frames[i + count]->page;
      run[count].header.checksum = PageChecksum(run[count]);
    }
    RETURN_IF_ERROR(
        file_->WriteAt(uint64_t{first} * kPageBytes, {run[0].bytes(), count * kPageBytes}));
    i += count;
  }
  return Status::Ok();
}

}  // namespace fencepost::filestore
