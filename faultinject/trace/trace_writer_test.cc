// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

TEST(TraceWriter, AStoreOf8BytesCostsAtMost14) {
  std::mt19937_64 rng(1);
  constexpr uint64_t kStores = 200000, kBase = 0x7f1234000000;
  MemoryTrace trace;
  for (uint64_t i = 0; i < kStores; ++i) {
    const uint64_t address = kBase + rng() % (1 << 20), value = rng();
    fpt_store(trace.writer(), 1, address, &value, 8, 0, static_cast<uint32_t>(rng() % 16384));
  }
  const double per_store = static_cast<double>(trace.Finish().size()) / kStores;
  RecordProperty("bytes_per_store", std::to_string(per_store));
  EXPECT_LE(per_store, 14.0);
}

// What the sink has got; refuses after `refuse_after` calls.
struct CountingSink {
  int refuse_after;
  int calls = 0;
  static int Take(void* arg, const void*, size_t) {
    auto* sink = static_cast<CountingSink*>(arg);
    return ++sink->calls > sink->refuse_after ? 28 : 0;
  }
};

TEST(TraceWriter, TheFirstErrorSticksAndTheSinkIsLeftAlone) {
  std::vector<uint8_t> buffer(FPT_MIN_BUFFER_BYTES);
  const std::string large(3 * FPT_MIN_BUFFER_BYTES, 'x');
  for (int refuse_after = 0; refuse_after < 8; ++refuse_after) {
    std::mt19937_64 rng(static_cast<uint64_t>(refuse_after));
    CountingSink sink = {refuse_after};
    fpt_writer writer;
    fpt_writer_init(&writer, CountingSink::Take, &sink, buffer.data(), buffer.size(), 1);
    for (int i = 0; i < 20000; ++i) Emit(AnyEvent(AnyKind(rng), rng), &writer);
    fpt_store(&writer, 1, 0, large.data(), large.size(), 0, 0);
    fpt_writer_finish(&writer);
    EXPECT_EQ(fpt_writer_error(&writer), 28);
    EXPECT_EQ(sink.calls, refuse_after + 1);
  }
}

TEST(TraceWriter, AnErrorInsideALargeStoreSticks) {
  std::vector<uint8_t> buffer(FPT_MIN_BUFFER_BYTES);
  const std::string large(10 * FPT_MIN_BUFFER_BYTES, 'x');
  CountingSink sink = {5};
  fpt_writer writer;
  fpt_writer_init(&writer, CountingSink::Take, &sink, buffer.data(), buffer.size(), 1);
  fpt_store(&writer, 1, 0, large.data(), large.size(), 0, 0);
  EXPECT_EQ(fpt_writer_error(&writer), 28);
  EXPECT_EQ(sink.calls, 6);
}

TEST(TraceWriter, ArgumentsOutOfRangeAreRefused) {
  const uint64_t addresses[1] = {0};
  const auto refused = [](auto&& call) {
    MemoryTrace trace;
    call(trace.writer());
    return fpt_writer_error(trace.writer()) == FPT_ERROR_ARGUMENT &&
           fpt_writer_events(trace.writer()) == 0;
  };
  EXPECT_TRUE(refused([](fpt_writer* w) { fpt_store(w, 1, 0, "", 0, 0, 0); }));
  EXPECT_TRUE(refused([](fpt_writer* w) { fpt_store(w, 1, 0, "", (1ull << 32) + 1, 0, 0); }));
  EXPECT_TRUE(refused([](fpt_writer* w) { fpt_store(w, 1, 0, "x", 1, 16, 0); }));
  EXPECT_TRUE(refused([](fpt_writer* w) { fpt_file_write(w, 1, 1, 0, 0, "", FPT_WRITE_PWRITE); }));
  EXPECT_TRUE(refused([](fpt_writer* w) { fpt_flush(w, 1, 0, 64, FPT_FLUSH_KINDS, 0); }));
  EXPECT_TRUE(
      refused([&](fpt_writer* w) { fpt_stack(w, 1, addresses, FPT_MAX_STACK_FRAMES + 1); }));
  fpt_writer small;
  uint8_t buffer[512];
  CountingSink sink = {100};
  fpt_writer_init(&small, CountingSink::Take, &sink, buffer, sizeof(buffer), 1);
  EXPECT_EQ(fpt_writer_error(&small), FPT_ERROR_ARGUMENT);
}

TEST(TraceWriter, NullTextsAreEmpty) {
  MemoryTrace trace;
  fpt_frame(trace.writer(), 0x1000, "f", nullptr, 0, nullptr);
  fpt_note(trace.writer(), nullptr);
  const ReadBack back = ReadAll(trace.Finish());
  ASSERT_EQ(back.events.size(), 2u);
  EXPECT_EQ(back.events[0].text, "f");
  EXPECT_EQ(back.events[0].source_file, "");
  EXPECT_EQ(back.end, FPT_END_COMPLETE);
}

// As after fork(2): what the buffer holds is the parent's.
TEST(TraceWriter, RestartBeginsATraceOfItsOwn) {
  MemoryTrace parent, child;
  fpt_op_begin(parent.writer(), 1, 10);
  fpt_writer forked = *parent.writer();
  forked.error = 5;
  std::vector<uint8_t> buffer(forked.buffer, forked.buffer + forked.buffer_bytes);
  forked.buffer = buffer.data();
  fpt_writer_restart(&forked, MemoryTrace::Sink, &child, 99);
  fpt_op_begin(&forked, 2, 20);
  fpt_writer_finish(&forked);
  EXPECT_EQ(fpt_writer_error(&forked), 0);
  const ReadBack of_child = ReadAll(
      std::vector<uint8_t>(child.bytes().begin() + sizeof(fpt_file_header), child.bytes().end()));
  const ReadBack of_parent = ReadAll(parent.Finish());
  ASSERT_EQ(of_child.events.size(), 1u);
  EXPECT_EQ(of_child.events[0].fields.id, 20u);
  EXPECT_EQ(of_child.events[0].fields.number, 0u);
  EXPECT_EQ(of_child.end, FPT_END_COMPLETE);
  ASSERT_EQ(of_parent.events.size(), 1u);
  EXPECT_EQ(of_parent.events[0].fields.id, 10u);
}

TEST(TraceWriter, AStoreOf100MegabytesGoesThroughABufferOf64Kibibytes) {
  constexpr uint64_t kBytes = 100'000'000;
  std::vector<uint8_t> data(kBytes);
  std::mt19937_64 rng(7);
  for (uint64_t at = 0; at + 8 <= kBytes; at += 8) {
    const uint64_t word = rng();
    std::memcpy(&data[at], &word, 8);
  }
  MemoryTrace trace;
  fpt_op_begin(trace.writer(), 1, 1);
  fpt_store(trace.writer(), 1, 0x1000, data.data(), kBytes, FPT_STORE_SYSCALL, 3);
  fpt_op_end(trace.writer(), 1, 1);
  const std::vector<uint8_t>& bytes = trace.Finish();

  fpt_reader reader;
  fpt_event event;
  ASSERT_EQ(fpt_reader_init(&reader, bytes.data(), bytes.size()), FPT_END_NONE);
  ASSERT_EQ(fpt_next(&reader, &event), 1);
  ASSERT_EQ(fpt_next(&reader, &event), 1);
  EXPECT_EQ(event.length, kBytes);
  EXPECT_EQ(event.flags, unsigned{FPT_STORE_SYSCALL});
  EXPECT_EQ(std::memcmp(event.bytes, data.data(), kBytes), 0);
  ASSERT_EQ(fpt_next(&reader, &event), 1);
  EXPECT_EQ(event.kind, FPT_OP_END);
  EXPECT_EQ(fpt_next(&reader, &event), 0);
  EXPECT_EQ(reader.end, FPT_END_COMPLETE);
}

}  // namespace
}  // namespace fencepost
