// SPDX-License-Identifier: BSD-3-Clause
// Payloads by hand, with right checksums: what the format allows, beside the nearest that it does
// not.
#include <gtest/gtest.h>

#include "faultinject/trace/trace_test_util.h"

namespace fencepost {
namespace {

using Bytes = std::vector<uint8_t>;

template <typename T>
void Append(const T& value, Bytes* out) {
  const auto* from = reinterpret_cast<const uint8_t*>(&value);
  out->insert(out->end(), from, from + sizeof(value));
}

void AppendHeader(fpt_block_header header, Bytes* out) {
  header.crc = fpt_crc32c(0, &header, offsetof(fpt_block_header, crc));
  Append(header, out);
}

// A file header and a block of this payload.
Bytes OneBlock(const Bytes& payload, uint32_t event_count) {
  Bytes out = MemoryTrace().bytes();
  AppendHeader({FPT_BLOCK_MAGIC, event_count, payload.size(), 0, 0, 0}, &out);
  out.insert(out.end(), payload.begin(), payload.end());
  Append(fpt_crc32c(0, payload.data(), payload.size()), &out);
  return out;
}

fpt_end EndOf(const Bytes& payload, uint32_t event_count = 1) {
  Bytes out = OneBlock(payload, event_count);
  AppendHeader({FPT_END_MAGIC, 0, 0, event_count, 0, 0}, &out);
  return ReadAll(out).end;
}

Bytes Join(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

TEST(TraceMalformed, KindsAndTheirHowAreInRange) {
  EXPECT_EQ(EndOf({FPT_THREAD_EXIT}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({FPT_THREAD_EXIT | 1 << 5}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_SYNC | 2 << 5, 0, 0, 0}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({FPT_SYNC | 3 << 5, 0, 0, 0}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_MAP | 2 << 5, 0, 0, 0, 0}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_FILE_WRITE | 3 << 5, 0, 0, 0}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({FPT_FILE_WRITE | 4 << 5, 0, 0, 0}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({0}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_STORE, 0, 0, 0}), FPT_END_DAMAGED);  // its tag has the top bit
  EXPECT_EQ(EndOf({FPT_KIND_COUNT}), FPT_END_DAMAGED);
}

TEST(TraceMalformed, StoresHaveALengthAndKnownFlags) {
  EXPECT_EQ(EndOf({0xc0, 0, 'x'}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({0xc4, 0, 'x'}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({0xc6, 0, 'x'}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({0xc5, 0, 15, 'x'}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({0xc5, 0, 16, 'x'}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({0xf0, 0, 1, 'x'}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({0xf0, 0, 0}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf(Join({{0xf0, 0, 0x80, 1}, Bytes(128)})), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf(Join({{0xf8, 0}, Bytes(128)})), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({0xc8, 0, 'x'}), FPT_END_DAMAGED);  // two bytes said, one there
  EXPECT_EQ(EndOf({FPT_FILE_WRITE, 0, 0, 1, 'x'}), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({FPT_FILE_WRITE, 0, 0, 0}), FPT_END_DAMAGED);
}

TEST(TraceMalformed, NumbersAreOfTheirWidth) {
  const Bytes ones(9, 0xff);
  EXPECT_EQ(EndOf(Join({{FPT_OP_BEGIN}, ones, {1}})), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf(Join({{FPT_OP_BEGIN}, ones, {2}})), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf(Join({{FPT_OP_BEGIN}, ones, {0x81, 0}})), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_OP_BEGIN}), FPT_END_DAMAGED);
  const Bytes four(4, 0xff);
  EXPECT_EQ(EndOf(Join({{FPT_THREAD}, four, {0x0f, FPT_THREAD_EXIT}})), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf(Join({{FPT_THREAD}, four, {0x1f, FPT_THREAD_EXIT}})), FPT_END_DAMAGED);
}

TEST(TraceMalformed, StacksHaveAtMostTheirFrames) {
  EXPECT_EQ(EndOf(Join({{FPT_STACK, 0, 0x80, 0x08}, Bytes(1024)})), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf(Join({{FPT_STACK, 0, 0x81, 0x08}, Bytes(1025)})), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_STACK, 0, 2, 0}), FPT_END_DAMAGED);
}

TEST(TraceMalformed, ABlockHoldsItsEventsAndNothingElse) {
  EXPECT_EQ(EndOf({FPT_THREAD_EXIT, FPT_THREAD_EXIT}, 2), FPT_END_COMPLETE);
  EXPECT_EQ(EndOf({FPT_THREAD_EXIT, FPT_THREAD_EXIT}, 1), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_THREAD_EXIT, FPT_THREAD_EXIT}, 3), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_THREAD_EXIT, FPT_THREAD, 1}, 1), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({FPT_THREAD, 1, FPT_THREAD, 2, FPT_THREAD_EXIT}), FPT_END_DAMAGED);
  EXPECT_EQ(EndOf({}), FPT_END_DAMAGED);
}

// A few bytes after the last block: the beginning of another one, or something else.
TEST(TraceMalformed, ACutHeaderLooksLikeOne) {
  const auto end_with = [](std::string_view tail) {
    Bytes out = OneBlock({FPT_THREAD_EXIT}, 1);
    out.insert(out.end(), tail.begin(), tail.end());
    const ReadBack back = ReadAll(out);
    EXPECT_EQ(back.events.size(), 1u);
    return back.end;
  };
  for (const char* cut : {"", "F", "FPT", "FPTB", "FPTE", "FPTBxxxx"}) {
    EXPECT_EQ(end_with(cut), FPT_END_TRUNCATED) << cut;
  }
  for (const char* other : {"x", "FPTX", "FPTXx", "FPX"}) {
    EXPECT_EQ(end_with(other), FPT_END_DAMAGED) << other;
  }
}

}  // namespace
}  // namespace fencepost
