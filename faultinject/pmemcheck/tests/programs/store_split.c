/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores that span two lines and two pages: one event of full width each.
 *
 * Events: STORE 0x3c 8, 0x7f 2, 0xbe 4, 0xf8 16, 0xffc 8 (over two pages), 0x1ff8 16 (over two
 * pages).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static const unsigned char kBytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  Store8(m.base + 0x3c, 0x0807060504030201);
  Store2(m.base + 0x7f, 0x0201);
  Store4(m.base + 0xbe, 0x04030201);
  Movups(m.base + 0xf8, kBytes);
  Store8(m.base + 0xffc, 0x1817161514131211);
  Movups(m.base + 0x1ff8, kBytes);
  TestEnd();
  return 0;
}
