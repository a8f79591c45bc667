// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/keys.h"

#include <emmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "engines/status.h"

namespace fencepost {
namespace {

static_assert(std::endian::native == std::endian::little, "digits are stored as integers");

constexpr uint64_t kPrefixBytes = 4;
constexpr uint64_t kDigits = 20;     // of 2^64 - 1
constexpr uint64_t kStoreBytes = 8;  // the most that is written beyond a key's end
constexpr uint64_t kAsciiZeros = 0x3030303030303030;

// 1, 10, 100, ...: all powers of ten below 2^64.
constexpr auto kPowersOfTen = [] {
  std::array<uint64_t, 20> powers{};
  uint64_t power = 1;
  for (uint64_t& entry : powers) {
    entry = power;
    power *= 10;
  }
  return powers;
}();

// Decimal digits of x, 1 for 0.
uint64_t CountDigits(uint64_t x) {
  x |= 1;  // 0 has one digit; no power of ten but 1 is odd
  const auto guess = static_cast<uint64_t>(std::bit_width(x)) * 1233 >> 12;  // log10(2) a bit
  return guess + (x >= kPowersOfTen[guess] ? 1 : 0);
}

// Eight digits, the first in the lowest byte, in ASCII. REQUIRES x < 10^8. Splits in halves three
// times, all lanes at once: dividing by a constant is a multiplication and a shift.
uint64_t EightDigits(uint64_t x) {
  const uint64_t fours = x / 10000 | (x % 10000) << 32;
  const uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007f0000007f;
  const uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
  const uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000f;
  return (tens | (twos - tens * 10) << 8) | kAsciiZeros;
}

// Sixteen digits in ASCII, the same way in one vector. REQUIRES high, low < 10^8.
__m128i SixteenDigits(uint64_t high, uint64_t low) {
  const uint64_t high_fours = high / 10000 | (high % 10000) << 32;
  const uint64_t low_fours = low / 10000 | (low % 10000) << 32;
  const __m128i fours =
      _mm_set_epi64x(static_cast<int64_t>(low_fours), static_cast<int64_t>(high_fours));
  const __m128i hundreds = _mm_srli_epi16(_mm_mulhi_epu16(fours, _mm_set1_epi16(5243)), 3);
  const __m128i below_100 = _mm_sub_epi16(fours, _mm_mullo_epi16(hundreds, _mm_set1_epi16(100)));
  const __m128i twos = _mm_or_si128(hundreds, _mm_slli_epi32(below_100, 16));
  const __m128i tens = _mm_mulhi_epu16(twos, _mm_set1_epi16(6554));
  const __m128i ones = _mm_sub_epi16(twos, _mm_mullo_epi16(tens, _mm_set1_epi16(10)));
  return _mm_or_si128(_mm_or_si128(tens, _mm_slli_epi16(ones, 8)), _mm_set1_epi8('0'));
}

// Four digits in ASCII, the first in the lowest byte. REQUIRES x < 10^4.
uint32_t FourDigits(uint64_t x) {
  static constexpr auto kPairs = [] {
    std::array<uint16_t, 100> pairs{};
    for (unsigned i = 0; i < 100; ++i) {
      pairs[i] = static_cast<uint16_t>(('0' + i / 10) | ('0' + i % 10) << 8);
    }
    return pairs;
  }();
  return kPairs[x / 100] | static_cast<uint32_t>(kPairs[x % 100]) << 16;
}

// Hashes `kLanes` numbers whose bytes from `kBytes` on are all zero. Each hash is a chain of
// dependent multiplications: several at once fill the time between them, and the zero bytes at
// the end are one multiplication by a power of the prime.
constexpr size_t kLanes = 4;

template <int kBytes>
void HashLanes(uint64_t* numbers) {
  constexpr uint64_t kPrime = 1099511628211;
  uint64_t zeros = 1;
  for (int i = kBytes; i < 8; ++i) zeros *= kPrime;
  uint64_t a = 0xcbf29ce484222325, b = a, c = a, d = a;
  uint64_t na = numbers[0], nb = numbers[1], nc = numbers[2], nd = numbers[3];
  for (int i = 0; i < kBytes; ++i) {
    a = (a ^ (na & 0xff)) * kPrime;
    b = (b ^ (nb & 0xff)) * kPrime;
    c = (c ^ (nc & 0xff)) * kPrime;
    d = (d ^ (nd & 0xff)) * kPrime;
    na >>= 8, nb >>= 8, nc >>= 8, nd >>= 8;
  }
  const auto absolute = [](uint64_t x) { return static_cast<int64_t>(x) < 0 ? 0 - x : x; };
  numbers[0] = absolute(a * zeros);
  numbers[1] = absolute(b * zeros);
  numbers[2] = absolute(c * zeros);
  numbers[3] = absolute(d * zeros);
}

void Store(char* out, uint64_t digits) { std::memcpy(out, &digits, kStoreBytes); }

}  // namespace

KeyFormat::KeyFormat(bool hashed, unsigned zero_padding)
    : hashed_(hashed),
      zero_padding_(zero_padding),
      lead_zeros_(zero_padding > kDigits ? zero_padding - static_cast<unsigned>(kDigits) : 0),
      max_key_bytes_(kPrefixBytes + std::max<size_t>(kDigits, zero_padding)),
      buffer_bytes_(max_key_bytes_ + kStoreBytes) {
  CHECK(zero_padding <= kMaxZeroPadding);
  static_assert(kPrefixBytes + kMaxZeroPadding + kStoreBytes <= kMaxKeyBytes);
}

inline size_t KeyFormat::Write(uint64_t decimal, bool miss, char* out) const {
  std::memcpy(out, "user", kPrefixBytes);
  char* digits_out = out + kPrefixBytes;
  if (lead_zeros_ > 0) [[unlikely]] {
    std::memset(digits_out, '0', lead_zeros_);
    digits_out += lead_zeros_;
  }
  // Of the 20 digits, the last `count` are written. Each piece is stored whole, its unwanted
  // leading digits shifted out, and the next piece overwrites what it wrote too much.
  const uint64_t count = std::min(kDigits, std::max<uint64_t>(CountDigits(decimal), zero_padding_));
  const uint64_t low = decimal % 100'000'000;
  const uint64_t rest = decimal / 100'000'000;
  if (count > 16) [[likely]] {
    const uint32_t top = FourDigits(rest / 100'000'000) >> 8 * (20 - count);
    std::memcpy(digits_out, &top, sizeof(top));
    const __m128i digits = SixteenDigits(rest % 100'000'000, low);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(digits_out + count - 16), digits);
  } else if (count > 8) {
    Store(digits_out, EightDigits(rest) >> 8 * (16 - count));
    Store(digits_out + count - 8, EightDigits(low));
  } else {
    Store(digits_out, EightDigits(low) >> 8 * (8 - count));
  }
  char* end = digits_out + count;
  if (miss) [[unlikely]]
    end[-1] = static_cast<char>(end[-1] + ('A' - '0'));
  return static_cast<size_t>(end - out);
}

size_t KeyFormat::Format(uint64_t number, char* out) const {
  const uint64_t base = number & kMaxKeyNumber;
  return Write(hashed_ ? Fnv1a64(base) : base, (number & kMissBit) != 0, out);
}

void KeyBlock::Build(const KeyFormat& format, std::span<const uint64_t> numbers) {
  stride_ = (format.buffer_bytes() + 7) / 8 * 8;
  count_ = numbers.size();
  if (bytes_.size() < stride_ * count_) bytes_.resize(stride_ * count_);
  if (lengths_.size() < count_) lengths_.resize(count_);
  uint64_t bits = 0;
  for (const uint64_t number : numbers) bits |= number & kMaxKeyNumber;
  for (size_t begin = 0; begin < count_; begin += kLanes) {
    const size_t lanes = std::min(kLanes, count_ - begin);
    uint64_t decimals[kLanes] = {};
    for (size_t i = 0; i < lanes; ++i) decimals[i] = numbers[begin + i] & kMaxKeyNumber;
    if (format.hashed_) {
      bits < (uint64_t{1} << 24) ? HashLanes<3>(decimals) : HashLanes<8>(decimals);
    }
    for (size_t i = 0; i < lanes; ++i) {
      const bool miss = (numbers[begin + i] & kMissBit) != 0;
      lengths_[begin + i] = static_cast<uint16_t>(
          format.Write(decimals[i], miss, bytes_.data() + (begin + i) * stride_));
    }
  }
}

}  // namespace fencepost
