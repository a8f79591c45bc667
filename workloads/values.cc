// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/values.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "workloads/replay_file.h"
#include "workloads/rng.h"
#include "workloads/xxh3.h"

namespace fencepost {
namespace internal {

uint64_t Xxh3Baseline(const void* data, size_t bytes) { return XXH3_64bits(data, bytes); }

}  // namespace internal

namespace {

static_assert(std::endian::native == std::endian::little, "stamps are stored as they are");

constexpr size_t kPoolBytes = size_t{512} << 10;
constexpr size_t kSlices = 4096;
constexpr size_t kSliceStep = kPoolBytes / kSlices;
constexpr size_t kLengthBytes = 4;  // of a field's length

const internal::Xxh3Function kXxh3 = internal::BestXxh3();

// Twice the pool, so that a slice that starts anywhere in the first copy may be a pool long.
const char* Pool() {
  static const std::vector<uint64_t> pool = [] {
    std::vector<uint64_t> words(2 * kPoolBytes / sizeof(uint64_t));
    Rng rng(0x66656e6365706f73);  // the same for all: a later run reads what this one wrote
    const size_t half = words.size() / 2;
    for (size_t i = 0; i < half; ++i) words[i] = words[i + half] = rng.Next();
    return words;
  }();
  return reinterpret_cast<const char*>(pool.data());
}

size_t SliceIndex(uint32_t key_hash, uint32_t version) {
  // An odd factor: successive versions walk through all slices before one comes again.
  return (MixBits(key_hash) + version * uint64_t{0x9e3779b1}) % kSlices;
}

void CopyBody(const char* slice, size_t bytes, char* out) {
  while (bytes > kPoolBytes) [[unlikely]] {
      std::memcpy(out, slice, kPoolBytes);
      out += kPoolBytes;
      bytes -= kPoolBytes;
    }
  std::memcpy(out, slice, bytes);
}

uint32_t Checksum(uint64_t body_hash, const Stamp& stamp) {
  // Whole words: the hash reads words, which must not straddle what was just stored.
  const uint64_t input[] = {body_hash, uint64_t{stamp.version} << 32 | stamp.key_hash,
                            stamp.value_bytes};
  return static_cast<uint32_t>(XXH3_64bits(input, sizeof(input)));
}

// Writes the stamp in front of a body that is there.
std::string_view Seal(size_t bytes, uint32_t key_hash, uint32_t version, uint64_t body_hash,
                      char* buffer) {
  Stamp stamp{key_hash, version, static_cast<uint32_t>(bytes), 0};
  stamp.checksum = Checksum(body_hash, stamp);
  std::memcpy(buffer, &stamp, kStampBytes);
  return {buffer, bytes};
}

// The bytes of a value too short for a stamp.
std::array<char, kStampBytes> ShortBytes(uint32_t key_hash, uint32_t version, size_t bytes) {
  const uint64_t input[] = {uint64_t{key_hash} << 32 | version, bytes};
  const XXH128_hash_t hash = XXH3_128bits(input, sizeof(input));
  std::array<char, kStampBytes> out;
  std::memcpy(out.data(), &hash.low64, sizeof(hash.low64));
  std::memcpy(out.data() + sizeof(hash.low64), &hash.high64, sizeof(hash.high64));
  return out;
}

}  // namespace

uint32_t KeyHash(std::string_view key) {
  return static_cast<uint32_t>(XXH3_64bits(key.data(), key.size()));
}

ValueMaker::ValueMaker(const WorkloadSpec& spec)
    : seed_(spec.seed),
      field_count_(spec.field_count),
      min_field_bytes_(spec.min_field_bytes),
      distribution_(spec.field_length_distribution),
      histogram_(spec.field_histogram),
      pool_(Pool()) {
  if (spec.replay_file) {
    max_value_bytes_ = spec.replay_file->max_value_bytes();
    return;
  }
  const size_t lengths_bytes = field_count_ > 1 ? field_count_ * kLengthBytes : 0;
  max_value_bytes_ = field_count_ * spec.field_bytes;
  switch (distribution_) {
    case LengthDistribution::kConstant:
      fixed_bytes_ = max_value_bytes_;
      break;
    case LengthDistribution::kUniform:
      uniform_.emplace(spec.field_bytes - min_field_bytes_ + 1);
      break;
    case LengthDistribution::kZipfian:
      if (spec.zipfian == ZipfianMode::kExact) {
        exact_zipfian_.emplace(spec.field_bytes - min_field_bytes_ + 1);
      } else {
        zipfian_.emplace(spec.field_bytes - min_field_bytes_ + 1);
      }
      break;
    case LengthDistribution::kHistogram:
      CHECK(histogram_.has_value());
      break;
  }
  if (!fixed_bytes_) {
    max_value_bytes_ += lengths_bytes;
  } else if (*fixed_bytes_ >= kStampBytes && *fixed_bytes_ <= kPoolBytes) {
    body_hashes_.resize(kSlices);
    for (size_t i = 0; i < kSlices; ++i) {
      body_hashes_[i] = kXxh3(pool_ + i * kSliceStep, *fixed_bytes_ - kStampBytes);
    }
  }
}

size_t ValueMaker::FieldBytes(Rng& rng) const {
  if (uniform_) return min_field_bytes_ + uniform_->Next(rng);
  if (zipfian_) return min_field_bytes_ + zipfian_->Next(rng);
  if (exact_zipfian_) return min_field_bytes_ + exact_zipfian_->Next(rng);
  return histogram_->Next(rng);
}

size_t ValueMaker::VaryingBytes(uint64_t number, uint32_t version) const {
  Rng rng(seed_, {number, version});
  size_t bytes = field_count_ > 1 ? field_count_ * kLengthBytes : 0;
  for (size_t i = 0; i < field_count_; ++i) bytes += FieldBytes(rng);
  return bytes;
}

size_t ValueMaker::WriteLengths(uint64_t number, uint32_t version, char* buffer) const {
  Rng rng(seed_, {number, version});
  size_t offset = 0;
  for (size_t i = 0; i < field_count_; ++i) {
    const size_t field_bytes = FieldBytes(rng);
    char bytes[kLengthBytes];
    const auto length = static_cast<uint32_t>(field_bytes);
    std::memcpy(bytes, &length, kLengthBytes);
    // What lies under the stamp, or half under it, gives way.
    for (size_t b = 0; b < kLengthBytes; ++b) {
      if (offset + b >= kStampBytes) buffer[offset + b] = bytes[b];
    }
    offset += kLengthBytes + field_bytes;
  }
  return offset;
}

std::string_view ValueMaker::Make(uint64_t number, uint32_t key_hash, uint32_t version,
                                  char* buffer) const {
  const size_t bytes = ValueBytes(number, version);
  if (bytes < kStampBytes) [[unlikely]]
    return MakeOf(bytes, key_hash, version, buffer);
  const size_t slice = SliceIndex(key_hash, version);
  const size_t body_bytes = bytes - kStampBytes;
  CopyBody(pool_ + slice * kSliceStep, body_bytes, buffer + kStampBytes);
  uint64_t body_hash = 0;
  if (!body_hashes_.empty()) {
    body_hash = body_hashes_[slice];
  } else {
    if (!fixed_bytes_ && field_count_ > 1) WriteLengths(number, version, buffer);
    body_hash = kXxh3(buffer + kStampBytes, body_bytes);
  }
  return Seal(bytes, key_hash, version, body_hash, buffer);
}

std::string_view ValueMaker::MakeOf(size_t bytes, uint32_t key_hash, uint32_t version,
                                    char* buffer) {
  if (bytes < kStampBytes) {
    std::copy_n(ShortBytes(key_hash, version, bytes).data(), bytes, buffer);
    return {buffer, bytes};
  }
  const size_t body_bytes = bytes - kStampBytes;
  CopyBody(Pool() + SliceIndex(key_hash, version) * kSliceStep, body_bytes, buffer + kStampBytes);
  return Seal(bytes, key_hash, version, kXxh3(buffer + kStampBytes, body_bytes), buffer);
}

std::string_view ValueFaultName(ValueFault fault) {
  constexpr std::string_view kNames[] = {"none", "foreign", "torn", "length", "short"};
  return kNames[static_cast<size_t>(fault)];
}

ValueReading ReadValue(uint32_t key_hash, std::string_view value, VerifyLevel level) {
  if (level == VerifyLevel::kOff) return {};
  if (value.size() < kStampBytes) [[unlikely]]
    return {ValueFault::kShort, 0};
  Stamp stamp;
  std::memcpy(&stamp, value.data(), kStampBytes);
  const bool length_matches = stamp.value_bytes == value.size();
  if (level == VerifyLevel::kFull) {
    const uint64_t body_hash = kXxh3(value.data() + kStampBytes, value.size() - kStampBytes);
    if (stamp.checksum != Checksum(body_hash, stamp)) [[unlikely]] {
      // What the stamp says is then hearsay; but a cut-off value is told from a torn one.
      return {length_matches ? ValueFault::kTorn : ValueFault::kLength, stamp.version};
    }
  }
  if (stamp.key_hash != key_hash) [[unlikely]]
    return {ValueFault::kForeign, stamp.version};
  if (!length_matches) [[unlikely]]
    return {ValueFault::kLength, stamp.version};
  return {ValueFault::kNone, stamp.version};
}

bool MatchesShort(uint32_t key_hash, uint32_t version, std::string_view value) {
  if (value.size() >= kStampBytes) return false;
  const auto expected = ShortBytes(key_hash, version, value.size());
  return std::equal(value.begin(), value.end(), expected.begin());
}

}  // namespace fencepost
