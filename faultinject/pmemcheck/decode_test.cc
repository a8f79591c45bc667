// SPDX-License-Identifier: GPL-2.0-or-later
// Encodings as GNU as writes them (objdump -d of the lines in the comments).
#include "faultinject/pmemcheck/decode.h"

#include <gtest/gtest.h>

#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

pmc_decoded Decode(const Bytes& code) {
  return pmc_decode(code.data(), static_cast<unsigned>(code.size()));
}

TEST(Decode, TellsTheThreeFlushesApart) {
  EXPECT_EQ(Decode({0x0f, 0xae, 0x38}).instruction, PMC_INSN_CLFLUSH);           // clflush (%rax)
  EXPECT_EQ(Decode({0x66, 0x0f, 0xae, 0x38}).instruction, PMC_INSN_CLFLUSHOPT);  // clflushopt
  EXPECT_EQ(Decode({0x66, 0x0f, 0xae, 0x30}).instruction, PMC_INSN_CLWB);        // clwb (%rax)
}

TEST(Decode, TellsTheFencesApart) {
  EXPECT_EQ(Decode({0x0f, 0xae, 0xf8}).instruction, PMC_INSN_SFENCE);
  EXPECT_EQ(Decode({0x0f, 0xae, 0xf0}).instruction, PMC_INSN_MFENCE);
  EXPECT_EQ(Decode({0x0f, 0xae, 0xe8}).instruction, PMC_INSN_LFENCE);
  EXPECT_EQ(Decode({0x0f, 0xa2}).instruction, PMC_INSN_CPUID);
}

TEST(Decode, IsNotFooledByNeighbours) {
  EXPECT_EQ(Decode({0x0f, 0xae, 0x30}).instruction, PMC_OTHER);        // xsaveopt (%rax)
  EXPECT_EQ(Decode({0xf3, 0x0f, 0xae, 0x30}).instruction, PMC_OTHER);  // clrssbsy (%rax)
  EXPECT_EQ(Decode({0x66, 0x0f, 0xae, 0xf0}).instruction, PMC_OTHER);  // tpause %eax
  EXPECT_EQ(Decode({0xf3, 0x0f, 0xae, 0xf0}).instruction, PMC_OTHER);  // umonitor %rax
  EXPECT_EQ(Decode({0x0f, 0xae, 0x28}).instruction, PMC_OTHER);        // xrstor (%rax)
  EXPECT_EQ(Decode({0x90}).instruction, PMC_OTHER);
  EXPECT_EQ(Decode({}).instruction, PMC_OTHER);
}

struct Operand {
  Bytes code;
  int base, index, scale, displacement;
  bool rip_relative = false;
  int segment = 0;
  bool address32 = false;
};

TEST(Decode, ReadsEveryFormOfOperand) {
  const int none = PMC_NO_REGISTER;
  const Operand cases[] = {
      {{0x66, 0x0f, 0xae, 0x30}, 0, none, 1, 0},                             // (%rax)
      {{0x66, 0x0f, 0xae, 0x77, 0x10}, 7, none, 1, 16},                      // 0x10(%rdi)
      {{0x66, 0x0f, 0xae, 0x77, 0xf0}, 7, none, 1, -16},                     // -0x10(%rdi)
      {{0x66, 0x0f, 0xae, 0xb7, 0, 1, 0, 0}, 7, none, 1, 256},               // 0x100(%rdi)
      {{0x66, 0x0f, 0xae, 0x34, 0xce}, 6, 1, 8, 0},                          // (%rsi,%rcx,8)
      {{0x66, 0x0f, 0xae, 0x74, 0x8e, 0x08}, 6, 1, 4, 8},                    // 8(%rsi,%rcx,4)
      {{0x66, 0x0f, 0xae, 0x34, 0x24}, 4, none, 1, 0},                       // (%rsp)
      {{0x66, 0x0f, 0xae, 0x75, 0x00}, 5, none, 1, 0},                       // (%rbp)
      {{0x66, 0x41, 0x0f, 0xae, 0x34, 0x24}, 12, none, 1, 0},                // (%r12)
      {{0x66, 0x41, 0x0f, 0xae, 0x75, 0x00}, 13, none, 1, 0},                // (%r13)
      {{0x66, 0x41, 0x0f, 0xae, 0x30}, 8, none, 1, 0},                       // (%r8)
      {{0x66, 0x43, 0x0f, 0xae, 0x34, 0x7f}, 15, 15, 2, 0},                  // (%r15,%r15,2)
      {{0x66, 0x42, 0x0f, 0xae, 0x34, 0x20}, 0, 12, 1, 0},                   // (%rax,%r12,1)
      {{0x66, 0x0f, 0xae, 0x34, 0xcd, 4, 0, 0, 0}, none, 1, 8, 4},           // 4(,%rcx,8)
      {{0x66, 0x0f, 0xae, 0x34, 0x25, 0, 0x10, 0, 0}, none, none, 1, 4096},  // 0x1000
      {{0x66, 0x0f, 0xae, 0x35, 0x78, 0x56, 0x34, 0x12}, none, none, 1, 0x12345678, true},
      {{0x64, 0x66, 0x0f, 0xae, 0x30}, 0, none, 1, 0, false, 4},        // %fs:(%rax)
      {{0x65, 0x66, 0x0f, 0xae, 0x30}, 0, none, 1, 0, false, 5},        // %gs:(%rax)
      {{0x67, 0x66, 0x0f, 0xae, 0x30}, 0, none, 1, 0, false, 0, true},  // (%eax)
  };
  for (const Operand& expected : cases) {
    const pmc_decoded decoded = Decode(expected.code);
    EXPECT_EQ(decoded.instruction, PMC_INSN_CLWB);
    EXPECT_EQ(decoded.length, expected.code.size());
    EXPECT_EQ(decoded.operand.base, expected.base) << testing::PrintToString(expected.code);
    EXPECT_EQ(decoded.operand.index, expected.index) << testing::PrintToString(expected.code);
    EXPECT_EQ(decoded.operand.scale, expected.scale);
    EXPECT_EQ(decoded.operand.displacement, expected.displacement);
    EXPECT_EQ(decoded.operand.rip_relative, expected.rip_relative);
    EXPECT_EQ(decoded.operand.segment, expected.segment);
    EXPECT_EQ(decoded.operand.address32, expected.address32);
    // One byte less is no instruction.
    EXPECT_EQ(pmc_decode(expected.code.data(), decoded.length - 1).instruction, PMC_OTHER);
  }
}

TEST(Decode, KnowsNonTemporalStores) {
  for (const Bytes& code : std::vector<Bytes>{{0x0f, 0xc3, 0x07},        // movnti %eax,(%rdi)
                                              {0x48, 0x0f, 0xc3, 0x07},  // movnti %rax,(%rdi)
                                              {0x66, 0x0f, 0xe7, 0x07},  // movntdq %xmm0
                                              {0x0f, 0xe7, 0x07},        // movntq %mm0
                                              {0x0f, 0x2b, 0x07},        // movntps %xmm0
                                              {0x66, 0x0f, 0x2b, 0x07},  // movntpd %xmm0
                                              {0xc5, 0xfd, 0xe7, 0x07},  // vmovntdq %ymm0
                                              {0xc4, 0xc1, 0x7c, 0x2b, 0x00}}) {  // vmovntps (%r8)
    EXPECT_EQ(Decode(code).instruction, PMC_INSN_NT_STORE) << testing::PrintToString(code);
  }
  EXPECT_EQ(Decode({0x66, 0x0f, 0xf7, 0xc1}).instruction, PMC_INSN_NT_MASKED);  // maskmovdqu
  EXPECT_EQ(Decode({0xc5, 0xf9, 0xf7, 0xc1}).instruction, PMC_INSN_NT_MASKED);  // vmaskmovdqu
  for (const Bytes& code : std::vector<Bytes>{{0x66, 0x0f, 0x7f, 0x07},         // movdqa
                                              {0xc5, 0xfe, 0x7f, 0x07},         // vmovdqu
                                              {0x66, 0x0f, 0x38, 0x2a, 0x07},   // movntdqa: a load
                                              {0xc4, 0xe2, 0x79, 0x2a, 0x07}}) {  // vmovntdqa
    EXPECT_EQ(Decode(code).instruction, PMC_OTHER) << testing::PrintToString(code);
  }
}

TEST(Decode, NamesWhatValgrindCannotRun) {
  EXPECT_EQ(Decode({0x62, 0xf1, 0x7c, 0x48, 0x11, 0x07}).instruction, PMC_INSN_AVX512);
  EXPECT_EQ(Decode({0x66, 0x0f, 0x38, 0xf8, 0x07}).instruction, PMC_INSN_MOVDIR);
  EXPECT_EQ(Decode({0xf3, 0xaa}).instruction, PMC_INSN_REP_STRING);        // rep stosb
  EXPECT_EQ(Decode({0xf3, 0x48, 0xa5}).instruction, PMC_INSN_REP_STRING);  // rep movsq
}

}  // namespace
