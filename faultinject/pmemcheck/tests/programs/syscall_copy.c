/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that have the kernel write to the mapped file, and others that change it past the
 * mapping.
 *
 * The source is FILE.source, 70,000 bytes that count up, so that a copy takes more than one piece.
 * Events, all by system call but for the stores: WRITE pwrite 0x40 100 (sendfile), 0x100 16
 * (copy_file_range to an offset), 0x140 16 (to the position), 0x1000 60000 as one or more (sendfile
 * through a descriptor that only writes), 0x200 11 (splice from a pipe), 0x240 16 in two
 * (pwritev2), 0xfff0 16 (pwrite that appends, whatever its offset), STORE 0x8000 8, WRITE zero
 * 0x8000 4096 (madvise), truncate to 0xc000 and to 0x10000 (by path), STORE 0x0 8.
 */
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

enum { kSourceBytes = 70000 };

static int MakeSource(const char* beside) {
  static unsigned char bytes[kSourceBytes];
  char path[4096];
  int fd;
  snprintf(path, sizeof path, "%s.source", beside);
  for (int i = 0; i < kSourceBytes; i++) bytes[i] = (unsigned char)(i + i / 256);
  fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  Check(fd >= 0 && write(fd, bytes, sizeof bytes) == kSourceBytes, path);
  return fd;
}

static void Copy(const struct Mapping* m, int source, int write_only) {
  off_t from = 0, to = 0x100;
  Check(lseek(m->fd, 0x40, SEEK_SET) == 0x40, "lseek");
  Check(sendfile(m->fd, source, &from, 100) == 100, "sendfile");
  from = 7;
  Check(copy_file_range(source, &from, m->fd, &to, 16, 0) == 16, "copy_file_range");
  Check(lseek(m->fd, 0x140, SEEK_SET) == 0x140, "lseek");
  Check(copy_file_range(source, &from, m->fd, NULL, 16, 0) == 16, "copy_file_range");
  from = 0;
  Check(lseek(write_only, 0x1000, SEEK_SET) == 0x1000, "lseek");
  Check(sendfile(write_only, source, &from, 60000) == 60000, "sendfile");
}

static void Splice(const struct Mapping* m) {
  int ends[2];
  off_t to = 0x200;
  Check(pipe(ends) == 0 && write(ends[1], "eleven byte", 11) == 11, "pipe");
  Check(splice(ends[0], NULL, m->fd, &to, 11, 0) == 11, "splice");
}

/* Past glibc, which knows pwritev2 by other calls where it can. */
static void WriteVectors(const struct Mapping* m) {
  struct iovec two[2] = {{"ten bytes.", 10}, {"six b.", 6}};
  const long done = syscall(SYS_pwritev2, m->fd, two, 2, 0x240L, 0L, 0);
  /* Valgrind may not have it: then nothing is written. */
  if (done < 0) Check(pwritev(m->fd, two, 2, 0x240) == 16, "pwritev");
}

static void Append(const char* path) {
  const int fd = open(path, O_WRONLY | O_APPEND);
  Check(fd >= 0, path);
  Check(truncate(path, 0xfff0) == 0, "truncate");
  Check(pwrite(fd, "sixteen bytes ..", 16, 0x20) == 16, "pwrite");
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const int source = MakeSource(argv[1]);
  const int write_only = open(argv[1], O_WRONLY);
  Check(write_only >= 0, argv[1]);
  TestBegin();
  Copy(&m, source, write_only);
  Splice(&m);
  WriteVectors(&m);
  Append(argv[1]);
  Store8(m.base + 0x8000, 0x5a5a5a5a5a5a5a5a);
  Check(madvise(m.base + 0x8000, 4096, MADV_REMOVE) == 0, "madvise");
  Check(madvise(m.base, 4096, MADV_DONTNEED) == 0, "madvise");
  Check(truncate(argv[1], 0xc000) == 0, "truncate");
  Check(truncate(argv[1], 0x10000) == 0, "truncate");
  Store8(m.base, 1);
  TestEnd();
  return 0;
}
