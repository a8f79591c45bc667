// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/write_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "faultinject/vm/write_log_test_util.h"

namespace fencepost {
namespace {

using ::testing::HasSubstr;

LogText Sample() {
  LogText text;
  text.Write(3, "ab").Flush().Write(7, "c", kLogFua | kLogMetadata).Discard(100, 50);
  text.Remark("here").Write(0, "d", kLogFlush);
  return text;
}

TEST(WriteLog, WhatWasWrittenIsReadInOrder) {
  const Result<WriteLog> log = OpenText(Sample().Text());
  ASSERT_TRUE(log.ok()) << log.message();
  ASSERT_EQ(log->entries().size(), 6u);
  EXPECT_EQ(log->sector_bytes(), kTestSector);
  const WriteLogEntry& first = log->entries()[0];
  EXPECT_EQ(first.sector, 3u);
  EXPECT_TRUE(first.writes());
  EXPECT_EQ(first.data, std::string(kTestSector, 'a') + std::string(kTestSector, 'b'));
  EXPECT_TRUE(log->entries()[1].Is(kLogFlush));
  EXPECT_FALSE(log->entries()[1].writes());
  EXPECT_TRUE(log->entries()[2].Is(kLogFua));
  EXPECT_EQ(log->entries()[3].sectors, 50u);
  EXPECT_FALSE(log->entries()[3].writes());
  EXPECT_EQ(log->entries()[4].data, "here");
  EXPECT_TRUE(log->entries()[5].Is(kLogFlush));
  EXPECT_EQ(log->entries()[5].data, std::string(kTestSector, 'd'));
  EXPECT_EQ(log->log_bytes(), Sample().Text().size());
}

TEST(WriteLog, SectorsMayBeLarger) {
  const Result<WriteLog> log = OpenText(LogText(4096).Write(1, "x").Flush().Text());
  ASSERT_TRUE(log.ok()) << log.message();
  EXPECT_EQ(log->entries()[0].data.size(), 4096u);
}

TEST(WriteLog, WhatTheSuperblockDoesNotCountIsLeftOut) {
  const Result<WriteLog> log = OpenText(Sample().Text() + std::string(5000, 'z'));
  ASSERT_TRUE(log.ok()) << log.message();
  EXPECT_EQ(log->entries().size(), 6u);
  EXPECT_EQ(log->log_bytes(), Sample().Text().size());
}

TEST(WriteLog, WhatIsNoLogIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("short"), std::string(8192, 'q'), Sample().Text(1),
        Sample().Text(0x6a736677736872, 2), LogText(100).Flush().Text(), LogText(0).Text(),
        LogText(1 << 20).Text()}) {
    EXPECT_EQ(OpenText(text).status().code(), StatusCode::kCorrupt) << text.substr(0, 20);
  }
  EXPECT_EQ(WriteLog::Open("/nowhere/log").status().code(), StatusCode::kIoError);
}

TEST(WriteLog, ALogThatIsCutOffAnywhereIsRefused) {
  const std::string text = Sample().Text();
  // Behind the last byte of the last entry there is nothing to miss.
  for (size_t bytes = 0; bytes < text.size(); bytes += 61) {
    EXPECT_EQ(OpenText(text.substr(0, bytes)).status().code(), StatusCode::kCorrupt) << bytes;
  }
}

TEST(WriteLog, NumbersThatNoDiskHasAreRefused) {
  EXPECT_THAT(OpenText(LogText().Add(0, 0, 32, 0, "").Text()).message(), HasSubstr("flags 0x20"));
  for (const uint64_t many : {uint64_t{1} << 40, uint64_t{1} << 60, UINT64_MAX}) {
    EXPECT_FALSE(OpenText(LogText().Add(0, many, 0, 0, "").Text()).ok()) << many;
    EXPECT_FALSE(OpenText(LogText().Add(many, UINT64_MAX, kLogDiscard, 0, "").Text()).ok());
    EXPECT_FALSE(OpenText(LogText().Add(0, 0, kLogMark, many, "").Text()).ok()) << many;
  }
}

TEST(WriteLog, ADamagedByteNeverLeadsOutOfTheFile) {
  const std::string text = Sample().Text();
  for (size_t at = 0; at < text.size(); at += 3) {
    for (const int bit : {0, 7}) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const Result<WriteLog> log = OpenText(damaged);
      if (!log.ok()) continue;
      for (const WriteLogEntry& entry : log->entries()) {
        if (!entry.writes()) continue;
        EXPECT_EQ(entry.data.size(), entry.sectors * log->sector_bytes());
        EXPECT_LE(entry.data.size(), text.size());
      }
    }
  }
}

}  // namespace
}  // namespace fencepost
