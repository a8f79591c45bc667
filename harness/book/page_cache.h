// SPDX-License-Identifier: BSD-3-Clause
// The page cache's copy of some files: how much of it there is, and away with it.
//
// What is dirty is written first. Pages that somebody has mapped stay (POSIX_FADV_DONTNEED passes
// over them): close a store before it is evicted, and ask afterwards. Not by
// /proc/sys/vm/drop_caches: that needs root and takes everybody's cache.
// Threads: any, of different files.
// Not covered: tmpfs, whose files are the page cache (nothing can be evicted there); what a disk or
//   a hypervisor keeps for itself.
// Source: posix_fadvise(2), mincore(2).
#ifndef FENCEPOST_HARNESS_BOOK_PAGE_CACHE_H_
#define FENCEPOST_HARNESS_BOOK_PAGE_CACHE_H_

#include <cstdint>
#include <filesystem>

#include "engines/status.h"

namespace fencepost {

struct PageCacheShare {
  uint64_t pages = 0;
  uint64_t resident_pages = 0;
};

// Of a file, or of all regular files below a folder. kIoError.
Result<PageCacheShare> PageCacheShareOf(const std::filesystem::path& path);

// Syncs and evicts them. kIoError; kUnsupported on tmpfs.
Status EvictFromPageCache(const std::filesystem::path& path);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_PAGE_CACHE_H_
