// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/write_buffer.h"

#include <algorithm>
#include <numeric>

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
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].block == block) return i;
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
  if (victim_ == Victim::kAny) return Draw() % capacity_;
  order_.resize(capacity_);
  std::iota(order_.begin(), order_.end(), size_t{0});
  const size_t candidates = victim_ == Victim::kOldest ? 1 : capacity_ / 2;
  const auto end = order_.begin() + static_cast<std::ptrdiff_t>(candidates);
  std::nth_element(order_.begin(), end, order_.end(),
                   [&](size_t a, size_t b) { return entries_[a].used < entries_[b].used; });
  // Which of equals nth_element puts first is the library's business: the oldest of all is found
  // again, so that a run gives the same everywhere.
  if (victim_ == Victim::kOldest) return order_.front();
  std::sort(order_.begin(), end,
            [&](size_t a, size_t b) { return entries_[a].used < entries_[b].used; });
  return order_[Draw() % candidates];
}

unsigned WriteBuffer::Write(uint64_t line) {
  const uint64_t block = line / lines_a_block_;
  unsigned written = 0;
  size_t at = Find(block);
  if (at == entries_.size()) {
    if (entries_.size() < capacity_) {
      entries_.push_back({block, 0, 0});
    } else {
      at = ChooseVictim();
      if (entries_[at].dirty != 0) ++written;
      entries_[at] = {block, 0, 0};
    }
  }
  Entry& entry = entries_[at];
  entry.used = ++now_;
  entry.dirty |= uint64_t{1} << line % lines_a_block_;
  const uint64_t whole = lines_a_block_ == 64 ? ~uint64_t{0} : (uint64_t{1} << lines_a_block_) - 1;
  if (entry.dirty == whole) {
    entry.dirty = 0;
    ++written;
  }
  return written;
}

}  // namespace fencepost::media
