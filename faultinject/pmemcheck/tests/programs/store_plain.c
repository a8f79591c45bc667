/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores of general registers and of constants, 1 to 8 bytes wide.
 *
 * Events: STORE 0x0 1, 0x2 2, 0x4 4, 0x8 8 from registers; 0x10 1, 0x12 2, 0x14 4, 0x18 8 of
 * constants (the last sign-extended from 32 bits); 0x21 2, 0x25 4, 0x29 8 not aligned; 0x38 1 of
 * the second byte of a register (movb %ah); 0x39 1 by SETcc; 0x3a 1 by ADD to memory, a
 * read-modify-write without a lock.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char* at = m.base;
  TestBegin();
  Store1(at, 0x11);
  Store2(at + 2, 0x2221);
  Store4(at + 4, 0x44434241);
  Store8(at + 8, 0x8887868584838281);
  __asm__ volatile(
      "movb $0x12, 0x10(%0)\n\t"
      "movw $0x2322, 0x12(%0)\n\t"
      "movl $0x54535251, 0x14(%0)\n\t"
      "movq $-2, 0x18(%0)"
      :
      : "r"(at)
      : "memory");
  Store2(at + 0x21, 0x3231);
  Store4(at + 0x25, 0x64636261);
  Store8(at + 0x29, 0x9897969594939291);
  __asm__ volatile(
      "movl $0x7a79, %%eax\n\t"
      "movb %%ah, 0x38(%0)\n\t"
      "cmpl %%eax, %%eax\n\t"
      "sete 0x39(%0)\n\t"
      "addb $5, 0x3a(%0)"
      :
      : "D"(at) /* %ah goes with no register above it */
      : "rax", "cc", "memory");
  TestEnd();
  return 0;
}
