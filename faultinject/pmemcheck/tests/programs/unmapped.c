/* SPDX-License-Identifier: BSD-3-Clause */
/* What is not durable when its mapping ends stays so, whatever is mapped there next; and msync
 * without MS_SYNC writes nothing back.
 *
 * Reported: the store before munmap, and the one before msync(MS_ASYNC). Both lines are flushed and
 * fenced in the end, at the same address, in another mapping.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  void* again;
  *(volatile uint64_t*)m.base = 1;          /* mistake: unmapped */
  *(volatile uint64_t*)(m.base + 4096) = 2; /* mistake: msync-async */
  Check(msync(m.base + 4096, 4096, MS_ASYNC) == 0, "msync");
  Check(munmap(m.base, m.size_bytes) == 0, "munmap");
  again = mmap(m.base, m.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m.fd, 0);
  Check(again == m.base, "mmap");
  Clwb(m.base);
  Clwb(m.base + 4096);
  Sfence();
  return 0;
}
