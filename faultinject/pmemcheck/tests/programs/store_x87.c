/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores of the x87 unit: the 10-byte one, and floats that are no integers to Valgrind.
 *
 * Events: STORE 0x0 10 (fstpt of 1.0), 0x10 8 (fstpl), 0x18 4 (fstps), 0x20 8 (fistpll of 1),
 * 0x28 4 (fistpl), 0x2c 2 (fistps).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  __asm__ volatile(
      "fld1\n\tfstpt (%0)\n\t"
      "fld1\n\tfstpl 0x10(%0)\n\t"
      "fld1\n\tfstps 0x18(%0)\n\t"
      "fld1\n\tfistpll 0x20(%0)\n\t"
      "fld1\n\tfistpl 0x28(%0)\n\t"
      "fld1\n\tfistps 0x2c(%0)"
      :
      : "r"(m.base)
      : "st", "memory");
  TestEnd();
  return 0;
}
