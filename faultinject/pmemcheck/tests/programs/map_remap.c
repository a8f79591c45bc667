/* SPDX-License-Identifier: BSD-3-Clause */
/* mremap: shrink, grow where it is, and move.
 *
 * The file is 64 KiB, of which only 0x0 .. 0x4000 stay mapped at first, with room behind. Events:
 * STORE 0x0 8; shrink: MAPPED 0x0+0x2000; STORE 0x8 8; grow: MAPPED 0x0+0x8000; STORE 0x7000 8;
 * move to another address, and grow: MAPPED 0x0+0x10000; STORE 0x10 8 and 0xf000 8 (at the new
 * address); STORE of ordinary memory mapped at the old address: nothing; STORE 0x18 8.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const int both = PROT_READ | PROT_WRITE;
  unsigned char *moved, *target;
  void* old;
  Check(munmap(m.base + 0x4000, m.size_bytes - 0x4000) == 0, "munmap");
  TestBegin();
  Store8(m.base, 1);
  Check(mremap(m.base, 0x4000, 0x2000, 0) == m.base, "mremap to shrink");
  Store8(m.base + 8, 2);
  Check(mremap(m.base, 0x2000, 0x8000, 0) == m.base, "mremap to grow");
  Store8(m.base + 0x7000, 3);
  target = mmap(NULL, 0x10000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Check(target != MAP_FAILED, "mmap");
  moved = mremap(m.base, 0x8000, 0x10000, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  Check(moved == target, "mremap to move");
  Store8(moved + 0x10, 4);
  Store8(moved + 0xf000, 5);
  old = mmap(m.base, kPageBytes, both, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  Check(old == m.base, "mmap at the old address");
  Store8(old, 6);
  Store8(moved + 0x18, 7);
  TestEnd();
  return 0;
}
