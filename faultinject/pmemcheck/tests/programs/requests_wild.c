/* SPDX-License-Identifier: BSD-3-Clause */
/* Client requests of ranges that no program can have, and of memory that is not mapped.
 *
 * Events: STORE 0x0 8 and STORE 0x40 8, of which the second is flushed and fenced. Nothing that is
 * asked for in between changes either: a wild range holds neither the address nor, modulo 2^48,
 * what an address table might take for it.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static void Ask(const struct Mapping* m, void* at, size_t bytes) {
  (void)VALGRIND_PMC_CHECK_IS_PMEM_MAPPING(at, bytes);
  VALGRIND_PMC_REGISTER_PMEM_MAPPING(at, bytes);
  VALGRIND_PMC_REGISTER_PMEM_FILE(m->fd, at, bytes, 0);
  VALGRIND_PMC_DO_FLUSH(at, bytes);
  VALGRIND_PMC_SET_CLEAN(at, bytes);
  VALGRIND_PMC_DEEP_SYNC(at, bytes);
  VALGRIND_PMC_START_TX;
  VALGRIND_PMC_ADD_TO_TX(at, bytes);
  VALGRIND_PMC_REMOVE_FROM_TX(at, bytes);
  VALGRIND_PMC_END_TX;
  VALGRIND_PMC_ADD_TO_GLOBAL_TX_IGNORE(at, bytes);
  VALGRIND_PMC_REMOVE_PMEM_MAPPING(at, bytes);
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const uintptr_t base = (uintptr_t)m.base;
  RequireFlushes();
  TestBegin();
  Store8(m.base, 1);
  Ask(&m, NULL, 4);
  Ask(&m, (void*)16, 8);
  Ask(&m, (void*)(base + ((uintptr_t)1 << 48)), 8);
  Ask(&m, (void*)(base | (uintptr_t)0xffff << 48), 64);
  Ask(&m, (void*)base, SIZE_MAX);
  Ask(&m, (void*)(UINTPTR_MAX - 7), 8);
  Ask(&m, (void*)(UINTPTR_MAX - 7), 16);
  Ask(&m, (void*)base, 0);
  VALGRIND_PMC_REGISTER_PMEM_FILE(-1, (void*)4096, 4096, 0);
  VALGRIND_PMC_EMIT_LOG(NULL);
  VALGRIND_PMC_EMIT_LOG((void*)1);
  VALGRIND_PMC_EMIT_LOG((void*)(base + ((uintptr_t)1 << 48)));
  VALGRIND_PMC_EMIT_LOG((void*)UINTPTR_MAX);
  Store8(m.base + 0x40, 2);
  Clwb(m.base + 0x40);
  Sfence();
  TestEnd();
  return 0;
}
