// SPDX-License-Identifier: BSD-3-Clause
// The write-combining buffer of an Optane module: writes of lines go in, writes of blocks come out.
//
// A block of which every line has been written is written to the medium at once, and stays, clean,
// until its place is needed. Where a place is needed, the victim is drawn from the half of the
// blocks that were written to least recently; of it the lines that are dirty cost a whole block.
//
// Which victim goes is what makes table 09's curve. With N half-written blocks a plain LRU loses
// all of them as soon as one does not fit: an amplification of 2.00 at 20 KiB, where 1.36 was
// published; a victim drawn from all gives 1.23 there. Drawn from the older half: 1.30.
//
// Invariants:
//   1. At most `capacity_blocks` blocks; each block once.
//   2. A block that is fully dirty is not kept as such.
//   3. The same writes and the same seed give the same victims.
// Threads: none.
#ifndef FENCEPOST_ENGINES_MEDIA_WRITE_BUFFER_H_
#define FENCEPOST_ENGINES_MEDIA_WRITE_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fencepost::media {

enum class Victim : unsigned char { kOldest, kAny, kOlderHalf };

class WriteBuffer {
 public:
  // REQUIRES: capacity_blocks >= 2, 1 <= lines_a_block <= 64.
  WriteBuffer(size_t capacity_blocks, uint64_t lines_a_block, Victim victim, uint64_t seed);

  // How many blocks the medium has to write for it: 0, 1 or, where it makes a block whole in a
  // place that was taken from another, 2.
  unsigned Write(uint64_t line);

  bool Holds(uint64_t block) const { return Find(block) != entries_.size(); }

 private:
  struct Entry {
    uint64_t block;
    uint64_t dirty;  // a bit a line
  };

  size_t Find(uint64_t block) const;
  size_t ChooseVictim();
  uint64_t Draw();

  const size_t capacity_;
  const uint64_t lines_a_block_;
  const Victim victim_;
  uint64_t random_;
  std::vector<Entry> entries_;  // the one written to least recently first
};

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_WRITE_BUFFER_H_
