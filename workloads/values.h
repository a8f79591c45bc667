// SPDX-License-Identifier: BSD-3-Clause
// Values that testify: from a value alone it can be told whose it is, which version, and whether
// it is whole.
//
// A value of 16 bytes or more has a Stamp in place of its first 16 bytes, little-endian, and then
// a body: a slice of a fixed pool of random bytes, chosen by key hash and version, that does not
// compress. The checksum is 32 bits of XXH3 over (XXH3 of the body, the stamp's first 12 bytes).
//
// A value below 16 bytes is a truncated hash of (key hash, version, length). Who reads it must
// know which version to expect, and a wrong one passes with probability 2^-8n for n bytes: with 8
// bytes lost, stale, torn and foreign values are all seen, as faults without a name; with 1 byte
// one in 256 escapes; of empty values only the number is known.
//
// A record is its fields in index order. Where their lengths vary and there is more than one,
// each field is preceded by its length in 32 bits (the stamp covers the first 16 bytes of all
// that). A value's length depends on the seed, the key number and the version only; or a trace file
// has it, and such a value has no fields.
//
// Invariants:
//   1. ReadValue() finds no fault in what Make() wrote, for the same key hash.
//   2. The bodies of 4,096 successive versions of one key differ.
// Threads: a ValueMaker is immutable; any number of threads may share it.
// Not covered: faults that leave all 32 bits of the checksum right (one in 2^32).
// Source: xxHash's XXH3, 64 bits.
#ifndef FENCEPOST_WORKLOADS_VALUES_H_
#define FENCEPOST_WORKLOADS_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "workloads/workload.h"

namespace fencepost {

inline constexpr size_t kStampBytes = 16;

struct Stamp {
  uint32_t key_hash;
  uint32_t version;
  uint32_t value_bytes;
  uint32_t checksum;
};
static_assert(sizeof(Stamp) == kStampBytes);

// 32 bits of XXH3 of the key.
uint32_t KeyHash(std::string_view key);

class ValueMaker {
 public:
  explicit ValueMaker(const WorkloadSpec& spec);

  // Length of the value of this version of this record. REQUIRES that there is no trace file.
  size_t ValueBytes(uint64_t number, uint32_t version) const {
    return fixed_bytes_ ? *fixed_bytes_ : VaryingBytes(number, version);
  }
  size_t max_value_bytes() const { return max_value_bytes_; }

  // Writes the value to `buffer`, which has room for max_value_bytes(), and returns a view of it.
  std::string_view Make(uint64_t number, uint32_t key_hash, uint32_t version, char* buffer) const;
  // The same of a trace file, which says how long each value is. REQUIRES bytes <=
  // max_value_bytes().
  static std::string_view MakeOf(size_t bytes, uint32_t key_hash, uint32_t version, char* buffer);

 private:
  size_t VaryingBytes(uint64_t number, uint32_t version) const;
  // Writes the lengths in front of the fields that begin behind the stamp; returns the total.
  size_t WriteLengths(uint64_t number, uint32_t version, char* buffer) const;
  size_t FieldBytes(Rng& rng) const;

  uint64_t seed_;
  size_t field_count_;
  size_t min_field_bytes_;
  LengthDistribution distribution_;
  std::optional<Uniform> uniform_;
  std::optional<Zipfian> zipfian_;
  std::optional<ExactZipfian> exact_zipfian_;
  std::optional<LengthHistogram> histogram_;
  std::optional<size_t> fixed_bytes_;
  size_t max_value_bytes_ = 0;
  const char* pool_;
  // Where all values have one length: the hash of each body there is, by offset.
  std::vector<uint64_t> body_hashes_;
};

enum class ValueFault : uint8_t {
  kNone,
  kForeign,  // whole, but another key's
  kTorn,     // the checksum does not match
  kLength,   // not as long as its stamp says
  kShort,    // too short for a stamp: see MatchesShort()
};

// "none", "foreign", ...
std::string_view ValueFaultName(ValueFault fault);

struct ValueReading {
  ValueFault fault = ValueFault::kNone;
  uint32_t version = 0;  // what the stamp says, which is to be trusted only without a fault
};

// kOff: looks at nothing. kStamp: key hash and length. kFull: the checksum too.
ValueReading ReadValue(uint32_t key_hash, std::string_view value, VerifyLevel level);

// Whether a value below 16 bytes is this version of this key.
bool MatchesShort(uint32_t key_hash, uint32_t version, std::string_view value);

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_VALUES_H_
