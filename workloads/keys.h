// SPDX-License-Identifier: BSD-3-Clause
// Keys: what a key number looks like to an engine, as in YCSB.
//
// "user", zeros up to `zero_padding` digits, then the decimal of the number itself (ordered) or of
// its FNV-1a hash (hashed).
//
// Deliberate misses: a number with kMissBit asks for a key that nobody ever inserts. It is the key
// of the number without that bit, its last digit replaced by a letter ('0' -> 'A', ... '9' -> 'J'):
// beside an existing key in the order, of the same length, and different from every key, since
// those have digits only.
//
// Invariants: Format() and KeyBlock give the same bytes.
// Threads: KeyFormat is immutable; a KeyBlock belongs to one thread.
// Not covered: two numbers with one hash have one key, as in YCSB (n^2 / 2^64 pairs are expected).
// Source: YCSB CoreWorkload.buildKeyName and Utils.fnvhash64; Fowler, Noll, Vo, FNV-1a.
#ifndef FENCEPOST_WORKLOADS_KEYS_H_
#define FENCEPOST_WORKLOADS_KEYS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fencepost {

// The numbers of keys are below 2^59; this bit marks a miss.
inline constexpr uint64_t kMissBit = uint64_t{1} << 59;
inline constexpr uint64_t kMaxKeyNumber = kMissBit - 1;

// FNV-1a of the number's eight little-endian bytes, then its absolute value as a signed number.
constexpr uint64_t Fnv1a64(uint64_t number) {
  constexpr uint64_t kPrime = 1099511628211;
  uint64_t hash = 0xcbf29ce484222325;
  for (int i = 0; i < 8; ++i) {
    hash = (hash ^ (number & 0xff)) * kPrime;
    number >>= 8;
  }
  return static_cast<int64_t>(hash) < 0 ? uint64_t{0} - hash : hash;
}

class KeyFormat {
 public:
  static constexpr unsigned kMaxZeroPadding = 500;
  // Room that Format() needs: the longest key, and what it writes beyond its end.
  static constexpr size_t kMaxKeyBytes = 512;

  // REQUIRES zero_padding <= kMaxZeroPadding.
  KeyFormat(bool hashed, unsigned zero_padding);

  // Writes the key to `out`, which has room for buffer_bytes(), and returns the key's length.
  size_t Format(uint64_t number, char* out) const;

  // An upper bound of the length.
  size_t max_key_bytes() const { return max_key_bytes_; }
  // Length plus overrun; at most kMaxKeyBytes.
  size_t buffer_bytes() const { return buffer_bytes_; }

 private:
  friend class KeyBlock;
  // `decimal` is the number to print.
  size_t Write(uint64_t decimal, bool miss, char* out) const;

  bool hashed_;
  unsigned zero_padding_;
  unsigned lead_zeros_;  // zeros before a 20-digit number
  size_t max_key_bytes_;
  size_t buffer_bytes_;
};

// Many keys formatted at once, at a fixed stride.
class KeyBlock {
 public:
  // Replaces the contents. Views of earlier contents become invalid.
  void Build(const KeyFormat& format, std::span<const uint64_t> numbers);

  std::string_view operator[](size_t i) const { return {bytes_.data() + i * stride_, lengths_[i]}; }
  size_t size() const { return count_; }

 private:
  std::vector<char> bytes_;
  std::vector<uint16_t> lengths_;
  size_t stride_ = 0;
  size_t count_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_KEYS_H_
