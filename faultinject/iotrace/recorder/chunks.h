// SPDX-License-Identifier: BSD-3-Clause
// A file, read piece by piece into the scratch memory.
//
// Threads: REQUIRES: the lock is held.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CHUNKS_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CHUNKS_H_

#include <errno.h>
#include <unistd.h>

#include <cstdint>

#include "faultinject/iotrace/recorder/raw_calls.h"
#include "faultinject/iotrace/recorder/shared_log.h"

namespace fencepost::iorecorder {

inline uint64_t AlignedDown(uint64_t value) { return value / kHashBlockBytes * kHashBlockBytes; }

// Reads [begin, end), kScratchBytes at most, into the scratch memory, zeros behind it up to a whole
// block.
inline void ReadChunk(int fd, uint64_t begin, uint64_t end) {
  char* const scratch = Shared().scratch;
  uint64_t done = 0;
  while (begin + done < end) {
    const long got = Raw(SYS_pread64, fd, scratch + done, end - begin - done, begin + done);
    if (got == -EINTR) continue;
    if (got < 0) Refuse("a traced file could not be read");
    if (got <= 0) break;
    done += static_cast<uint64_t>(got);
  }
  const uint64_t whole = (end - begin + kHashBlockBytes - 1) / kHashBlockBytes * kHashBlockBytes;
  __builtin_memset(scratch + done, 0, whole - done);
}

// Calls `visit(offset, bytes)` for chunks of [from, bytes) that are not holes, each in the scratch
// memory and beginning with a block. REQUIRES: `from` is a multiple of the block size.
template <typename Visit>
void ForEachChunk(int fd, uint64_t from, uint64_t bytes, const Visit& visit) {
  while (from < bytes) {
    uint64_t begin = from;
    uint64_t end = bytes;
    if (bytes - from > kScratchBytes) {  // a look for holes costs more than to read little
      const long data = Raw(SYS_lseek, fd, from, SEEK_DATA);
      if (data == -ENXIO) return;
      if (data >= 0) begin = AlignedDown(static_cast<uint64_t>(data));
      if (begin < from) begin = from;
      const long hole = Raw(SYS_lseek, fd, data >= 0 ? data : static_cast<long>(from), SEEK_HOLE);
      if (hole >= 0 && static_cast<uint64_t>(hole) < bytes) {
        end = AlignedDown(static_cast<uint64_t>(hole) + kHashBlockBytes - 1);
      }
      if (end > bytes) end = bytes;
    }
    for (uint64_t at = begin; at < end; at += kScratchBytes) {
      const uint64_t part = end - at < kScratchBytes ? end - at : kScratchBytes;
      ReadChunk(fd, at, at + part);
      visit(at, part);
    }
    from = end;
  }
}

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CHUNKS_H_
