/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that change the mapped file past the mapping.
 *
 * Events: STORE 0x0 8, plain; by system call STORE 0x40 16 (pwrite), 0x80 24 (write at the file's
 * position), 0x100 10 and 0x10a 6 as one or as two (pwritev), 0x2000 4096 of zeros (fallocate that
 * punches a hole over a stored 0x5a: STORE 0x2010 8 goes before it). Then the file is cut to 0x3000
 * bytes and grown again, so what stood at 0x4000 (STORE 0x4000 8 before) is zero in the end: how
 * that shows in the trace is the tool's affair, and the replay must end in the file. STORE 0x48 8
 * is last.
 */
#include <sys/uio.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  struct iovec two[2] = {{"ten bytes.", 10}, {"six b.", 6}};
  TestBegin();
  Store8(m.base, 0x0807060504030201);
  Check(pwrite(m.fd, "sixteen bytes ..", 16, 0x40) == 16, "pwrite");
  Check(lseek(m.fd, 0x80, SEEK_SET) == 0x80, "lseek");
  Check(write(m.fd, "twenty-four bytes ......", 24) == 24, "write");
  Check(pwritev(m.fd, two, 2, 0x100) == 16, "pwritev");
  Store8(m.base + 0x2010, 0x5a5a5a5a5a5a5a5a);
  Check(fallocate(m.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0x2000, 4096) == 0,
        "fallocate");
  Store8(m.base + 0x4000, 0x6b6b6b6b6b6b6b6b);
  Check(ftruncate(m.fd, 0x3000) == 0, "ftruncate");
  Check(ftruncate(m.fd, (off_t)m.size_bytes) == 0, "ftruncate");
  Store8(m.base + 0x48, 0x1817161514131211);
  TestEnd();
  return 0;
}
