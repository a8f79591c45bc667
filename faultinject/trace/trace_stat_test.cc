// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_stat.h"

#include <gtest/gtest.h>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

TEST(TraceStat, CountsByKindThreadAndLine) {
  MemoryTrace memory;
  fpt_writer* w = memory.writer();
  const uint64_t a[] = {0x10}, b[] = {0x20}, c[] = {0x30};
  fpt_frame(w, 0x10, "Put", "store.c", 12, "");
  fpt_frame(w, 0x20, "Get", "store.c", 20, "");
  fpt_frame(w, 0x30, "memcpy", "", 0, "libc.so");
  fpt_stack(w, 1, a, 1);
  fpt_stack(w, 2, b, 1);
  fpt_stack(w, 3, c, 1);
  fpt_store(w, 1, 0x1000, "12345678", 8, 0, 1);
  fpt_store(w, 1, 0x1000, "1234567812345678", 16, 0, 2);
  fpt_store(w, 2, 0x1000, "1234", 4, 0, 3);
  fpt_flush(w, 1, 0x1000, 64, FPT_FLUSH_CLWB, 1);
  fpt_flush(w, 1, 0x1000, 64, FPT_FLUSH_CLFLUSH, 1);
  fpt_fence(w, 2, FPT_FENCE_SFENCE, 0);
  const TemporaryFile file(memory.Finish());
  Result<TraceFile> trace = TraceFile::Open(file.path());
  ASSERT_TRUE(trace.ok());
  TraceStat stat(*trace);
  ASSERT_TRUE(trace->ForEach([&](const fpt_event& event) { stat.Add(event); }).ok());

  const std::map<std::string, uint64_t> kinds = {{"store", 3},         {"flush clwb", 1},
                                                 {"flush clflush", 1}, {"fence sfence", 1},
                                                 {"frame", 3},         {"stack", 3}};
  EXPECT_EQ(stat.ByKind(), kinds);
  const auto json = stat.ToJson(10);
  EXPECT_EQ(json["by_thread"].dump(),
            R"([{"thread":1,"stores":2,"flushes":2,"fences":0,"bytes":24},)"
            R"({"thread":2,"stores":1,"flushes":0,"fences":1,"bytes":4}])");
  EXPECT_EQ(json["by_line"].dump(),
            R"([{"line":"store.c:20","stores":1,"flushes":0,"fences":0,"bytes":16},)"
            R"({"line":"store.c:12","stores":1,"flushes":2,"fences":0,"bytes":8},)"
            R"_({"line":"memcpy (in libc.so)","stores":1,"flushes":0,"fences":0,"bytes":4},)_"
            R"({"line":"unknown","stores":0,"flushes":0,"fences":1,"bytes":0}])");
  EXPECT_EQ(json["events"], 12);
  EXPECT_EQ(json["truncated"], false);
  EXPECT_EQ(stat.ByLine(2).size(), 2u);
  EXPECT_EQ(stat.ByLine(2)[0].first, "store.c:20");
  // Thread items 2, 0, 2; tags; addresses 2, 1, 1; stacks 1 each; data 8, 16, 4.
  EXPECT_DOUBLE_EQ(stat.disk_bytes_per_store(), (14.0 + 19 + 9) / 3);
}

TEST(TraceStat, EmptyTraceHasNoBytesPerStore) {
  MemoryTrace memory;
  const TemporaryFile file(memory.Finish());
  Result<TraceFile> trace = TraceFile::Open(file.path());
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ(TraceStat(*trace).disk_bytes_per_store(), 0);
  EXPECT_EQ(TraceStat(*trace).ToJson(5)["by_kind"].size(), 0u);
}

}  // namespace
}  // namespace fencepost
