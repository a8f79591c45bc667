/* SPDX-License-Identifier: BSD-3-Clause */
/* CLWB, CLFLUSHOPT and CLFLUSH with every form of operand that the encoding has.
 *
 * The file is mapped over a global of the program, which is linked to a fixed address below 2 GiB:
 * so RIP-relative, absolute and 32-bit operands reach it. Form k of an instruction flushes line k
 * of its region (clwb 0x0, clflushopt 0x1000, clflush 0x2000) through byte 5 of the line.
 *
 * Events: FLUSH clwb 0x0, 0x40, ... 0x7c0 (32 forms); FLUSH clflushopt 0x1000, ... 0x17c0; FLUSH
 * clflush 0x2000, ... 0x27c0; FENCE sfence.
 */
#include <asm/prctl.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

enum { kArenaBytes = 65536, kByteInLine = 5 };

unsigned char flush_arena[kArenaBytes] __attribute__((aligned(4096)));

/* The address of form K's operand, as an integer; its offset in the arena. */
#define OFFSET(REGION, K) ((REGION) + (K)*kLineBytes + kByteInLine)
#define AT(REGION, K) ((uint64_t)flush_arena + OFFSET(REGION, K))

/* `OPERAND` with register BASE loaded; with BASE and INDEX loaded; with neither. */
#define WITH_BASE(M, OPERAND, BASE, BASE_VALUE)            \
  __asm__ volatile("movq %0, %%" BASE "\n\t" M " " OPERAND \
                   :                                       \
                   : "r"((uint64_t)(BASE_VALUE))           \
                   : BASE, "memory")
#define WITH_INDEX(M, OPERAND, BASE, BASE_VALUE, INDEX, INDEX_VALUE)               \
  __asm__ volatile("movq %0, %%" BASE "\n\tmovq %1, %%" INDEX "\n\t" M " " OPERAND \
                   :                                                               \
                   : "r"((uint64_t)(BASE_VALUE)), "r"((uint64_t)(INDEX_VALUE))     \
                   : BASE, INDEX, "memory")
#define WITH_CONSTANT(M, OPERAND, OFFSET_VALUE) \
  __asm__ volatile(M " " OPERAND : : "i"(OFFSET_VALUE) : "memory")
/* The stack and the frame pointer cannot be declared as lost: kept in r11. */
#define WITH_POINTER(M, OPERAND, POINTER, VALUE)                                           \
  __asm__ volatile("movq %%" POINTER ", %%r11\n\tmovq %0, %%" POINTER "\n\t" M " " OPERAND \
                   "\n\tmovq %%r11, %%" POINTER                                            \
                   :                                                                       \
                   : "r"((uint64_t)(VALUE))                                                \
                   : "r11", "memory")

#define JUNK 0xdeadbeef00000000ULL /* above a 32-bit address: must be ignored */

#define DEFINE_FLUSH_EVERY_FORM(NAME, M, R, REX_W)                                           \
  static void NAME(uint64_t fs_base, uint64_t gs_base) {                                     \
    WITH_BASE(M, "(%%rax)", "rax", AT(R, 0));                                                \
    WITH_BASE(M, "0x10(%%rdi)", "rdi", AT(R, 1) - 0x10);                                     \
    WITH_BASE(M, "-0x10(%%rsi)", "rsi", AT(R, 2) + 0x10);                                    \
    WITH_BASE(M, "0x12345(%%rdx)", "rdx", AT(R, 3) - 0x12345);                               \
    WITH_BASE(M, "-0x12345(%%rbx)", "rbx", AT(R, 4) + 0x12345);                              \
    WITH_INDEX(M, "(%%rax,%%rcx)", "rax", AT(R, 5) - 3, "rcx", 3);                           \
    WITH_INDEX(M, "(%%rax,%%rcx,2)", "rax", AT(R, 6) + 6, "rcx", -3);                        \
    WITH_INDEX(M, "0x7f(%%rax,%%rcx,4)", "rax", AT(R, 7) - 0x7f - 12, "rcx", 3);             \
    WITH_INDEX(M, "0x1234(%%rax,%%rcx,8)", "rax", AT(R, 8) - 0x1234 - 24, "rcx", 3);         \
    WITH_BASE(M, "5(,%%rcx,8)", "rcx", (AT(R, 9) - 5) / 8);                                  \
    WITH_POINTER(M, "(%%rbp)", "rbp", AT(R, 10));                                            \
    WITH_POINTER(M, "-0x80(%%rbp)", "rbp", AT(R, 11) + 0x80);                                \
    WITH_POINTER(M, "(%%rsp)", "rsp", AT(R, 12));                                            \
    WITH_POINTER(M, "0x40(%%rsp)", "rsp", AT(R, 13) - 0x40);                                 \
    WITH_BASE(M, "(%%r8)", "r8", AT(R, 14));                                                 \
    WITH_BASE(M, "(%%r12)", "r12", AT(R, 15));                                               \
    WITH_BASE(M, "0x20(%%r12)", "r12", AT(R, 16) - 0x20);                                    \
    WITH_BASE(M, "(%%r13)", "r13", AT(R, 17));                                               \
    WITH_INDEX(M, "(%%r13,%%rax)", "r13", AT(R, 18) - 9, "rax", 9);                          \
    WITH_INDEX(M, "(%%rax,%%r12,8)", "rax", AT(R, 19) - 16, "r12", 2);                       \
    WITH_INDEX(M, "-0x8(%%r14,%%r15,4)", "r14", AT(R, 20) + 8 - 8, "r15", 2);                \
    WITH_CONSTANT(M, "flush_arena+%c0(%%rip)", OFFSET(R, 21));                               \
    WITH_CONSTANT(M, "flush_arena+%c0", OFFSET(R, 22));                                      \
    WITH_BASE(M, "%%fs:(%%rax)", "rax", AT(R, 23) - fs_base);                                \
    WITH_BASE(M, "%%gs:8(%%r9)", "r9", AT(R, 24) - gs_base - 8);                             \
    WITH_BASE(M, "(%%eax)", "rax", AT(R, 25) | JUNK);                                        \
    WITH_BASE(M, "0x10(%%r10d)", "r10", (AT(R, 26) - 0x10) | JUNK);                          \
    WITH_INDEX(M, "(%%eax,%%ecx,4)", "rax", (AT(R, 27) - 12) | JUNK, "rcx", 3 | JUNK);       \
    WITH_INDEX(M, "(%%eax,%%ecx)", "rax", (uint32_t)(AT(R, 28) + 0x10), "rcx", 0xfffffff0U); \
    WITH_CONSTANT(M, "flush_arena+%c0(%%eip)", OFFSET(R, 29));                               \
    WITH_BASE(".byte", REX_W, "rax", AT(R, 30));                                             \
    WITH_BASE("ds " M, "(%%rax)", "rax", AT(R, 31));                                         \
  }

/* The last argument: the instruction on (%rax) with a REX.W prefix, which changes nothing. */
DEFINE_FLUSH_EVERY_FORM(ClwbEveryForm, "clwb", 0, "0x66, 0x48, 0x0f, 0xae, 0x30")
DEFINE_FLUSH_EVERY_FORM(ClflushoptEveryForm, "clflushopt", 0x1000, "0x66, 0x48, 0x0f, 0xae, 0x38")
DEFINE_FLUSH_EVERY_FORM(ClflushEveryForm, "clflush", 0x2000, "0x48, 0x0f, 0xae, 0x38")

int main(int argc, char** argv) {
  uint64_t fs_base, gs_base = 0;
  RequireFlushes();
  MapFileAt(argc, argv, flush_arena);
  __asm__ volatile("movq %%fs:0, %0" : "=r"(fs_base)); /* by the ABI its own address is there */
  if (Option(argc, argv, "--gs") != NULL) {
    gs_base = (uint64_t)flush_arena;
    Check(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_base) == 0, "arch_prctl");
  }
  TestBegin();
  ClwbEveryForm(fs_base, gs_base);
  ClflushoptEveryForm(fs_base, gs_base);
  ClflushEveryForm(fs_base, gs_base);
  Sfence();
  TestEnd();
  return 0;
}
