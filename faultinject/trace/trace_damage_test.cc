// SPDX-License-Identifier: BSD-3-Clause
// Traces that are cut, damaged or hostile: the reader says so, and never reads outside the range.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

// A copy whose last byte is the last one before memory that must not be touched; with no slack in
// front of it either, but for what a page leaves.
class GuardedCopy {
 public:
  GuardedCopy(const uint8_t* bytes, size_t count) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t inner = (count + page - 1) / page * page;
    total_ = inner + page;
    base_ = mmap(nullptr, total_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(base_ != MAP_FAILED);
    auto* start = static_cast<uint8_t*>(base_);
    CHECK(mprotect(start + inner, page, PROT_NONE) == 0);
    data_ = start + inner - count;
    if (count > 0) std::memcpy(data_, bytes, count);
  }
  ~GuardedCopy() { munmap(base_, total_); }
  GuardedCopy(const GuardedCopy&) = delete;
  GuardedCopy& operator=(const GuardedCopy&) = delete;

  uint8_t* data() { return data_; }
  ReadBack Read() const { return ReadAll(data_, count_); }

 private:
  size_t count_, total_;
  void* base_;
  uint8_t* data_;
};

// A few hundred events in blocks of `events_per_block`.
std::vector<uint8_t> SmallTrace(uint64_t seed, int blocks, int events_per_block) {
  std::mt19937_64 rng(seed);
  MemoryTrace trace;
  for (int block = 0; block < blocks; ++block) {
    for (int i = 0; i < events_per_block; ++i) {
      OwnedEvent event = AnyEvent(AnyKind(rng), rng, 20);
      if (event.frames.size() > 20) event = AnyEvent(FPT_STORE, rng, 20);
      Emit(event, trace.writer());
    }
    fpt_flush_block(trace.writer());
  }
  return trace.Finish();
}

TEST(TraceDamage, ACutAtAnyByteKeepsTheBlocksBeforeIt) {
  const std::vector<uint8_t> whole = SmallTrace(1, 6, 30);
  const ReadBack all = ReadAll(whole);
  ASSERT_EQ(all.events.size(), 180u);
  size_t most = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const ReadBack cut = GuardedCopy(whole.data(), size).Read();
    SCOPED_TRACE(size);
    if (size < FPT_FILE_MAGIC_BYTES) {
      ASSERT_EQ(cut.end, FPT_END_NO_TRACE);
      continue;
    }
    ASSERT_EQ(cut.end, FPT_END_TRUNCATED);
    ASSERT_LE(cut.end_offset, size);
    ASSERT_EQ(cut.events.size() % 30, 0u);
    ASSERT_GE(cut.events.size(), most);
    most = cut.events.size();
    for (size_t i = 0; i < cut.events.size(); ++i) ASSERT_TRUE(cut.events[i] == all.events[i]);
    // The cut is in the block after the last whole one.
    if (cut.events.size() < 180) {
      ASSERT_LT(size - cut.end_offset, whole.size() / 3);
    }
  }
  EXPECT_EQ(most, 180u);
}

// A flip in the magic makes it no trace; anywhere else it is damage, or, where the last bytes no
// longer look like a block, at least not complete.
TEST(TraceDamage, AnyFlippedBitIsFound) {
  const std::vector<uint8_t> whole = SmallTrace(2, 4, 12);
  const ReadBack all = ReadAll(whole);
  GuardedCopy copy(whole.data(), whole.size());
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      copy.data()[at] = static_cast<uint8_t>(whole[at] ^ 1u << bit);
      const ReadBack back = copy.Read();
      const fpt_end expected = at < FPT_FILE_MAGIC_BYTES ? FPT_END_NO_TRACE : FPT_END_DAMAGED;
      ASSERT_EQ(back.end, expected) << "byte " << at << " bit " << bit;
      ASSERT_LT(back.events.size(), all.events.size() + (at >= whole.size() - 32));
      for (size_t i = 0; i < back.events.size(); ++i) {
        ASSERT_TRUE(back.events[i] == all.events[i]);
      }
    }
    copy.data()[at] = whole[at];
  }
}

// Where a trace's first block lies, and how to make its checksums right again after a mutation.
constexpr size_t kBlock = sizeof(fpt_file_header);
constexpr size_t kPayload = kBlock + sizeof(fpt_block_header);

void Reseal(uint8_t* trace) {
  fpt_block_header header;
  std::memcpy(&header, trace + kBlock, sizeof(header));
  header.crc = fpt_crc32c(0, &header, offsetof(fpt_block_header, crc));
  std::memcpy(trace + kBlock, &header, sizeof(header));
  const uint32_t crc = fpt_crc32c(0, trace + kPayload, header.payload_bytes);
  std::memcpy(trace + kPayload + header.payload_bytes, &crc, sizeof(crc));
}

// What a checksum cannot find, since the mutation has made it right: the reader must refuse, or
// read other events, but stay inside and come to an end.
TEST(TraceDamage, ResealedMutationsStayInsideTheRange) {
  std::mt19937_64 rng(3);
  int damaged = 0, complete = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::vector<uint8_t> whole = SmallTrace(rng() % 50, 1, 1 + static_cast<int>(rng() % 12));
    GuardedCopy copy(whole.data(), whole.size());
    fpt_block_header header;
    std::memcpy(&header, copy.data() + kBlock, sizeof(header));
    for (uint64_t i = 0; i < 1 + rng() % 4; ++i) {
      const uint8_t extremes[] = {0, 0x7f, 0x80, 0xff, static_cast<uint8_t>(rng())};
      copy.data()[kPayload + rng() % header.payload_bytes] = extremes[rng() % 5];
    }
    Reseal(copy.data());
    const ReadBack back = copy.Read();
    ASSERT_TRUE(back.end == FPT_END_DAMAGED || back.end == FPT_END_COMPLETE) << round;
    ASSERT_LE(back.events.size(), header.event_count);
    ++(back.end == FPT_END_DAMAGED ? damaged : complete);
  }
  EXPECT_GT(damaged, 1000);
  EXPECT_GT(complete, 1000);
}

// A payload of pure noise, and a block that is nothing but the file's end.
TEST(TraceDamage, NoiseStaysInsideTheRange) {
  std::mt19937_64 rng(4);
  MemoryTrace trace;
  const std::string filler(400, 'x');
  fpt_log(trace.writer(), 1, filler.data(), filler.size());
  const std::vector<uint8_t>& whole = trace.Finish();
  for (int round = 0; round < 20000; ++round) {
    const size_t cut = sizeof(fpt_block_header);  // no end block: the payload's end is the range's
    GuardedCopy copy(whole.data(), whole.size() - cut);
    fpt_block_header header;
    std::memcpy(&header, copy.data() + kBlock, sizeof(header));
    header.event_count = static_cast<uint32_t>(1 + rng() % 400);
    std::memcpy(copy.data() + kBlock, &header, sizeof(header));
    for (uint64_t i = 0; i < header.payload_bytes; ++i) {
      copy.data()[kPayload + i] = static_cast<uint8_t>(rng());
    }
    Reseal(copy.data());
    const ReadBack back = copy.Read();
    ASSERT_TRUE(back.end == FPT_END_DAMAGED || back.end == FPT_END_TRUNCATED) << round;
  }
}

// Headers that lie, with right checksums.
TEST(TraceDamage, ALyingBlockHeaderIsFound) {
  const std::vector<uint8_t> whole = SmallTrace(5, 1, 10);
  const auto end_with = [&](auto&& change) {
    GuardedCopy copy(whole.data(), whole.size());
    fpt_block_header header;
    std::memcpy(&header, copy.data() + kBlock, sizeof(header));
    change(header);
    header.crc = fpt_crc32c(0, &header, offsetof(fpt_block_header, crc));
    std::memcpy(copy.data() + kBlock, &header, sizeof(header));
    return copy.Read().end;
  };
  EXPECT_EQ(end_with([](fpt_block_header&) {}), FPT_END_COMPLETE);
  EXPECT_EQ(end_with([](fpt_block_header& h) { --h.event_count; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { ++h.event_count; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { h.event_count = 0; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { h.first_event = 1; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { h.magic ^= 1; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { h.magic = FPT_END_MAGIC; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { h.reserved = 1; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { --h.payload_bytes; }), FPT_END_DAMAGED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { h.payload_bytes = UINT64_MAX; }), FPT_END_TRUNCATED);
  EXPECT_EQ(end_with([](fpt_block_header& h) { h.payload_bytes = UINT64_MAX - 60; }),
            FPT_END_TRUNCATED);
}

TEST(TraceDamage, BytesAfterTheEndAreDamage) {
  std::vector<uint8_t> trace = SmallTrace(6, 2, 5);
  trace.push_back(0);
  const ReadBack back = ReadAll(trace);
  EXPECT_EQ(back.end, FPT_END_DAMAGED);
  EXPECT_EQ(back.events.size(), 10u);
}

TEST(TraceDamage, ALostBlockIsFound) {
  const std::vector<uint8_t> one = SmallTrace(7, 1, 5);
  std::vector<uint8_t> without(one.begin(), one.begin() + kBlock);
  without.insert(without.end(), one.end() - sizeof(fpt_block_header), one.end());
  EXPECT_EQ(ReadAll(without).end, FPT_END_DAMAGED);
}

TEST(TraceDamage, AnotherVersionIsSaidToBeOne) {
  std::vector<uint8_t> trace = SmallTrace(8, 1, 5);
  fpt_file_header header;
  std::memcpy(&header, trace.data(), sizeof(header));
  header.version = 2;
  header.crc = fpt_crc32c(0, &header, offsetof(fpt_file_header, crc));
  std::memcpy(trace.data(), &header, sizeof(header));
  EXPECT_EQ(ReadAll(trace).end, FPT_END_VERSION);
}

}  // namespace
}  // namespace fencepost
