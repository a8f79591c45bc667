/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack pointer moved into the mapping: PUSH and CALL store there.
 *
 * Events: STORE 0xff8 8 (push of a register), 0xff0 8 (push of a constant), 0xfe8 8 (the return
 * address of a call, whatever it is), 0xfe6 2 (pushw), 0x0 8 (pop to memory).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  __asm__ volatile(
      "movq %%rsp, %%r12\n\t"
      "leaq 0x1000(%0), %%rsp\n\t"
      "pushq %1\n\t"
      "pushq $0x12345678\n\t"
      "call 1f\n\t"
      "jmp 2f\n"
      "1:\tret\n"
      "2:\tleaq 0xfe8(%0), %%rsp\n\t"
      "pushw $0x1234\n\t"
      "leaq 0xff0(%0), %%rsp\n\t"
      "popq (%0)\n\t"
      "movq %%r12, %%rsp"
      :
      : "r"(m.base), "r"(0x0807060504030201)
      : "r12", "memory");
  TestEnd();
  return 0;
}
