/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores over the first and the last byte of a mapping: only the part inside is persistent.
 *
 * The file lies in the middle of ordinary memory. Events: STORE 0x0 4 (the upper half of 8 bytes
 * that begin before it), 0xfffc 4 (the lower half of 8 bytes that end after it), 0xfff0 8, plain.
 * With 64 KiB, the size that the offsets are for.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const size_t size_bytes = 65536 + 2 * kPageBytes;
  unsigned char* around =
      mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Check(around != MAP_FAILED, "mmap");
  const struct Mapping m = MapFileAt(argc, argv, around + kPageBytes);
  TestBegin();
  Store8(m.base - 4, 0x0807060504030201);
  Store8(m.base + m.size_bytes - 4, 0x1817161514131211);
  Store8(m.base + m.size_bytes - 16, 0x2827262524232221);
  TestEnd();
  return 0;
}
