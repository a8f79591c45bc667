// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/store_log_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "faultinject/trace/store_log.h"
#include "faultinject/trace/trace_test_util.h"
#include "faultinject/trace/trace_text.h"

namespace fencepost {
namespace {

std::vector<uint8_t> AsBytes(const std::string& text) { return {text.begin(), text.end()}; }

// The trace that a log becomes, as text; or the error.
std::string Converted(const std::string& log) {
  const TemporaryFile from(AsBytes(log)), to({});
  const Result<StoreLogSummary> summary = ConvertStoreLog(from.path(), to.path());
  if (!summary.ok()) {
    EXPECT_EQ(summary.status().code(), StatusCode::kCorrupt);
    const std::string message(summary.status().message());
    EXPECT_EQ(message.find(from.path() + ":"), 0u) << message;
    return message.substr(from.path().size());
  }
  Result<TraceFile> trace = TraceFile::Open(to.path());
  CHECK_OK(trace);
  EventText text(*trace);
  std::string out;
  CHECK_OK(trace->ForEach([&](const fpt_event& event) { out += text.Line(event) + "\n"; }));
  EXPECT_FALSE(trace->truncated());
  EXPECT_EQ(trace->events(), summary->events);
  return out;
}

std::string BackToLog(const std::string& log, bool stacks) {
  const TemporaryFile from(AsBytes(log)), to({});
  CHECK_OK(ConvertStoreLog(from.path(), to.path()));
  Result<TraceFile> trace = TraceFile::Open(to.path());
  CHECK_OK(trace);
  std::string out;
  StoreLog writer(*trace, stacks, [&](std::string_view text) { out += text; });
  CHECK_OK(trace->ForEach([&](const fpt_event& event) { writer.Append(event); }));
  writer.Stop();
  return out;
}

constexpr std::string_view kLog =
    "START|REGISTER_FILE;/mnt/a;b/pool;0x7f0000000000;0x200000;0x1000"
    "|STORE;0x7f0000000040;0xabcd;0x8;put (a.c:5);main (in /bin/a);0x30"
    "|STORE;0x7f0000000048;0xff;0x1;put (a.c:5);main (in /bin/a);0x30"
    "|FLUSH;0x7f0000000040;0x40|FENCE|a remark|DEEP_SYNC;0x7f0000000000;0x1000|STOP\n";

TEST(StoreLogReader, WhatComesOutIsWhatWentIn) {
  EXPECT_EQ(BackToLog(std::string(kLog), /*stacks=*/true), kLog);
  EXPECT_EQ(BackToLog("START|STOP\n", true), "START|STOP\n");
}

TEST(StoreLogReader, EventsAreOfThreadOneWithTheirStacks) {
  EXPECT_EQ(Converted(std::string(kLog)),
            "0 - file 1 \"/mnt/a;b/pool\"\n"
            "1 t1 map request 0x7f0000000000 2097152 /mnt/a;b/pool:0x1000\n"
            "2 - frame 0x1 \"put\" \"a.c\" 5 \"\"\n"
            "3 - frame 0x2 \"main\" \"\" 0 \"/bin/a\"\n"
            "4 - frame 0x3 \"0x30\" \"\" 0 \"\"\n"
            "5 - stack 1 0x1 0x2 0x3\n"
            "6 t1 store 0x7f0000000040 /mnt/a;b/pool:0x1040 8 0xabcd at put (a.c:5)\n"
            "7 t1 store 0x7f0000000048 /mnt/a;b/pool:0x1048 1 0xff at put (a.c:5)\n"
            "8 t1 flush clwb 0x7f0000000040 /mnt/a;b/pool:0x1040 64\n"
            "9 t1 fence sfence\n"
            "10 t1 log \"a remark\"\n"
            "11 t1 sync deep-sync 0x7f0000000000 /mnt/a;b/pool:0x1000 4096\n");
}

TEST(StoreLogReader, FilesAreKnownByPathWithWhatIsMappedOfThem) {
  const TemporaryFile from(
      AsBytes("START|REGISTER_FILE;/a;0x1000;0x100;0x0"
              "|REGISTER_FILE;/b;0x2000;0x100;0x40"
              "|REGISTER_FILE;/a;0x3000;0x80;0x200|STOP\n"));
  const TemporaryFile to({});
  const Result<StoreLogSummary> summary = ConvertStoreLog(from.path(), to.path());
  CHECK_OK(summary);
  ASSERT_EQ(summary->files.size(), 2u);
  EXPECT_EQ(summary->files[0].path, "/a");
  EXPECT_EQ(summary->files[0].mapped_bytes, 0x280u);
  EXPECT_EQ(summary->files[1].path, "/b");
  EXPECT_EQ(summary->files[1].mapped_bytes, 0x140u);
}

TEST(StoreLogReader, RandomTracesComeBackAsTheLogHasThem) {
  std::mt19937_64 random(23);
  for (int round = 0; round < 50; ++round) {
    std::string log = "START";
    for (int i = 0; i < 100; ++i) {
      const uint64_t size = uint64_t{1} << random() % 4;
      const uint64_t value = size == 8 ? random() : random() & ((uint64_t{1} << 8 * size) - 1);
      switch (random() % 5) {
        case 0:
          log += "|FENCE";
          break;
        case 1:
          log += fmt::format("|FLUSH;0x{:x};0x{:x}", random() >> 8, random() % 100);
          break;
        default:
          log += fmt::format("|STORE;0x{:x};0x{:x};0x{:x};f{} (s.c:{})", random() >> 8, value, size,
                             random() % 3, random() % 3);
      }
    }
    log += "|STOP\n";
    ASSERT_EQ(BackToLog(log, true), log) << "round " << round;
  }
}

TEST(StoreLogReader, MarkersAreOperationsInOrder) {
  EXPECT_EQ(Converted("START|put.BEGIN|tx.BEGIN|put.BEGIN|put.END|tx.END|put.END|get.BEGIN|STOP\n"),
            "0 t1 op-begin 1\n1 t1 op-begin 2\n2 t1 op-begin 3\n3 t1 op-end 3\n"
            "4 t1 op-end 2\n5 t1 op-end 1\n6 t1 op-begin 4\n");
}

TEST(StoreLogReader, NamesMayOverlapWithoutNesting) {
  EXPECT_EQ(Converted("START|a.BEGIN|b.BEGIN|a.END|b.END|STOP\n"),
            "0 t1 op-begin 1\n1 t1 op-begin 2\n2 t1 op-end 1\n3 t1 op-end 2\n");
}

TEST(StoreLogReader, ValgrindsOwnLinesAreSkipped) {
  EXPECT_EQ(Converted("==7== pmemcheck-1.0, a tool\n==7== \n--7-- verbose\nSTART|FENCE|STOP\n==7== "
                      "Number of stores: 0\n==7== a|b\n"),
            "0 t1 fence sfence\n");
}

TEST(StoreLogReader, WhatIsMalformedIsRefusedWithItsLine) {
  const auto refused = [](const std::string& log, const std::string& line, const std::string& why) {
    const std::string message = Converted(log);
    EXPECT_EQ(message.find(":" + line + ": "), 0u) << log << "\n" << message;
    EXPECT_NE(message.find(why), std::string::npos) << log << "\n" << message;
  };
  refused("", "1", "does not begin with START");
  refused(
      "\x7f"
      "ELF|STOP\n",
      "1", "does not begin with START");
  refused("FPTRACE\n", "1", "does not begin with START");
  refused("==1== x\n==1== y\nSTOP\n", "3", "does not begin with START");
  refused("START", "1", "there is no STOP");
  refused("START|FENCE", "1", "there is no STOP");
  refused("START\n|STOP\n", "1", "does not begin with START");
  refused("START|a\nb|FENCE;1|STOP\n", "2", "a FENCE has no fields");
  refused("START|a.END|STOP\n", "1", "a.END comes without a BEGIN");
  refused("START|a.BEGIN|a.END|a.END|STOP\n", "1", "without a BEGIN");
  for (const std::string record :
       {"STORE", "STORE;", "STORE;0x1", "STORE;0x1;0x2", "STORE;0x1;0x2;", "STORE;1;0x2;0x1",
        "STORE;0x;0x2;0x1", "STORE;0xg;0x2;0x1", "STORE;0x1;-0x2;0x1", "STORE;0x1;0x2;0x1 ",
        "STORE;0x11111111111111111;0x2;0x1"}) {
    refused("START|" + record + "|STOP\n", "1", "a STORE is");
  }
  refused("START|STORE;0x1;0x2;0x0|STOP\n", "1", "size");
  refused("START|STORE;0x1;0x2;0x9|STOP\n", "1", "size");
  refused("START|STORE;0x1;0x100;0x1|STOP\n", "1", "wider");
  refused("START|STORE;0xffffffffffffffff;0x1;0x2|STOP\n", "1", "past the last address");
  for (const std::string record : {"FLUSH", "FLUSH;0x1", "FLUSH;0x1;2", "FLUSH;0x1;0x2;0x3",
                                   "DEEP_SYNC;", "DEEP_SYNC;0x1;0x2;"}) {
    refused("START|" + record + "|STOP\n", "1", "a range is");
  }
  for (const std::string record : {"REGISTER_FILE", "REGISTER_FILE;/a", "REGISTER_FILE;0x1;0x2;0x3",
                                   "REGISTER_FILE;;0x1;0x2;0x3", "REGISTER_FILE;/a;0x1;0x2;3"}) {
    refused("START|" + record + "|STOP\n", "1", "a REGISTER_FILE is");
  }
  refused("START|REGISTER_FILE;/a;0x1;0x2;0xffffffffffffffff|STOP\n", "1", "past the last");
  std::string deep = "START|STORE;0x1;0x1;0x1";
  for (int i = 0; i < 1025; ++i) deep += fmt::format(";f{}", i);
  refused(deep + "|STOP\n", "1", "frames");
  refused("START|" + std::string(3 << 20, 'x') + "|STOP\n", "1", "does not end");
}

TEST(StoreLogReader, EveryCutIsRefused) {
  const std::string log(kLog);
  for (size_t bytes = 0; bytes + 2 < log.size(); ++bytes) {
    const std::string message = Converted(log.substr(0, bytes));
    EXPECT_EQ(message.find(":1: "), 0u) << bytes << ": " << message;
  }
}

TEST(StoreLogReader, DamagedBytesNeverEndTheProcess) {
  std::mt19937_64 random(29);
  for (int round = 0; round < 500; ++round) {
    std::string log(kLog);
    for (size_t i = 1 + random() % 4; i > 0; --i) {
      log[random() % log.size()] = "|;\n0xZ\0."[random() % 8];
    }
    Converted(log);  // refused with its place, or a whole trace: checked there
  }
}

TEST(StoreLogReader, ManyOpenOperationsTakeLinearTime) {
  std::string log = "START";
  constexpr int kOperations = 200'000;
  for (int i = 0; i < kOperations; ++i) log += "|put.BEGIN";
  for (int i = 0; i < kOperations; ++i) log += "|put.END";
  log += "|STOP\n";
  const TemporaryFile from(AsBytes(log)), to({});
  const auto start = std::chrono::steady_clock::now();
  const Result<StoreLogSummary> summary = ConvertStoreLog(from.path(), to.path());
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->operations, static_cast<uint64_t>(kOperations));
  // Half a second where it is linear; hours where it is not.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(StoreLogReader, FilesThatCannotBeOpenedAreIoErrors) {
  const TemporaryFile log(AsBytes("START|STOP\n"));
  EXPECT_EQ(ConvertStoreLog("/none/log", log.path()).status().code(), StatusCode::kIoError);
  EXPECT_EQ(ConvertStoreLog(log.path(), "/none/trace").status().code(), StatusCode::kIoError);
  EXPECT_EQ(ConvertStoreLog(log.path(), "/dev/full").status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace fencepost
