/* SPDX-License-Identifier: BSD-3-Clause */
/* Persistence by system call: msync, fsync and fdatasync.
 *
 * Events: STORE 0x0 8, SYNC msync 0x0 4096, STORE 0x1000 8, SYNC msync 0x1000 8192 (MS_SYNC of two
 * pages), STORE 0x8 8, SYNC fsync, STORE 0x10 8, SYNC fdatasync, STORE 0x18 8. A msync with
 * MS_ASYNC and one that fails (address not aligned) and an fsync that fails (no file) in between
 * are nothing.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  Store8(m.base, 1);
  Check(msync(m.base, kPageBytes, MS_SYNC) == 0, "msync");
  Store8(m.base + 0x1000, 2);
  Check(msync(m.base + 0x1000, 2 * (size_t)kPageBytes, MS_SYNC) == 0, "msync");
  Check(msync(m.base, kPageBytes, MS_ASYNC) == 0, "msync");
  Check(msync(m.base + 8, kPageBytes, MS_SYNC) != 0, "msync of no page must fail");
  Check(fsync(-1) != 0, "fsync of no file must fail");
  Store8(m.base + 8, 3);
  Check(fsync(m.fd) == 0, "fsync");
  Store8(m.base + 0x10, 4);
  Check(fdatasync(m.fd) == 0, "fdatasync");
  Store8(m.base + 0x18, 5);
  TestEnd();
  return 0;
}
