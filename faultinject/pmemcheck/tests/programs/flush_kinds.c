/* SPDX-License-Identifier: BSD-3-Clause */
/* The three flush instructions, on the first, a middle and the last byte of a line.
 *
 * Events: for line 0, 1, 2 in turn STORE at its start, 8 bytes, then FLUSH clwb, clflushopt,
 * clflush of it (operand at byte 0, 33, 63); FENCE sfence; then FLUSH clwb 0xfc0 (operand 0xfff)
 * and 0x1000 (operand 0x1000), across the edge of a page; FENCE mfence.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  RequireFlushes();
  TestBegin();
  Store8(m.base, 1);
  Clwb(m.base);
  Store8(m.base + 0x40, 2);
  Clflushopt(m.base + 0x40 + 33);
  Store8(m.base + 0x80, 3);
  Clflush(m.base + 0x80 + 63);
  Sfence();
  Clwb(m.base + 0xfff);
  Clwb(m.base + 0x1000);
  Mfence();
  TestEnd();
  return 0;
}
