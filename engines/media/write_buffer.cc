// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/write_buffer.h"

#include <cstddef>

#include "engines/status.h"

namespace fencepost::media {

WriteBuffer::WriteBuffer(size_t capacity_blocks, uint64_t lines_a_block, Victim victim,
                         uint64_t seed)
    : capacity_(capacity_blocks),
      lines_a_block_(lines_a_block),
      victim_(victim),
      random_(seed * 2 + 1) {
  CHECK(capacity_blocks >= 2 && lines_a_block >= 1 && lines_a_block <= 64);
  entries_.reserve(capacity_);
}

size_t WriteBuffer::Find(uint64_t block) const {
  // What was written to last is what is written to next, as a rule.
  for (size_t i = entries_.size(); i > 0; --i) {
    if (entries_[i - 1].block == block) return i - 1;
  }
  return entries_.size();
}

// xorshift64* (Vigna, ACM TOMS 42, 2016).
uint64_t WriteBuffer::Draw() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return random_ * 0x2545F4914F6CDD1Du >> 32;
}

size_t WriteBuffer::ChooseVictim() {
  switch (victim_) {
    case Victim::kOldest:
      return 0;
    case Victim::kAny:
      return Draw() % capacity_;
    case Victim::kOlderHalf:
      return Draw() % (capacity_ / 2);
  }
  return 0;
}

unsigned WriteBuffer::Write(uint64_t line) {
  const uint64_t block = line / lines_a_block_;
  unsigned written = 0;
  Entry entry = {block, 0};
  if (const size_t at = Find(block); at != entries_.size()) {
    entry = entries_[at];
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  } else if (entries_.size() == capacity_) {
    const size_t victim = ChooseVictim();
    if (entries_[victim].dirty != 0) ++written;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(victim));
  }
  entry.dirty |= uint64_t{1} << line % lines_a_block_;
  const uint64_t whole = lines_a_block_ == 64 ? ~uint64_t{0} : (uint64_t{1} << lines_a_block_) - 1;
  if (entry.dirty == whole) {
    entry.dirty = 0;
    ++written;
  }
  entries_.push_back(entry);
  return written;
}

}  // namespace fencepost::media
