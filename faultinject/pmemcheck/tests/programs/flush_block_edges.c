/* SPDX-License-Identifier: BSD-3-Clause */
/* CLWB and CLFLUSHOPT at the edges of a basic block, where a block translator may lose them.
 *
 * Events, in order: FLUSH clwb 0x0 (a jump's target), clwb 0x40 (the target of the next jump, and
 * the last before a call), clwb 0x80 (first of the called function), clflushopt 0xc0 (last before
 * its return), clwb 0x100 (first after the return), clwb 0x140 and clflushopt 0x180 and clwb 0x1c0
 * (three in a row), clwb 0x200 three times (a loop of its own), STORE 0x240 8, FLUSH clwb 0x240,
 * STORE 0x248 8, FLUSH clflushopt 0x240, FENCE sfence, STORE 0x250 8 (stores and flushes of one
 * block, in order), FLUSH clwb 0x280 (between a comparison and the branch on it: the flags
 * survive), FLUSH clwb 0x2c0 (last before a system call). Exit code 1 where a register or a flag
 * did not survive.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static int JumpsAndCalls(unsigned char* at) {
  uint64_t count = 3;
  __asm__ volatile(
      "subq $128, %%rsp\n\t" /* over the red zone: the call below pushes */
      "jmp 1f\n\t"
      "nop\n"
      "1:\tclwb (%1)\n\t"
      "jmp 2f\n\t"
      "nop\n"
      "2:\tclwb 0x40(%1)\n\t"
      "call 3f\n\t"
      "clwb 0x100(%1)\n\t"
      "jmp 4f\n"
      "3:\tclwb 0x80(%1)\n\t"
      "clflushopt 0xc0(%1)\n\t"
      "ret\n"
      "4:\tclwb 0x140(%1)\n\t"
      "clflushopt 0x180(%1)\n\t"
      "clwb 0x1c0(%1)\n"
      "5:\tclwb 0x200(%1)\n\t"
      "decq %0\n\t"
      "jnz 5b\n\t"
      "addq $128, %%rsp"
      : "+r"(count)
      : "r"(at)
      : "cc", "memory");
  return count == 0;
}

static int FlagsAndRegistersSurvive(unsigned char* at) {
  uint64_t left = 0x1234, right = 0x1234, survived = 0;
  __asm__ volatile(
      "cmpq %1, %2\n\t"
      "clwb 0x280(%3)\n\t"
      "jne 1f\n\t"
      "movq %1, %0\n"
      "1:"
      : "+r"(survived)
      : "r"(left), "r"(right), "r"(at)
      : "cc", "memory");
  return survived == 0x1234;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  int good;
  long result = 0;
  RequireFlushes();
  TestBegin();
  good = JumpsAndCalls(m.base);
  __asm__ volatile(
      "movq %1, 0x240(%0)\n\t"
      "clwb 0x240(%0)\n\t"
      "movq %1, 0x248(%0)\n\t"
      "clflushopt 0x248(%0)\n\t"
      "sfence\n\t"
      "movq %1, 0x250(%0)"
      :
      : "r"(m.base), "r"(0x0807060504030201)
      : "memory");
  good &= FlagsAndRegistersSurvive(m.base);
  __asm__ volatile("clwb 0x2c0(%1)\n\tsyscall"
                   : "=a"(result)
                   : "r"(m.base), "a"((long)SYS_getpid)
                   : "rcx", "r11", "memory");
  good &= result == getpid();
  TestEnd();
  return good ? 0 : kExitWrong;
}
