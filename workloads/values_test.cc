// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/values.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "workloads/chi_square.h"
#include "workloads/rng.h"
#include "workloads/xxh3.h"

namespace fencepost {
namespace {

WorkloadSpec Constant(size_t value_bytes) {
  WorkloadSpec spec;
  spec.field_count = 1;
  spec.field_bytes = value_bytes;
  return spec;
}

WorkloadSpec Varying(size_t fields, size_t min_bytes, size_t max_bytes) {
  WorkloadSpec spec;
  spec.field_count = fields;
  spec.field_bytes = max_bytes;
  spec.min_field_bytes = min_bytes;
  spec.field_length_distribution = LengthDistribution::kUniform;
  return spec;
}

std::string Make(const ValueMaker& maker, uint64_t number, uint32_t key_hash, uint32_t version) {
  // Exactly the room that is asked for: a sanitizer sees what is written beyond.
  std::vector<char> buffer(maker.max_value_bytes());
  return std::string(maker.Make(number, key_hash, version, buffer.data()));
}

TEST(Values, MadeValuesAreReadWithoutFault) {
  for (const size_t bytes :
       {16u, 17u, 31u, 100u, 255u, 256u, 1000u, 4096u, 100000u, 1048576u, 1048577u, 3000000u}) {
    const ValueMaker maker(Constant(bytes));
    EXPECT_EQ(maker.max_value_bytes(), bytes);
    for (uint32_t version = 0; version < 20; ++version) {
      const std::string value = Make(maker, 5, 77, version);
      ASSERT_EQ(value.size(), bytes);
      for (const VerifyLevel level : {VerifyLevel::kStamp, VerifyLevel::kFull}) {
        const ValueReading reading = ReadValue(77, value, level);
        ASSERT_EQ(reading.fault, ValueFault::kNone) << bytes;
        ASSERT_EQ(reading.version, version);
      }
    }
  }
}

TEST(Values, TheStampIsLittleEndianInTheFirstBytes) {
  const std::string value = Make(ValueMaker(Constant(1000)), 1, 0x04030201, 0x08070605);
  EXPECT_EQ(value.substr(0, 12), std::string("\x01\x02\x03\x04\x05\x06\x07\x08\xe8\x03\0\0", 12));
}

// Written once, read by a later version of this program: the bytes must never change.
TEST(Values, BytesAreTheSameForEver) {
  const std::string value = Make(ValueMaker(Constant(1000)), 1, 2, 3);
  EXPECT_EQ(internal::Xxh3Baseline(value.data(), value.size()), 14378436426368494769u);
  const std::string fields = Make(ValueMaker(Varying(10, 1, 100)), 1, 2, 3);
  EXPECT_EQ(internal::Xxh3Baseline(fields.data(), fields.size()), 2571688421559302558u);
  EXPECT_EQ(KeyHash("user6284781860667377211"), 1334373052u);
}

TEST(Values, EveryFlippedBitIsSeen) {
  for (const size_t bytes : {16u, 40u, 1000u}) {
    const ValueMaker maker(Constant(bytes));
    const std::string value = Make(maker, 1, 2, 3);
    for (size_t bit = 0; bit < bytes * 8; ++bit) {
      std::string torn = value;
      torn[bit / 8] = static_cast<char>(torn[bit / 8] ^ (1 << bit % 8));
      ASSERT_NE(ReadValue(2, torn, VerifyLevel::kFull).fault, ValueFault::kNone) << bit;
    }
  }
}

TEST(Values, AMixOfTwoVersionsIsTorn) {
  const ValueMaker maker(Constant(1000));
  const std::string before = Make(maker, 1, 2, 3);
  const std::string after = Make(maker, 1, 2, 4);
  for (size_t cut = 8; cut < 1000; cut += 8) {
    const std::string head_new = after.substr(0, cut) + before.substr(cut);
    const std::string head_old = before.substr(0, cut) + after.substr(cut);
    ASSERT_EQ(ReadValue(2, head_new, VerifyLevel::kFull).fault, ValueFault::kTorn) << cut;
    ASSERT_EQ(ReadValue(2, head_old, VerifyLevel::kFull).fault, ValueFault::kTorn) << cut;
  }
}

TEST(Values, AnotherKeysValueIsForeign) {
  const std::string value = Make(ValueMaker(Constant(100)), 1, KeyHash("user1"), 3);
  EXPECT_EQ(ReadValue(KeyHash("user2"), value, VerifyLevel::kFull).fault, ValueFault::kForeign);
  EXPECT_EQ(ReadValue(KeyHash("user2"), value, VerifyLevel::kStamp).fault, ValueFault::kForeign);
  EXPECT_EQ(ReadValue(KeyHash("user2"), value, VerifyLevel::kOff).fault, ValueFault::kNone);
}

TEST(Values, WrongLengthsAreSeen) {
  const std::string value = Make(ValueMaker(Constant(100)), 1, 2, 3);
  for (const VerifyLevel level : {VerifyLevel::kStamp, VerifyLevel::kFull}) {
    EXPECT_EQ(ReadValue(2, value.substr(0, 99), level).fault, ValueFault::kLength);
    EXPECT_EQ(ReadValue(2, value + "x", level).fault, ValueFault::kLength);
    EXPECT_EQ(ReadValue(2, value.substr(0, 15), level).fault, ValueFault::kShort);
    EXPECT_EQ(ReadValue(2, "", level).fault, ValueFault::kShort);
  }
}

TEST(Values, ShortValuesTellKeyVersionAndLengthApart) {
  for (size_t bytes = 1; bytes < kStampBytes; ++bytes) {
    const std::string value = Make(ValueMaker(Constant(bytes)), 1, 2, 3);
    ASSERT_EQ(value.size(), bytes);
    EXPECT_TRUE(MatchesShort(2, 3, value));
    if (bytes < 4) continue;  // fewer bytes may agree by chance
    EXPECT_FALSE(MatchesShort(2, 2, value));
    EXPECT_FALSE(MatchesShort(1, 3, value));
    EXPECT_FALSE(MatchesShort(2, 3, value.substr(0, bytes - 1)));
    EXPECT_FALSE(MatchesShort(2, 3, value + "x"));
  }
  EXPECT_TRUE(MatchesShort(2, 3, ""));
  EXPECT_EQ(Make(ValueMaker(Constant(0)), 1, 2, 3), "");
}

TEST(Values, SuccessiveVersionsHaveDifferentBodies) {
  const ValueMaker maker(Constant(48));
  std::set<std::string> bodies;
  for (uint32_t version = 0; version < 4096; ++version) {
    bodies.insert(Make(maker, 1, 2, version).substr(kStampBytes));
  }
  EXPECT_EQ(bodies.size(), 4096u);
}

TEST(Values, DoNotCompress) {
  const ValueMaker maker(Constant(1000));
  std::string block;  // as many values as a block of an engine holds at most
  for (uint32_t key = 0; key < 32; ++key) block += Make(maker, key, key * 2654435761u, 1);
  std::vector<Bytef> packed(compressBound(block.size()));
  uLongf packed_bytes = packed.size();
  ASSERT_EQ(compress2(packed.data(), &packed_bytes, reinterpret_cast<const Bytef*>(block.data()),
                      block.size(), 9),
            Z_OK);
  EXPECT_GT(static_cast<double>(packed_bytes), 0.95 * static_cast<double>(block.size()));
}

TEST(Values, LengthsVaryWithNumberAndVersionOnly) {
  const ValueMaker maker(Varying(1, 16, 400));
  std::set<size_t> lengths;
  for (uint32_t version = 0; version < 2000; ++version) {
    const size_t bytes = maker.ValueBytes(7, version);
    ASSERT_GE(bytes, 16u);
    ASSERT_LE(bytes, maker.max_value_bytes());
    ASSERT_EQ(bytes, ValueMaker(Varying(1, 16, 400)).ValueBytes(7, version));
    ASSERT_EQ(Make(maker, 7, 1, version).size(), bytes);
    lengths.insert(bytes);
  }
  EXPECT_GT(lengths.size(), 350u);
  EXPECT_EQ(maker.max_value_bytes(), 400u);
}

TEST(Values, LengthsFollowTheirDistribution) {
  const ValueMaker maker(Varying(1, 1, 50));
  std::vector<uint64_t> counts(50);
  for (uint64_t number = 0; number < 1000; ++number) {
    for (uint32_t version = 0; version < 100; ++version) {
      ++counts.at(maker.ValueBytes(number, version) - 1);
    }
  }
  EXPECT_GT(ChiSquareP(counts, std::vector<double>(50, 0.02)), 0.001);
}

// Walks through the fields by their lengths; those of the first field, which the stamp covers, are
// not there any more.
TEST(Values, FieldsOfVaryingLengthCarryTheirLengths) {
  const ValueMaker maker(Varying(4, 20, 60));
  EXPECT_EQ(maker.max_value_bytes(), 4u * 64);
  for (uint32_t version = 0; version < 200; ++version) {
    const std::string value = Make(maker, 1, 2, version);
    ASSERT_EQ(ReadValue(2, value, VerifyLevel::kFull).fault, ValueFault::kNone);
    // From each possible length of the first field, exactly three more fields must end the value.
    int walks = 0;
    for (size_t first = 20; first <= 60; ++first) {
      size_t offset = 4 + first;
      int fields = 1;
      while (offset + 4 <= value.size()) {
        uint32_t bytes = 0;
        std::memcpy(&bytes, value.data() + offset, 4);
        if (bytes < 20 || bytes > 60) break;
        offset += 4 + bytes;
        ++fields;
      }
      if (fields == 4 && offset == value.size()) ++walks;
    }
    ASSERT_EQ(walks, 1) << version;
  }
}

TEST(Values, ALengthHalfUnderTheStampKeepsItsOtherHalf) {
  // Lengths at 0, 14 and 28, all 10; the stamp ends at 16.
  const ValueMaker maker(Varying(3, 10, 10));
  for (uint32_t version = 0; version < 100; ++version) {
    const std::string value = Make(maker, 1, 2, version);
    ASSERT_EQ(value.size(), 42u);
    ASSERT_EQ(value.substr(16, 2), std::string(2, '\0'));
    ASSERT_EQ(value.substr(28, 4), std::string("\x0a\0\0\0", 4));
  }
}

TEST(Values, OtherLengthDistributionsStayInTheirRange) {
  WorkloadSpec zipfian = Varying(3, 5, 90);
  zipfian.field_length_distribution = LengthDistribution::kZipfian;
  WorkloadSpec exact = zipfian;
  exact.zipfian = ZipfianMode::kExact;
  WorkloadSpec histogram = Varying(3, 1, 300);
  histogram.field_length_distribution = LengthDistribution::kHistogram;
  histogram.field_histogram = LengthHistogram(100, std::vector<uint64_t>{3, 2, 5, 1});
  for (const WorkloadSpec& spec : {zipfian, exact, histogram}) {
    const ValueMaker maker(spec);
    for (uint32_t version = 0; version < 500; ++version) {
      const std::string value = Make(maker, 9, 8, version);
      ASSERT_LE(value.size(), maker.max_value_bytes());
      ASSERT_GE(value.size(), 3u * (4 + 5));
      ASSERT_EQ(ReadValue(8, value, VerifyLevel::kFull).fault, ValueFault::kNone);
    }
  }
}

TEST(Xxh3, BothVariantsAgree) {
  if (internal::BestXxh3() == internal::Xxh3Baseline) GTEST_SKIP() << "no AVX2 here";
  Rng rng(1);
  std::vector<char> data(5000);
  for (char& byte : data) byte = static_cast<char>(rng.Next());
  for (size_t bytes = 0; bytes <= data.size(); bytes += 1 + bytes / 50) {
    ASSERT_EQ(internal::Xxh3Avx2(data.data(), bytes), internal::Xxh3Baseline(data.data(), bytes));
  }
}

}  // namespace
}  // namespace fencepost
