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

static unsigned char* Map(int fd, size_t bytes, int protection, int flags, off_t offset) {
  void* at = mmap(NULL, bytes, protection, flags, fd, offset);
  Check(at != MAP_FAILED, "mmap");
  return at;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const int both = PROT_READ | PROT_WRITE;
  unsigned char *page2, *page0, *private_copy;
  void* over;
  TestBegin();
  Store8(m.base, 1);
  Check(munmap(m.base + 0x2000, kPageBytes) == 0, "munmap");
  Store8(m.base + 0x3000, 2);
  Check(munmap(m.base + 0xe000, 2 * (size_t)kPageBytes) == 0, "munmap");
  Store8(m.base + 0x1000, 3);
  page2 = Map(m.fd, kPageBytes, both, MAP_SHARED, 0x2000);
  Store8(page2 + 8, 4);
  page0 = Map(m.fd, kPageBytes, both, MAP_SHARED, 0);
  Store8(page0 + 0x10, 5);
  Store8(m.base + 0x18, 6);
  over = mmap(m.base, kPageBytes, both, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  Check(over == m.base, "mmap over a part");
  Store8(m.base + 0x20, 7);
  private_copy = Map(m.fd, kPageBytes, both, MAP_PRIVATE, 0x4000);
  Store8(private_copy, 8);
  Store8(m.base + 0x1008, 9);
  TestEnd();
  return 0;
}
