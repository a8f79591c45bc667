/* SPDX-License-Identifier: BSD-3-Clause */
/* A fork, of which parent and child store into the one mapping: a trace a process.
 *
 * Events of the parent: STORE 0x0 8, then after the child's end STORE 0x80 8, FLUSH clwb 0x80,
 * FENCE sfence. Events of the child, between the markers CHILD.BEGIN and CHILD.END: STORE 0x40 8,
 * FLUSH clwb 0x40, FENCE sfence. The child's trace holds nothing of the parent's, but for what is
 * mapped.
 */
#include <sys/wait.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  pid_t child;
  int status = 0;
  RequireFlushes();
  TestBegin();
  Store8(m.base, 1);
  child = fork();
  Check(child >= 0, "fork");
  if (child == 0) {
    VALGRIND_PMC_EMIT_LOG("CHILD.BEGIN");
    Store8(m.base + 0x40, 2);
    Clwb(m.base + 0x40);
    Sfence();
    VALGRIND_PMC_EMIT_LOG("CHILD.END");
    ExitAtOnce(0);
  }
  Check(waitpid(child, &status, 0) == child && status == 0, "waitpid");
  Store8(m.base + 0x80, 3);
  Clwb(m.base + 0x80);
  Sfence();
  TestEnd();
  return 0;
}
