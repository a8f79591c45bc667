/* SPDX-License-Identifier: BSD-3-Clause */
/* --count=N stores (1,000,000 unless told), none of them flushed: what the tool keeps grows with
 * them.
 *
 * Store i is of i + 1, 8 bytes. Events: STORE 8*i 8 for i = 0 .. N-1; then nothing is persistent.
 * The file must hold 8*N bytes.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const unsigned long count = CountOption(argc, argv, 1000000);
  Check(count * 8 <= m.size_bytes, "--count: more stores than the file has room for");
  TestBegin();
  for (unsigned long i = 0; i < count; i++) Store8(m.base + i * 8, i + 1);
  TestEnd();
  return 0;
}
