// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

MemoryTrace& FillWithTables(MemoryTrace& trace) {
  fpt_writer* w = trace.writer();
  const uint64_t outer[] = {0x10, 0x20}, inner[] = {0x30, 0x10};
  fpt_file(w, 3, "/mnt/pmem/pool");
  fpt_frame(w, 0x10, "Put", "store.c", 12, "/bin/a");
  fpt_frame(w, 0x20, "main", "main.c", 3, "/bin/a");
  fpt_stack(w, 1, outer, 2);
  fpt_frame(w, 0x30, "memcpy", "", 0, "libc.so");
  fpt_stack(w, 2, inner, 2);
  fpt_fence(w, 1, FPT_FENCE_SFENCE, 2);
  return trace;
}

TEST(TraceFile, TablesAreKnownWhenAnEventRefersToThem) {
  MemoryTrace memory;
  const TemporaryFile file(FillWithTables(memory).Finish());
  Result<TraceFile> trace = TraceFile::Open(file.path());
  ASSERT_TRUE(trace.ok()) << trace.message();
  EXPECT_EQ(trace->pid(), kTestPid);
  int fences = 0;
  const Status status = trace->ForEach([&](const fpt_event& event) {
    if (event.kind != FPT_FENCE) return;
    ++fences;
    EXPECT_THAT(trace->Stack(event.stack), ElementsAre(0x30, 0x10));
    EXPECT_EQ(trace->InnermostLine(event.stack).function, "Put");
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(fences, 1);
  EXPECT_FALSE(trace->truncated());
  EXPECT_THAT(trace->Stack(1), ElementsAre(0x10, 0x20));
  EXPECT_TRUE(trace->Stack(77).empty());
  EXPECT_EQ(trace->Path(3), "/mnt/pmem/pool");
  EXPECT_EQ(trace->Path(4), "");
  EXPECT_EQ(DescribeFrame(trace->Frame(0x20)), "main (main.c:3)");
  EXPECT_EQ(DescribeFrame(trace->Frame(0x30)), "memcpy (in libc.so)");
  EXPECT_EQ(DescribeFrame(trace->Frame(0x40)), "0x40");
}

TEST(TraceFile, ASecondPassGivesTheSameEvents) {
  MemoryTrace memory;
  const TemporaryFile file(FillWithTables(memory).Finish());
  Result<TraceFile> trace = TraceFile::Open(file.path());
  ASSERT_TRUE(trace.ok());
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<uint64_t> offsets;
    ASSERT_TRUE(
        trace->ForEach([&](const fpt_event& event) { offsets.push_back(event.offset); }).ok());
    EXPECT_EQ(offsets.size(), 7u);
    EXPECT_EQ(trace->events(), 7u);
  }
}

TEST(TraceFile, WhatIsNoTraceIsRefusedByName) {
  EXPECT_EQ(TraceFile::Open("/nosuch/trace").status().code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(TraceFile::Open("/nosuch/trace").message()), HasSubstr("/nosuch/trace"));
  EXPECT_EQ(TraceFile::Open("/tmp").status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(TraceFile::Open("/dev/null").status().code(), StatusCode::kCorrupt);
  const TemporaryFile empty({}), text({'h', 'e', 'l', 'l', 'o', ' ', 'y', 'o', 'u'});
  for (const TemporaryFile* file : {&empty, &text}) {
    const Result<TraceFile> trace = TraceFile::Open(file->path());
    ASSERT_FALSE(trace.ok());
    EXPECT_THAT(std::string(trace.message()), HasSubstr("not a Fencepost trace"));
    EXPECT_THAT(std::string(trace.message()), HasSubstr(file->path()));
  }
  MemoryTrace memory;
  std::vector<uint8_t> bytes = memory.Finish();
  bytes[12] ^= 1;
  const TemporaryFile damaged(bytes);
  EXPECT_THAT(std::string(TraceFile::Open(damaged.path()).message()), HasSubstr("damaged"));
}

TEST(TraceFile, ACutIsARemarkAndDamageAnError) {
  MemoryTrace memory;
  FillWithTables(memory);
  fpt_flush_block(memory.writer());
  const std::vector<uint8_t> open_end = memory.bytes();
  const TemporaryFile cut(open_end);
  Result<TraceFile> trace = TraceFile::Open(cut.path());
  ASSERT_TRUE(trace.ok());
  EXPECT_TRUE(trace->ForEach([](const fpt_event&) {}).ok());
  EXPECT_TRUE(trace->truncated());
  EXPECT_EQ(trace->TruncationRemark(), "truncated at byte " + std::to_string(open_end.size()) +
                                           ", after 7 events: " + cut.path());
  std::vector<uint8_t> bytes = memory.Finish();
  bytes.back() ^= 1;
  const TemporaryFile damaged(bytes);
  trace = TraceFile::Open(damaged.path());
  ASSERT_TRUE(trace.ok());
  const Status status = trace->ForEach([](const fpt_event&) {});
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(std::string(status.message()), HasSubstr("after 7 events"));
  EXPECT_FALSE(trace->truncated());
}

TEST(TraceFile, KindsThatCarryAThreadAreThoseThatTheWriterTakesOneFor) {
  for (int kind = FPT_STORE; kind < FPT_KIND_COUNT; ++kind) {
    std::mt19937_64 rng(1);
    OwnedEvent event = AnyEvent(static_cast<fpt_kind>(kind), rng);
    event.fields.thread = 5;
    MemoryTrace memory;
    Emit(event, memory.writer());
    const ReadBack back = ReadAll(memory.Finish());
    EXPECT_EQ(HasThread(event.fields.kind), back.events.at(0).fields.thread == 5)
        << fpt_kind_name(event.fields.kind);
  }
}

}  // namespace
}  // namespace fencepost
