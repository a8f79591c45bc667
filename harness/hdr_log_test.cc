// SPDX-License-Identifier: BSD-3-Clause
#include "harness/hdr_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <vector>

namespace fencepost {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSeed = 20240602;

Histogram SmallHistogram() {
  Histogram histogram;
  histogram.Record(1);
  histogram.RecordCount(5, 200);
  histogram.RecordCount(2048, 3);
  return histogram;
}

Histogram RandomHistogram(std::mt19937_64* random, size_t values) {
  Histogram histogram;
  for (size_t i = 0; i < values; ++i) {
    const unsigned bits = static_cast<unsigned>((*random)() % 42) + 1;
    // Counts of every length of a varint, short of a sum that overflows.
    const unsigned count_bits = static_cast<unsigned>((*random)() % 50) + 1;
    histogram.RecordCount((*random)() >> (64 - bits), ((*random)() >> (64 - count_bits)) + 1);
  }
  return histogram;
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// By hand. Buckets 0..2047 are the values themselves, 2048 is bucket 2048. Payload:
//   bucket 0      one empty bucket is a plain count of 0: ZigZag 0 = 00
//   bucket 1      1: ZigZag 2 = 02
//   2, 3, 4       three empty: -3: ZigZag 5 = 05
//   bucket 5      200: ZigZag 400 = 3 * 128 + 16 = 90 03
//   6 to 2047     2042 empty: -2042: ZigZag 4083 = 31 * 128 + 115 = f3 1f
//   bucket 2048   3: ZigZag 6 = 06
constexpr std::string_view kSmallHex =
    "1c849313"          // cookie
    "00000008"          // payload bytes
    "00000000"          // normalizing index offset
    "00000003"          // significant digits
    "0000000000000001"  // lowest discernible value
    "000003ffffffffff"  // highest trackable value, 2^42 - 1
    "3ff0000000000000"  // 1.0
    "0002059003f31f06";

TEST(HdrLog, EncodingIsByteForByteTheOneWorkedOutByHand) {
  EXPECT_EQ(EncodeHistogram(SmallHistogram()), FromHex(kSmallHex));
  EXPECT_EQ(*DecodeHistogram(FromHex(kSmallHex)), SmallHistogram());
}

// An empty histogram reaches to the bucket of value 0, whose count is 0.
TEST(HdrLog, EmptyHistogramHasOneCountOfZero) {
  const std::string encoded = EncodeHistogram(Histogram());
  EXPECT_EQ(encoded.substr(40), FromHex("00"));
  EXPECT_TRUE(DecodeHistogram(encoded)->empty());
}

// Of the same values, by hdr-histogram-js 3.0.1 with a highest trackable value of an hour.
TEST(HdrLog, ReadsWhatAnotherImplementationWrote) {
  const Result<Histogram> histogram = DecodeHistogramBase64(
      "HISTFAAAAC14nJNpmSzMwMDAwcDAwMjAwMDMAAGMDAzMbgY7FjDA+UysE5g/y7MBAGYsBNg=");
  ASSERT_TRUE(histogram.ok()) << histogram.message();
  EXPECT_EQ(*histogram, SmallHistogram());
}

// A count of 2^62 is ZigZag 2^63: eight bytes of 7 zero bits, and all 8 bits of the ninth.
TEST(HdrLog, TheNinthByteOfACountHoldsEightBits) {
  Histogram histogram;
  histogram.RecordCount(0, uint64_t{1} << 62);
  EXPECT_EQ(EncodeHistogram(histogram).substr(40), FromHex("808080808080808080"));
  EXPECT_EQ(*DecodeHistogram(EncodeHistogram(histogram)), histogram);
}

TEST(HdrLog, HistogramsSurviveTheRoundTrip) {
  std::mt19937_64 random(kSeed);
  for (size_t values : {0u, 1u, 10u, 1000u}) {
    const Histogram histogram = RandomHistogram(&random, values);
    const Result<Histogram> back = DecodeHistogramBase64(EncodeHistogramBase64(histogram));
    ASSERT_TRUE(back.ok()) << back.message();
    EXPECT_EQ(*back, histogram) << values << " values";
  }
}

TEST(HdrLog, TheLastBucketSurvivesTheRoundTrip) {
  Histogram histogram;
  histogram.Record(Histogram::kHighestNs);
  EXPECT_EQ(*DecodeHistogramBase64(EncodeHistogramBase64(histogram)), histogram);
}

TEST(HdrLog, ALogIsReadBackAsItWasWritten) {
  std::mt19937_64 random(kSeed);
  const Histogram read = RandomHistogram(&random, 100), update = RandomHistogram(&random, 100);
  std::stringstream log;
  HdrLogWriter writer(log, 1'700'000'000.25, "one\ntwo");
  ASSERT_TRUE(writer.Write("READ", 0, 1, read).ok());
  ASSERT_TRUE(writer.Write("", 1, 0.5, update).ok());

  std::vector<HdrInterval> seen;
  const Status status = ReadHdrLog(log, [&](const HdrInterval& interval) {
    seen.push_back(interval);
    return Status::Ok();
  });
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].tag, "READ");
  EXPECT_EQ(seen[0].start_s, 0);
  EXPECT_EQ(seen[0].length_s, 1);
  EXPECT_EQ(seen[0].histogram, read);
  EXPECT_EQ(seen[1].tag, "");
  EXPECT_EQ(seen[1].start_s, 1);
  EXPECT_EQ(seen[1].length_s, 0.5);
  EXPECT_EQ(seen[1].histogram, update);
}

// 1,700,000,000 s is 2023-11-14T22:13:20Z; 2048 is in a bucket up to 2049, 0.002049 ms.
TEST(HdrLog, TheTextIsThatOfFormat1Point3) {
  std::ostringstream log;
  HdrLogWriter writer(log, 1'700'000'000.25, "one\ntwo");
  ASSERT_TRUE(writer.Write("READ", 2, 1, SmallHistogram()).ok());
  const std::string expected =
      "#one\n"
      "#two\n"
      "#[Histogram log format version 1.3]\n"
      "#[StartTime: 1700000000.250 (seconds since epoch), 2023-11-14T22:13:20Z]\n"
      "#[BaseTime: 1700000000.250 (seconds since epoch)]\n"
      "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
      "Tag=READ,2.000,1.000,0.002," +
      EncodeHistogramBase64(SmallHistogram()) + "\n";
  EXPECT_EQ(log.str(), expected);
}

TEST(HdrLog, ATagThatWouldSplitTheLineIsRefusedAndNothingIsWritten) {
  std::ostringstream log;
  HdrLogWriter writer(log, 0, "");
  const std::string head = log.str();
  for (const char* tag : {"a,b", "a b", "a\nb"}) {
    EXPECT_EQ(writer.Write(tag, 0, 1, Histogram()).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(log.str(), head);
}

TEST(HdrLog, AVisitorsErrorEndsTheReading) {
  std::stringstream log;
  HdrLogWriter writer(log, 0, "");
  ASSERT_TRUE(writer.Write("", 0, 1, Histogram()).ok());
  ASSERT_TRUE(writer.Write("", 1, 1, Histogram()).ok());
  int visits = 0;
  const Status status = ReadHdrLog(log, [&](const HdrInterval&) {
    ++visits;
    return Status::Full("enough");
  });
  EXPECT_EQ(status.code(), StatusCode::kFull);
  EXPECT_EQ(visits, 1);
}

TEST(HdrLog, ABrokenLineIsNamedByItsNumber) {
  for (const char* line : {"nonsense", "1,2,3", "a,1,1,HISTFAAAAA==", "0,1x,1,HISTFAAAAA==",
                           "0,1,1,!!!!", "0,1,1,HISTFA==", "Tag=x", "0,1,1,"}) {
    std::istringstream log(std::string("#comment\n\n") + line + "\n");
    const Status status = ReadHdrLog(log, [](const HdrInterval&) { return Status::Ok(); });
    EXPECT_EQ(status.code(), StatusCode::kCorrupt) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 3")) << line;
  }
}

TEST(HdrLog, EveryCutIsNoticed) {
  const std::string encoded = EncodeHistogram(SmallHistogram());
  for (size_t bytes = 0; bytes < encoded.size(); ++bytes) {
    EXPECT_EQ(DecodeHistogram(encoded.substr(0, bytes)).status().code(), StatusCode::kCorrupt)
        << bytes;
  }
}

TEST(HdrLog, AFlippedByteOfTheTextIsAnErrorAndNeverACrash) {
  const std::string good = EncodeHistogramBase64(SmallHistogram());
  for (size_t i = 0; i < good.size(); ++i) {
    for (char digit : {'A', '/', '=', '\0'}) {
      std::string bad = good;
      bad[i] = digit;
      const Result<Histogram> histogram = DecodeHistogramBase64(bad);
      // zlib's checksum covers all but the outer header and unused bits at the end.
      if (histogram.ok()) {
        EXPECT_EQ(*histogram, SmallHistogram()) << i;
      }
    }
  }
}

TEST(HdrLog, OtherEncodingsAreUnsupportedAndNotMisread) {
  const std::string good = FromHex(kSmallHex);
  const auto with_byte = [&](size_t offset, char byte) {
    std::string changed = good;
    changed[offset] = byte;
    return DecodeHistogram(changed).status().code();
  };
  EXPECT_EQ(with_byte(3, 0x11), StatusCode::kUnsupported);  // the cookie of V1
  EXPECT_EQ(with_byte(11, 7), StatusCode::kUnsupported);    // an index offset
  EXPECT_EQ(with_byte(15, 2), StatusCode::kUnsupported);    // 2 significant digits
  EXPECT_EQ(with_byte(23, 100), StatusCode::kUnsupported);  // units of 64
}

TEST(HdrLog, CountsBeyondTheLastBucketAreRefused) {
  // A run of 2^62 empty buckets: ZigZag 2^63 - 1, nine bytes.
  std::string run = FromHex(kSmallHex).substr(0, 40) + FromHex(
                                                           "ffffffffffffffff7f"
                                                           "02");
  run[7] = 10;
  EXPECT_EQ(DecodeHistogram(run).status().code(), StatusCode::kCorrupt);
  // All our 33,792 buckets empty, then a count: ZigZag 67583 = 4 * 16384 + 15 * 128 + 127.
  std::string beyond = FromHex(kSmallHex).substr(0, 40) + FromHex(
                                                              "ff8f04"
                                                              "02");
  beyond[7] = 4;
  EXPECT_EQ(DecodeHistogram(beyond).status().code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace fencepost
