// SPDX-License-Identifier: BSD-3-Clause
// Watch: the state of a ReadWatch, as its handlers see it.
//
// Threads: one. What a handler calls neither allocates nor locks.
#ifndef FENCEPOST_FAULTINJECT_WATCH_WATCH_STATE_H_
#define FENCEPOST_FAULTINJECT_WATCH_WATCH_STATE_H_

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "faultinject/watch/call_filter.h"
#include "faultinject/watch/emulator.h"
#include "faultinject/watch/image_mappings.h"
#include "faultinject/watch/memory_access.h"
#include "faultinject/watch/page.h"
#include "faultinject/watch/read_watch.h"

namespace fencepost {

struct Range {
  uint64_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

inline bool InArena(uint64_t address) { return address >= kArenaBegin && address < kArenaEnd; }

// Past the filter; returns what the kernel returns.
inline void Protect(uint64_t address, uint64_t bytes, int protection) {
  KernelCall(SYS_mprotect, address, bytes, static_cast<uint64_t>(protection));
}

class Watch : public MappingObserver, public MemoryGuide {
 public:
  // REQUIRES: `emulator` outlives it; null: each access is stepped over by the processor.
  explicit Watch(Emulator* emulator) : emulator_(emulator) {}

  void Begin(WatchBuffer* buffer);
  void End();

  void OnMapping(const ImageMapping& mapping) override;
  void OnUnwatchable(const char* what) override {
    if (!on_) return;
    if (buffer_->why[0] == '\0') std::strncpy(buffer_->why, what, sizeof(buffer_->why) - 1);
    TakeAllAsRead();
  }

  uint64_t Reach(const MemoryAccess& access, bool may_write) override;

  bool on() const { return on_; }
  // Handles a fault at `address`; false if it is none of the watch's.
  bool OnFault(uint64_t address, ucontext_t* context);
  // After a single step; false if there was none.
  bool OnStep(ucontext_t* context);
  void OnFileRead(size_t image, Range file) { Read(image, file); }
  // Notes that the process's memory in the range is read, and opens it while body() runs.
  template <typename Body>
  int64_t WithOpen(Range memory, const Body& body);
  void TakeAllAsRead();

 private:
  struct Page {
    size_t image = 0;
    uint64_t number = 0;
    uint32_t first_line = 0, lines = 0;  // its part of the watched lines
    uint32_t faults = 0;
    bool open = false;  // for good
  };

  const ImageMapping* MappingOf(uint64_t address) const;
  Page* PageOf(size_t image, uint64_t number);
  Page* PageAt(uint64_t address);
  template <typename Visit>
  void ForEachLine(size_t image, Range file, const Visit& visit);
  template <typename Visit>
  void ForEachPageAt(Range memory, const Visit& visit);
  Range InFile(const ImageMapping& mapping, Range memory) const;
  void Read(size_t image, Range file);
  void ReadMemory(Range memory);
  void WriteMemory(Range memory);
  void ReadLine(uint32_t line, uint64_t bytes);
  bool Decided(const Page& page) const;
  void OpenForGood(Page* page);
  void OpenIfDecided(Range memory);
  bool IsCrowded(const Page& page) const;
  void TakeAsRead(Page* page);
  void DoString(const InstructionAccesses& accesses, ucontext_t* context);

  Emulator* const emulator_;
  bool on_ = false;
  WatchBuffer* buffer_ = nullptr;
  std::vector<ImageMapping> mappings_;
  std::vector<std::span<uint8_t>> whole_;  // by image, see WholeImage
  std::span<const WatchedLine> lines_;
  std::vector<uint64_t> decided_;                  // by line: bytes that were read or written
  std::vector<Page> pages_;                        // by image and number
  std::vector<std::vector<uint32_t>> page_index_;  // by image and page: index in pages_ + 1
  // Pages that the step under way has open.
  static constexpr size_t kMostSteppedPages = 16;
  std::array<uint64_t, kMostSteppedPages> stepped_;  // addresses
  size_t stepped_count_ = 0;
};

// visit(page, its address) for the watched pages in a range of memory.
template <typename Visit>
void Watch::ForEachPageAt(Range memory, const Visit& visit) {
  if (!InArena(memory.begin) && !InArena(memory.end - 1)) return;
  const uint64_t begin = std::max(memory.begin, kArenaBegin) / kPageBytes * kPageBytes;
  for (uint64_t at = begin; at < std::min(memory.end, kArenaEnd); at += kPageBytes) {
    if (Page* const page = PageAt(at); page != nullptr) visit(page, at);
  }
}

template <typename Body>
int64_t Watch::WithOpen(Range memory, const Body& body) {
  ReadMemory(memory);
  ForEachPageAt(memory, [&](Page* page, uint64_t at) {
    if (!page->open) Protect(at, kPageBytes, MappingOf(at)->protection);
  });
  const int64_t result = body();
  ForEachPageAt(memory, [&](Page* page, uint64_t at) {
    if (!page->open) Protect(at, kPageBytes, PROT_NONE);
  });
  OpenIfDecided(memory);
  return result;
}

// The process's own: made by ReadWatch::Install, never destroyed.
extern constinit Watch* watch;

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_WATCH_STATE_H_
