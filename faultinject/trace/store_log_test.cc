// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/store_log.h"

#include <gtest/gtest.h>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

std::string LogOf(const std::vector<uint8_t>& bytes, bool stacks = false) {
  const TemporaryFile file(bytes);
  Result<TraceFile> trace = TraceFile::Open(file.path());
  CHECK_OK(trace);
  std::string out;
  StoreLog log(*trace, stacks, [&](std::string_view text) { out += text; });
  CHECK_OK(trace->ForEach([&](const fpt_event& event) { log.Append(event); }));
  log.Stop();
  return out;
}

TEST(StoreLog, EmptyTraceIsStartAndStop) {
  EXPECT_EQ(LogOf(MemoryTrace().Finish()), "START|STOP\n");
}

TEST(StoreLog, EveryRecordHasThePagesForm) {
  MemoryTrace trace;
  fpt_writer* w = trace.writer();
  const uint64_t value = 0xABCD;
  fpt_file(w, 1, "/mnt/pmem/pool");
  fpt_map(w, 1, 1, 0x7f0000000000, 0x200000, 0x1000, FPT_MAP_REQUEST);
  fpt_store(w, 1, 0x7f0000000040, &value, 8, FPT_STORE_NT, 0);
  fpt_flush(w, 1, 0x7f0000000040, 64, FPT_FLUSH_CLWB, 0);
  fpt_fence(w, 1, FPT_FENCE_SFENCE, 0);
  fpt_flush(w, 1, 0x7f0000000040, 64, FPT_FLUSH_CLFLUSH, 0);
  fpt_log(w, 1, "put.BEGIN", 9);
  fpt_sync(w, 1, 0x7f0000000000, 0x1000, FPT_SYNC_MSYNC, 0);
  fpt_sync(w, 1, 0x7f0000000000, 0x1000, FPT_SYNC_DEEP, 0);
  fpt_set_clean(w, 1, 2);
  fpt_tx_begin(w, 1, 1);
  fpt_note(w, "not in the log");
  EXPECT_EQ(LogOf(trace.Finish()),
            "START"
            "|REGISTER_FILE;/mnt/pmem/pool;0x7f0000000000;0x200000;0x1000"
            "|STORE;0x7f0000000040;0xabcd;0x8"
            "|FLUSH;0x7f0000000040;0x40"
            "|FENCE"
            "|FLUSH;0x7f0000000040;0x40|FENCE"
            "|put.BEGIN"
            "|FLUSH;0x7f0000000000;0x1000|FENCE"
            "|DEEP_SYNC;0x7f0000000000;0x1000"
            "|STOP\n");
}

TEST(StoreLog, MemoryThatIsNoFileIsNotRegistered) {
  MemoryTrace trace;
  fpt_map(trace.writer(), 1, 0, 0x1000, 4, 0, FPT_MAP_REQUEST);
  EXPECT_EQ(LogOf(trace.Finish()), "START|STOP\n");
}

TEST(StoreLog, WideAndOddStoresAreSplitIntoPowersOfTwo) {
  MemoryTrace trace;
  fpt_store(trace.writer(), 1, 0x100,
            "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 15, 0, 0);
  fpt_store(trace.writer(), 1, 0x200, "\xff\xfe\xfd", 3, 0, 0);
  EXPECT_EQ(LogOf(trace.Finish()),
            "START|STORE;0x100;0x807060504030201;0x8|STORE;0x108;0xc0b0a09;0x4"
            "|STORE;0x10c;0xe0d;0x2|STORE;0x10e;0xf;0x1"
            "|STORE;0x200;0xfeff;0x2|STORE;0x202;0xfd;0x1|STOP\n");
}

TEST(StoreLog, FramesFollowTheSizeOnRequest) {
  MemoryTrace trace;
  fpt_writer* w = trace.writer();
  fpt_frame(w, 0x10, "operator|(A; B)", "a.cc", 5, "/bin/a");
  fpt_frame(w, 0x20, "main", "", 0, "/bin/a");
  const uint64_t addresses[] = {0x10, 0x20, 0x30};
  fpt_stack(w, 9, addresses, 3);
  fpt_store(w, 1, 0x100, "a", 1, 0, 9);
  EXPECT_EQ(LogOf(trace.Finish(), true),
            "START|STORE;0x100;0x61;0x1;operator_(A_ B) (a.cc:5);main (in /bin/a);0x30|STOP\n");
  EXPECT_EQ(LogOf(trace.bytes()), "START|STORE;0x100;0x61;0x1|STOP\n");
}

TEST(StoreLog, AMappingFoundAndRegisteredIsOneRecord) {
  MemoryTrace trace;
  fpt_writer* w = trace.writer();
  fpt_file(w, 1, "/p");
  fpt_map(w, 1, 1, 0x1000, 0x1000, 0, FPT_MAP_FOUND);
  fpt_map(w, 1, 1, 0x1000, 0x1000, 0, FPT_MAP_REQUEST);
  fpt_unmap(w, 1, 0x1000, 0x1000);
  fpt_map(w, 1, 1, 0x1000, 0x1000, 0, FPT_MAP_FOUND);
  EXPECT_EQ(LogOf(trace.Finish()),
            "START|REGISTER_FILE;/p;0x1000;0x1000;0x0|REGISTER_FILE;/p;0x1000;0x1000;0x0|STOP\n");
}

TEST(StoreLog, ALargeStoreComesInPieces) {
  MemoryTrace trace;
  const std::string large(1 << 20, 'a');
  fpt_store(trace.writer(), 1, 0, large.data(), large.size(), 0, 0);
  const TemporaryFile file(trace.Finish());
  Result<TraceFile> opened = TraceFile::Open(file.path());
  ASSERT_TRUE(opened.ok());
  size_t pieces = 0, records = 0, largest = 0;
  StoreLog log(*opened, false, [&](std::string_view text) {
    ++pieces;
    largest = std::max(largest, text.size());
    for (const char c : text) records += c == '|';
  });
  ASSERT_TRUE(opened->ForEach([&](const fpt_event& event) { log.Append(event); }).ok());
  log.Stop();
  EXPECT_EQ(records, (1u << 20) / 8 + 1);
  EXPECT_GT(pieces, 10u);
  EXPECT_LT(largest, 80'000u);
}

}  // namespace
}  // namespace fencepost
