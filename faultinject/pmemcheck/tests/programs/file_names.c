/* SPDX-License-Identifier: BSD-3-Clause */
/* Which file is which does not go by its name.
 *
 * FILE is linked as FILE.other and written to by that name. Then a new file takes that name, of 64
 * KiB that are mapped too, and is written to; FILE is renamed to FILE.moved and written to by that,
 * while a third file, which is never mapped, has its name and is written to; at last FILE is
 * renamed back. Events of the first file: STORE 0x0 8, WRITE pwrite 0x40 8, 0x80 8, STORE 0x100 8.
 * Writes to the others (at 0xc0 by pwrite, at 0x140 by a store) are not its.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static void WriteTo(const char* path, const char* text, off_t at) {
  const int fd = open(path, O_WRONLY);
  Check(fd >= 0, path);
  Check(pwrite(fd, text, 8, at) == 8, "pwrite");
  Check(close(fd) == 0, "close");
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  char other[4096], moved[4096];
  char* words[2] = {argv[0], other};
  struct Mapping second;
  snprintf(other, sizeof other, "%s.other", argv[1]);
  snprintf(moved, sizeof moved, "%s.moved", argv[1]);
  TestBegin();
  Store8(m.base, 1);
  Check(link(argv[1], other) == 0, "link");
  WriteTo(other, "by link ", 0x40);
  Check(unlink(other) == 0, "unlink");
  second = MapFile(2, words);
  WriteTo(other, "second's", 0xc0);
  Store8(second.base + 0x140, 2);
  Check(rename(argv[1], moved) == 0, "rename");
  Check(close(open(argv[1], O_WRONLY | O_CREAT, 0600)) == 0, argv[1]);
  WriteTo(argv[1], "third's ", 0xc0);
  WriteTo(moved, "as moved", 0x80);
  Store8(m.base + 0x100, 3);
  Check(rename(moved, argv[1]) == 0, "rename");
  TestEnd();
  return 0;
}
