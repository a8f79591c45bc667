// SPDX-License-Identifier: BSD-3-Clause
// What the writer is told is what the reader says, whatever the buffer does in between.
#include <gtest/gtest.h>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

// Writes the events and compares what comes back, one by one.
void ExpectRoundTrip(const std::vector<OwnedEvent>& events, MemoryTrace* trace) {
  for (const OwnedEvent& event : events) Emit(event, trace->writer());
  const ReadBack back = ReadAll(trace->Finish());
  EXPECT_EQ(back.end, FPT_END_COMPLETE);
  EXPECT_EQ(back.end_offset, trace->bytes().size());
  ASSERT_EQ(back.events.size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    OwnedEvent expected = events[i];
    expected.fields.number = i;
    ASSERT_TRUE(back.events[i] == expected)
        << "event " << i << ", " << fpt_kind_name(expected.fields.kind);
  }
}

TEST(TraceRoundTrip, EveryKindKeepsEveryField) {
  for (int kind = FPT_STORE; kind < FPT_KIND_COUNT; ++kind) {
    std::mt19937_64 rng(static_cast<uint64_t>(kind));
    std::vector<OwnedEvent> events;
    for (int i = 0; i < 2000; ++i) events.push_back(AnyEvent(static_cast<fpt_kind>(kind), rng));
    MemoryTrace trace;
    ExpectRoundTrip(events, &trace);
  }
}

TEST(TraceRoundTrip, MixedEventsKeepTheirOrderOverManyBlocks) {
  std::mt19937_64 rng(1);
  std::vector<OwnedEvent> events;
  for (int i = 0; i < 50000; ++i) events.push_back(AnyEvent(AnyKind(rng), rng));
  MemoryTrace trace;
  ExpectRoundTrip(events, &trace);
  EXPECT_GT(trace.bytes().size(), 20 * FPT_MIN_BUFFER_BYTES);
}

// Sizes around what the buffer can hold: in the block, in the next block, in a block of its own.
TEST(TraceRoundTrip, BodiesAroundTheBufferSizeArriveWhole) {
  for (uint64_t size = FPT_MIN_BUFFER_BYTES - 120; size < FPT_MIN_BUFFER_BYTES + 8; ++size) {
    std::mt19937_64 rng(size);
    OwnedEvent big = AnyEvent(FPT_STORE, rng);
    big.bytes = std::string(size, static_cast<char>(size));
    big.fields.length = size;
    OwnedEvent frame = AnyEvent(FPT_FRAME, rng);
    frame.text = std::string(size / 2, 'f');
    frame.source_file = std::string(size - size / 2, 's');
    const OwnedEvent small = AnyEvent(FPT_FLUSH, rng);
    MemoryTrace trace;
    ExpectRoundTrip({big, small, big, frame, frame, small, big, big, small}, &trace);
  }
}

// The buffer's last bytes: an 8-byte store has its own path.
TEST(TraceRoundTrip, EveryFillLevelOfTheBufferIsSafe) {
  std::mt19937_64 rng(3);
  for (uint64_t room = 0; room < 200; ++room) {
    OwnedEvent filler = AnyEvent(FPT_LOG, rng);
    filler.text = std::string(FPT_MIN_BUFFER_BYTES - 150 - room, 'x');
    OwnedEvent store = AnyEvent(FPT_STORE, rng);
    store.bytes = "12345678";
    store.fields.length = 8;
    MemoryTrace trace;
    ExpectRoundTrip({filler, store, store, AnyEvent(FPT_STACK, rng), store}, &trace);
  }
}

TEST(TraceRoundTrip, AFlushedBlockStandsAlone) {
  std::mt19937_64 rng(4);
  std::vector<OwnedEvent> events;
  MemoryTrace trace;
  for (int i = 0; i < 300; ++i) {
    events.push_back(AnyEvent(AnyKind(rng), rng));
    Emit(events.back(), trace.writer());
    fpt_flush_block(trace.writer());
    fpt_flush_block(trace.writer());  // an empty one is none
  }
  const ReadBack back = ReadAll(trace.Finish());
  EXPECT_EQ(back.end, FPT_END_COMPLETE);
  ASSERT_EQ(back.events.size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    events[i].fields.number = i;
    EXPECT_TRUE(back.events[i] == events[i]) << i;
  }
}

TEST(TraceRoundTrip, EmptyTraceIsComplete) {
  MemoryTrace trace;
  const ReadBack back = ReadAll(trace.Finish());
  EXPECT_EQ(back.end, FPT_END_COMPLETE);
  EXPECT_TRUE(back.events.empty());
  EXPECT_EQ(trace.bytes().size(), sizeof(fpt_file_header) + sizeof(fpt_block_header));
}

TEST(TraceRoundTrip, CrcIsTheKnownOne) {
  EXPECT_EQ(fpt_crc32c(0, "123456789", 9), 0xe3069283u);  // the check value of CRC-32C
  EXPECT_EQ(fpt_crc32c(fpt_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

}  // namespace
}  // namespace fencepost
