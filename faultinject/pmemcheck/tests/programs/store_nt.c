/* SPDX-License-Identifier: BSD-3-Clause */
/* Non-temporal stores of each kind, and one plain store between them.
 *
 * Events: STORE nt 0x0 4 (movnti), 0x8 8 (movnti), 0x10 16 (movntdq), 0x20 16 (movntps), 0x30 16
 * (movntpd), 0x40 8 (movntq); STORE 0x48 8, plain; FENCE sfence.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static const unsigned char kBytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  Movnti4(m.base, 0x44434241);
  Movnti8(m.base + 8, 0x8887868584838281);
  Movntdq(m.base + 0x10, kBytes);
  Movntps(m.base + 0x20, kBytes);
  Movntpd(m.base + 0x30, kBytes);
  Movntq(m.base + 0x40, kBytes);
  Store8(m.base + 0x48, 0x9897969594939291);
  Sfence();
  TestEnd();
  return 0;
}
