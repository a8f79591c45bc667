/* SPDX-License-Identifier: BSD-3-Clause */
/* Locked read-modify-writes of the mapping: each is a fence and then a store that does not tear.
 *
 * The memory starts as zero. Events, all atomic: STORE 0x0 8 (lock incq), 0x8 4 (lock addl 5), 0x10
 * 8 (lock xaddq 7), 0x18 8 (xchg, which locks by itself), 0x20 1 (lock orb), 0x22 2 (lock subw 1),
 * 0x28 8 (lock btsq 3), 0x30 8 (lock negq: still zero), 0x38 8 (lock cmpxchgq that succeeds), 0x40
 * 8 (one that fails: a fence, and the old value again), 0x48 4 (lock cmpxchgl that succeeds), 0x4c
 * 1 (lock cmpxchgb that fails), 0x50 8 (lock notq), 0x58 8 (lock xorq), 0x60 8 (lock andq), 0x68 8
 * (lock decq).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  __asm__ volatile(
      "lock incq (%0)\n\t"
      "lock addl $5, 8(%0)\n\t"
      "movl $7, %%ecx\n\t"
      "lock xaddq %%rcx, 0x10(%0)\n\t"
      "movl $9, %%ecx\n\t"
      "xchgq %%rcx, 0x18(%0)\n\t"
      "lock orb $0x81, 0x20(%0)\n\t"
      "lock subw $1, 0x22(%0)\n\t"
      "lock btsq $3, 0x28(%0)\n\t"
      "lock negq 0x30(%0)\n\t"
      "movl $0x1234, %%ecx\n\t"
      "xorl %%eax, %%eax\n\t"
      "lock cmpxchgq %%rcx, 0x38(%0)\n\t"
      "movl $1, %%eax\n\t"
      "lock cmpxchgq %%rcx, 0x40(%0)\n\t"
      "xorl %%eax, %%eax\n\t"
      "lock cmpxchgl %%ecx, 0x48(%0)\n\t"
      "movl $1, %%eax\n\t"
      "lock cmpxchgb %%cl, 0x4c(%0)\n\t"
      "lock notq 0x50(%0)\n\t"
      "lock xorq $1, 0x58(%0)\n\t"
      "lock andq $1, 0x60(%0)\n\t"
      "lock decq 0x68(%0)"
      :
      : "r"(m.base)
      : "rax", "rcx", "cc", "memory");
  TestEnd();
  return 0;
}
