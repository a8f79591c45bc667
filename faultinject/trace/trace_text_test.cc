// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

std::vector<std::string> LinesOf(const std::vector<uint8_t>& bytes, bool json) {
  const TemporaryFile file(bytes);
  Result<TraceFile> trace = TraceFile::Open(file.path());
  CHECK_OK(trace);
  std::vector<std::string> lines;
  EventText text(*trace);
  CHECK_OK(trace->ForEach([&](const fpt_event& event) {
    lines.push_back(json ? text.JsonLine(event) : text.Line(event));
  }));
  return lines;
}

void Fill(fpt_writer* w) {
  const uint64_t addresses[] = {0x30, 0x10}, value = 42;
  fpt_file(w, 1, "/mnt/pool");
  fpt_map(w, 1, 1, 0x7f0000001000, 0x1000, 0x5000, FPT_MAP_FOUND);
  fpt_frame(w, 0x10, "Put", "store.c", 12, "/bin/a");
  fpt_stack(w, 9, addresses, 2);
  fpt_store(w, 1, 0x7f0000001040, &value, 8, FPT_STORE_NT | FPT_STORE_REP, 9);
  fpt_store(w, 2, 0x10, "abc", 3, 0, 0);
  fpt_flush(w, 1, 0x7f0000001040, 64, FPT_FLUSH_CLWB, 0);
  fpt_fence(w, 1, FPT_FENCE_LOCKED, 9);
  fpt_sync(w, 1, 0x7f0000001000, 4096, FPT_SYNC_MSYNC, 0);
  fpt_file_write(w, 1, 1, 8, 2, "hi", FPT_WRITE_PWRITE);
  fpt_file_write(w, 1, 1, 4096, 0, nullptr, FPT_WRITE_TRUNCATE);
  fpt_set_clean(w, 0x7f0000001000, 8);
  fpt_tx_begin(w, 1, 5);
  fpt_tx_add(w, 5, 0x7f0000001000, 16);
  fpt_op_end(w, 1, 77);
  fpt_log(w, 1, "a\n\"b\"", 5);
  fpt_thread_exit(w, 2);
  fpt_unmap(w, 1, 0x7f0000001000, 0x1000);
  fpt_store(w, 1, 0x7f0000001040, "x", 1, 0, 0);
}

TEST(EventText, EveryLineSaysWhatTheEventWas) {
  MemoryTrace trace;
  Fill(trace.writer());
  EXPECT_THAT(
      LinesOf(trace.Finish(), false),
      testing::ElementsAre(
          "0 - file 1 \"/mnt/pool\"", "1 t1 map found 0x7f0000001000 4096 /mnt/pool:0x5000",
          "2 - frame 0x10 \"Put\" \"store.c\" 12 \"/bin/a\"", "3 - stack 9 0x30 0x10",
          "4 t1 store 0x7f0000001040 /mnt/pool:0x5040 8 0x2a nt,rep at Put (store.c:12)",
          "5 t2 store 0x10 3 616263", "6 t1 flush clwb 0x7f0000001040 /mnt/pool:0x5040 64",
          "7 t1 fence locked at Put (store.c:12)",
          "8 t1 sync msync 0x7f0000001000 /mnt/pool:0x5000 4096",
          "9 t1 write pwrite /mnt/pool:0x8 2 0x6968", "10 t1 write truncate /mnt/pool:0x1000 0",
          "11 - set-clean 0x7f0000001000 /mnt/pool:0x5000 8", "12 t1 tx-begin 5",
          "13 - tx-add 5 0x7f0000001000 /mnt/pool:0x5000 16", "14 t1 op-end 77",
          "15 t1 log \"a\\x0a\\\"b\\\"\"", "16 t2 thread-exit",
          "17 t1 unmap 0x7f0000001000 /mnt/pool:0x5000 4096", "18 t1 store 0x7f0000001040 1 0x78"));
}

TEST(EventText, JsonHasTheSameFields) {
  MemoryTrace trace;
  Fill(trace.writer());
  const std::vector<std::string> lines = LinesOf(trace.Finish(), true);
  ASSERT_EQ(lines.size(), 19u);
  EXPECT_EQ(lines[4],
            R"({"event":4,"thread":1,"kind":"store","address":"0x7f0000001040",)"
            R"("file":"/mnt/pool","file_offset":20544,"length_bytes":8,"bytes":"2a00000000000000",)"
            R"("flags":["nt","rep"],"stack":9,"function":"Put","source":"store.c:12"})");
  EXPECT_EQ(lines[6],
            R"({"event":6,"thread":1,"kind":"flush","how":"clwb","address":"0x7f0000001040",)"
            R"("file":"/mnt/pool","file_offset":20544,"length_bytes":64})");
  EXPECT_EQ(lines[15], R"({"event":15,"thread":1,"kind":"log","text":"a\n\"b\""})");
}

TEST(EventText, ALineCutsLongStoresJsonDoesNot) {
  MemoryTrace trace;
  fpt_store(trace.writer(), 1, 0, std::string(100, 'a').data(), 100, 0, 0);
  const std::string line = LinesOf(trace.Finish(), false).at(0);
  EXPECT_TRUE(line.ends_with("6161...")) << line;
  EXPECT_LT(line.size(), 100u);
  EXPECT_GT(LinesOf(trace.bytes(), true).at(0).size(), 200u);
}

TEST(EventText, AnyEventIsOneLineOfTextAndOneJsonObject) {
  std::mt19937_64 rng(1);
  MemoryTrace trace;
  for (int i = 0; i < 3000; ++i) Emit(AnyEvent(AnyKind(rng), rng, 40), trace.writer());
  for (const std::string& line : LinesOf(trace.Finish(), false)) {
    ASSERT_EQ(line.find('\n'), std::string::npos) << line;
  }
  for (const std::string& line : LinesOf(trace.bytes(), true)) {
    ASSERT_EQ(line.find('\n'), std::string::npos) << line;
    ASSERT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

}  // namespace
}  // namespace fencepost
