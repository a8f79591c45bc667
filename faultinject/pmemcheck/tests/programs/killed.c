/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that kills itself in the middle: its trace ends wherever the tool last wrote it.
 *
 * Events, for i = 0 .. N-1 (--count=N, 1,000 unless told): STORE 64*i 8, FLUSH clwb 64*i, FENCE
 * sfence; then SIGKILL. The store of 0xff over offset 0 that follows must not be there.
 */
#include <signal.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const unsigned long count = CountOption(argc, argv, 1000);
  RequireFlushes();
  Check(count * kLineBytes <= m.size_bytes, "--count: more lines than the file has");
  TestBegin();
  for (unsigned long i = 0; i < count; i++) {
    Store8(m.base + i * kLineBytes, i + 1);
    Clwb(m.base + i * kLineBytes);
    Sfence();
  }
  kill(getpid(), SIGKILL);
  Store8(m.base, 0xff);
  TestEnd();
  return 0;
}
