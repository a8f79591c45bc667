/* SPDX-License-Identifier: BSD-3-Clause */
/* A mapping taken apart, and parts of the file mapped again elsewhere.
 *
 * The mapping is 16 pages, 0x0 .. 0x10000. Events, where MAPPED is what of the file is mapped since
 * then: STORE 0x0 8; page 2 goes: MAPPED 0x0+0x2000 0x3000+0xd000; STORE 0x3000 8; the last two
 * pages go: MAPPED 0x0+0x2000 0x3000+0xb000; STORE 0x1000 8; page 2 comes back at another address:
 * MAPPED 0x0+0x2000 0x2000+0x1000 0x3000+0xb000; STORE 0x2008 8 (through it); page 0 a second time,
 * elsewhere: MAPPED 0x0+0x1000 0x0+0x2000 0x2000+0x1000 0x3000+0xb000; STORE 0x10 8 (through it),
 * STORE 0x18 8 (through the first); ordinary memory is mapped over the first's page 0: MAPPED
 * 0x0+0x1000 0x1000+0x1000 0x2000+0x1000 0x3000+0xb000; nothing for a store to that, for a private
 * mapping of the file, and for a store to it; STORE 0x1008 8.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

enum { kBoth = PROT_READ | PROT_WRITE };

/* Over a part of the room kept free, so that no mapping ends where another begins by chance. */
static unsigned char* MapPage(int fd, void* where, int flags, off_t offset) {
  void* at = mmap(where, kPageBytes, kBoth, flags | MAP_FIXED, fd, offset);
  Check(at == where, "mmap");
  return at;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char* room = mmap(NULL, 0x8000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char *page2, *page0;
  Check(room != MAP_FAILED, "mmap");
  TestBegin();
  Store8(m.base, 1);
  Check(munmap(m.base + 0x2000, kPageBytes) == 0, "munmap");
  Store8(m.base + 0x3000, 2);
  Check(munmap(m.base + 0xe000, 2 * (size_t)kPageBytes) == 0, "munmap");
  Store8(m.base + 0x1000, 3);
  page2 = MapPage(m.fd, room + 0x1000, MAP_SHARED, 0x2000);
  Store8(page2 + 8, 4);
  page0 = MapPage(m.fd, room + 0x3000, MAP_SHARED, 0);
  Store8(page0 + 0x10, 5);
  Store8(m.base + 0x18, 6);
  Store8(MapPage(-1, m.base, MAP_PRIVATE | MAP_ANONYMOUS, 0) + 0x20, 7);
  Store8(MapPage(m.fd, room + 0x5000, MAP_PRIVATE, 0x4000), 8);
  Store8(m.base + 0x1008, 9);
  TestEnd();
  return 0;
}
