// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/memory_access.h"

#include <gtest/gtest.h>

#include <ostream>
#include <vector>

namespace fencepost {

bool operator==(const MemoryAccess& a, const MemoryAccess& b) {
  return a.address == b.address && a.bytes == b.bytes && a.reads == b.reads && a.writes == b.writes;
}
void PrintTo(const MemoryAccess& access, std::ostream* out) {
  *out << std::hex << access.address << "+" << access.bytes << (access.reads ? " reads" : "")
       << (access.writes ? " writes" : "");
}

namespace {

constexpr greg_t kAt = 0x1000;

// Registers: each of the ones below holds kAt plus something of its own.
ucontext_t Standing(const std::vector<uint8_t>& code) {
  ucontext_t context{};
  auto& registers = context.uc_mcontext.gregs;
  registers[REG_RIP] = reinterpret_cast<greg_t>(code.data());
  registers[REG_RAX] = kAt;
  registers[REG_RBX] = 2 * kAt;
  registers[REG_RCX] = 4;
  registers[REG_RSI] = 3 * kAt;
  registers[REG_RDI] = 4 * kAt;
  registers[REG_RSP] = 8 * kAt;
  return context;
}

std::vector<MemoryAccess> AccessesOf(std::vector<uint8_t> code) {
  code.resize(code.size() + 16, 0x90);
  const InstructionAccesses accesses(Standing(code));
  EXPECT_TRUE(accesses.known());
  return {accesses.accesses().begin(), accesses.accesses().end()};
}
using Accesses = std::vector<MemoryAccess>;

bool Known(std::vector<uint8_t> code) {
  code.resize(code.size() + 16, 0x90);
  return InstructionAccesses(Standing(code)).known();
}

TEST(MemoryAccessTest, LoadsReadAndStoresWrite) {
  EXPECT_EQ(AccessesOf({0x48, 0x8b, 0x18}), (Accesses{{kAt, 8, true, false}}));  // mov rbx, [rax]
  EXPECT_EQ(AccessesOf({0x48, 0x89, 0x18}), (Accesses{{kAt, 8, false, true}}));  // mov [rax], rbx
  EXPECT_EQ(AccessesOf({0x0f, 0xb6, 0x40, 0x3c}),
            (Accesses{{kAt + 60, 1, true, false}}));  // movzx eax, byte [rax+60]
  EXPECT_EQ(AccessesOf({0x8b, 0x44, 0x8b, 0x04}),
            (Accesses{{2 * kAt + 16 + 4, 4, true, false}}));  // mov eax, [rbx+rcx*4+4]
}

TEST(MemoryAccessTest, VectorsAreAsWideAsTheyAre) {
  EXPECT_EQ(AccessesOf({0xf3, 0x0f, 0x6f, 0x00}),
            (Accesses{{kAt, 16, true, false}}));  // movdqu xmm0, [rax]
  EXPECT_EQ(AccessesOf({0xc5, 0xfe, 0x6f, 0x40, 0x30}),
            (Accesses{{kAt + 48, 32, true, false}}));  // vmovdqu ymm0, [rax+48]
  EXPECT_EQ(AccessesOf({0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x00}),
            (Accesses{{kAt, 64, true, false}}));  // vmovdqu64 zmm0, [rax]
  EXPECT_EQ(AccessesOf({0x66, 0x0f, 0xe7, 0x00}),
            (Accesses{{kAt, 16, false, true}}));  // movntdq [rax], xmm0
}

TEST(MemoryAccessTest, WhatModifiesReadsToo) {
  EXPECT_EQ(AccessesOf({0x48, 0x01, 0x18}), (Accesses{{kAt, 8, true, true}}));  // add [rax], rbx
  EXPECT_EQ(AccessesOf({0xf0, 0xff, 0x00}),
            (Accesses{{kAt, 4, true, true}}));  // lock inc dword [rax]
  EXPECT_EQ(AccessesOf({0x48, 0x87, 0x18}), (Accesses{{kAt, 8, true, true}}));  // xchg [rax], rbx
  // A failed compare-and-exchange reads, and need not write.
  const Accesses exchange = AccessesOf({0xf0, 0x48, 0x0f, 0xb1, 0x19});  // lock cmpxchg [rcx], rbx
  ASSERT_EQ(exchange.size(), 1u);
  EXPECT_TRUE(exchange[0].reads);
  EXPECT_FALSE(exchange[0].writes);
}

TEST(MemoryAccessTest, AStoreUnderAMaskKeepsSomeOfWhatWasThere) {
  for (const std::vector<uint8_t>& code : {
           std::vector<uint8_t>{0xc4, 0xe2, 0x75, 0x2e, 0x00},  // vmaskmovps [rax], ymm1, ymm0
           std::vector<uint8_t>{0x62, 0xf1, 0xfe, 0x49, 0x7f, 0x00},  // vmovdqu64 [rax]{k1}, zmm0
       }) {
    const Accesses masked = AccessesOf(code);
    ASSERT_EQ(masked.size(), 1u);
    EXPECT_TRUE(masked[0].reads);
    EXPECT_FALSE(masked[0].writes);
  }
}

TEST(MemoryAccessTest, FlushesReadNothingAndAddressesAreNoAccess) {
  EXPECT_TRUE(AccessesOf({0x66, 0x0f, 0xae, 0x30}).empty());  // clwb [rax]
  EXPECT_TRUE(AccessesOf({0x0f, 0xae, 0x38}).empty());        // clflush [rax]
  EXPECT_TRUE(AccessesOf({0x66, 0x0f, 0xae, 0x38}).empty());  // clflushopt [rax]
  EXPECT_TRUE(AccessesOf({0x48, 0x8d, 0x18}).empty());        // lea rbx, [rax]
}

TEST(MemoryAccessTest, HiddenOperandsCount) {
  EXPECT_EQ(AccessesOf({0x58}), (Accesses{{8 * kAt, 8, true, false}}));      // pop rax
  EXPECT_EQ(AccessesOf({0x50}), (Accesses{{8 * kAt - 8, 8, false, true}}));  // push rax
  EXPECT_EQ(AccessesOf({0xff, 0x30}),
            (Accesses{{kAt, 8, true, false}, {8 * kAt - 8, 8, false, true}}));  // push [rax]
  const Accesses compare = AccessesOf({0xa6});                                  // cmpsb
  EXPECT_EQ(compare, (Accesses{{3 * kAt, 1, true, false}, {4 * kAt, 1, true, false}}));
}

TEST(MemoryAccessTest, StringsTellTheirLength) {
  std::vector<uint8_t> code = {0xf3, 0x48, 0xa5};  // rep movsq
  code.resize(18, 0x90);
  const InstructionAccesses copy(Standing(code));
  ASSERT_TRUE(copy.is_repeated_string());
  EXPECT_TRUE(copy.repeated_string().copies);
  EXPECT_EQ(copy.repeated_string().element_bytes, 8u);
  EXPECT_EQ(copy.repeated_string().count, 4u);
  EXPECT_EQ(copy.instruction_bytes(), 3u);
  // Backwards it is stepped through, an element at a time.
  ucontext_t backwards = Standing(code);
  backwards.uc_mcontext.gregs[REG_EFL] = 0x400;
  EXPECT_FALSE(InstructionAccesses(backwards).is_repeated_string());
}

TEST(MemoryAccessTest, WhatCannotBeSaidIsNotGuessed) {
  EXPECT_FALSE(Known({0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x08}));  // vpgatherdd ymm0, [rax+ymm1], ymm2
  EXPECT_FALSE(Known({0x0f, 0xab, 0x18}));                    // bts [rax], ebx: beyond [rax]
  EXPECT_FALSE(Known({0x06}));                                // no instruction in 64 bits
  EXPECT_TRUE(Known({0x0f, 0xba, 0x28, 0x07}));               // bts dword [rax], 7
}

}  // namespace
}  // namespace fencepost
