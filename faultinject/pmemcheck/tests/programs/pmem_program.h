/* SPDX-License-Identifier: BSD-3-Clause */
/* What the test programs share: the mapped file, the markers, and each instruction as a function.
 *
 * Command line of every program: PROGRAM FILE [SIZE_BYTES] [--register] [--count=N] [...]
 * FILE is made anew, SIZE_BYTES long (64 KiB unless told) and all zero, and mapped MAP_SHARED.
 * --register announces the mapping by client request too.
 *
 * Exit codes: 0 done, 1 a value came back wrong, 2 usage or environment, 77 skipped: this CPU lacks
 * an instruction.
 *
 * Invariants:
 *   1. Between TestBegin() and TestEnd() nothing touches the mapping but what the program's top
 *      comment lists. Each instruction is inline assembly: the compiler neither merges nor moves
 * it.
 *   2. A program never waits with a locked instruction where that would order what is tested.
 * Compiled with -D_GNU_SOURCE, linked with -z now (the loader's lazy binding is full of fences).
 * x86-64 only.
 */
#ifndef FENCEPOST_PMEMCHECK_TESTS_PMEM_PROGRAM_H
#define FENCEPOST_PMEMCHECK_TESTS_PMEM_PROGRAM_H

#include <cpuid.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <valgrind/pmemcheck.h>

enum { kExitWrong = 1, kExitUsage = 2, kExitSkipped = 77, kLineBytes = 64, kPageBytes = 4096 };

struct Mapping {
  unsigned char* base;
  size_t size_bytes;
  int fd;
};

/* ---- Command line and file ---- */

static inline void Check(int is_true, const char* what) {
  if (!is_true) {
    perror(what);
    exit(kExitUsage);
  }
}

/* The text after `prefix` (like "--only=") in the argument that starts with it, or NULL. */
static inline const char* Option(int argc, char** argv, const char* prefix) {
  for (int i = 2; i < argc; i++) {
    if (strncmp(argv[i], prefix, strlen(prefix)) == 0) return argv[i] + strlen(prefix);
  }
  return NULL;
}

static inline unsigned long CountOption(int argc, char** argv, unsigned long otherwise) {
  const char* text = Option(argc, argv, "--count=");
  return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

/* Makes the file and maps it; at `where` (page-aligned, replaced) where that is not NULL. */
static inline struct Mapping MapFileAt(int argc, char** argv, void* where) {
  struct Mapping m;
  const int flags = MAP_SHARED | (where != NULL ? MAP_FIXED : 0);
  void* address;
  if (argc < 2) {
    fprintf(stderr, "usage: %s FILE [SIZE_BYTES] [--register] [--count=N]\n", argv[0]);
    exit(kExitUsage);
  }
  m.size_bytes = argc > 2 && argv[2][0] != '-' ? strtoul(argv[2], NULL, 0) : 65536;
  m.fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
  Check(m.fd >= 0, argv[1]);
  Check(ftruncate(m.fd, (off_t)m.size_bytes) == 0, "ftruncate");
  address = mmap(where, m.size_bytes, PROT_READ | PROT_WRITE, flags, m.fd, 0);
  Check(address != MAP_FAILED, "mmap");
  m.base = address;
  if (Option(argc, argv, "--register") != NULL) {
    VALGRIND_PMC_REGISTER_PMEM_MAPPING(m.base, m.size_bytes);
  }
  return m;
}

static inline struct Mapping MapFile(int argc, char** argv) { return MapFileAt(argc, argv, NULL); }

/* ---- The part of the program that is compared ---- */

static inline void TestBegin(void) { VALGRIND_PMC_EMIT_LOG("TEST.BEGIN"); }
static inline void TestEnd(void) { VALGRIND_PMC_EMIT_LOG("TEST.END"); }

/* Ends the process with no code of libc, whose locked instructions are fences. */
static inline void ExitAtOnce(int code) {
  syscall(SYS_exit_group, code);
  __builtin_unreachable();
}

/* A value that only the tool can get right. */
static inline void ExpectUnderValgrind(long is, long expected, const char* what) {
  if (is != expected && RUNNING_ON_VALGRIND) {
    fprintf(stderr, "%s: returned %ld, expected %ld\n", what, is, expected);
    exit(kExitWrong);
  }
}

/* ---- What this CPU has ---- */

static inline void RequireFeature(int has, const char* name) {
  if (has) return;
  fprintf(stderr, "skipped: this CPU has no %s\n", name);
  exit(kExitSkipped);
}

/* Valgrind's CPUID may hide CLWB and CLFLUSHOPT from the program; the tool runs them all the same.
 */
static inline void RequireFlushes(void) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (RUNNING_ON_VALGRIND) return;
  __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
  RequireFeature((ebx >> 23 & 1) != 0, "clflushopt");
  RequireFeature((ebx >> 24 & 1) != 0, "clwb");
}

/* ---- Stores ---- */

static inline void Store1(void* to, uint8_t value) {
  __asm__ volatile("movb %1, (%0)" : : "r"(to), "q"(value) : "memory");
}
static inline void Store2(void* to, uint16_t value) {
  __asm__ volatile("movw %1, (%0)" : : "r"(to), "r"(value) : "memory");
}
static inline void Store4(void* to, uint32_t value) {
  __asm__ volatile("movl %1, (%0)" : : "r"(to), "r"(value) : "memory");
}
static inline void Store8(void* to, uint64_t value) {
  __asm__ volatile("movq %1, (%0)" : : "r"(to), "r"(value) : "memory");
}
static inline void Movups(void* to, const void* from) {
  __asm__ volatile("movups (%1), %%xmm0\n\tmovups %%xmm0, (%0)"
                   :
                   : "r"(to), "r"(from)
                   : "xmm0", "memory");
}
static inline void Vmovups(void* to, const void* from) {
  __asm__ volatile("vmovups (%1), %%ymm0\n\tvmovups %%ymm0, (%0)\n\tvzeroupper"
                   :
                   : "r"(to), "r"(from)
                   : "xmm0", "memory");
}

/* ---- Non-temporal stores; `to` of the wide ones is aligned to their width ---- */

static inline void Movnti4(void* to, uint32_t value) {
  __asm__ volatile("movntil %1, (%0)" : : "r"(to), "r"(value) : "memory");
}
static inline void Movnti8(void* to, uint64_t value) {
  __asm__ volatile("movntiq %1, (%0)" : : "r"(to), "r"(value) : "memory");
}
static inline void Movntq(void* to, const void* from) {
  __asm__ volatile("movq (%1), %%mm0\n\tmovntq %%mm0, (%0)\n\temms"
                   :
                   : "r"(to), "r"(from)
                   : "mm0", "memory");
}
static inline void Movntdq(void* to, const void* from) {
  __asm__ volatile("movdqu (%1), %%xmm0\n\tmovntdq %%xmm0, (%0)"
                   :
                   : "r"(to), "r"(from)
                   : "xmm0", "memory");
}
static inline void Movntps(void* to, const void* from) {
  __asm__ volatile("movups (%1), %%xmm0\n\tmovntps %%xmm0, (%0)"
                   :
                   : "r"(to), "r"(from)
                   : "xmm0", "memory");
}
static inline void Movntpd(void* to, const void* from) {
  __asm__ volatile("movupd (%1), %%xmm0\n\tmovntpd %%xmm0, (%0)"
                   :
                   : "r"(to), "r"(from)
                   : "xmm0", "memory");
}
static inline void Vmovntdq(void* to, const void* from) {
  __asm__ volatile("vmovdqu (%1), %%ymm0\n\tvmovntdq %%ymm0, (%0)\n\tvzeroupper"
                   :
                   : "r"(to), "r"(from)
                   : "xmm0", "memory");
}
/* Stores the bytes of from[0..16) whose byte of mask[0..16) has its highest bit set. */
static inline void Maskmovdqu(void* to, const void* from, const void* mask) {
  __asm__ volatile("movdqu (%1), %%xmm0\n\tmovdqu (%2), %%xmm1\n\tmaskmovdqu %%xmm1, %%xmm0"
                   :
                   : "D"(to), "r"(from), "r"(mask)
                   : "xmm0", "xmm1", "memory");
}

/* ---- Flushes and fences ---- */

static inline void Clwb(const void* at) { __asm__ volatile("clwb (%0)" : : "r"(at) : "memory"); }
static inline void Clflushopt(const void* at) {
  __asm__ volatile("clflushopt (%0)" : : "r"(at) : "memory");
}
static inline void Clflush(const void* at) {
  __asm__ volatile("clflush (%0)" : : "r"(at) : "memory");
}
static inline void Sfence(void) { __asm__ volatile("sfence" : : : "memory"); }
static inline void Mfence(void) { __asm__ volatile("mfence" : : : "memory"); }
static inline void Lfence(void) { __asm__ volatile("lfence" : : : "memory"); }

/* ---- Two threads that take turns ----
 * Plain loads and stores and sched_yield: no locked instruction that would be a fence too.
 */

static inline void WaitForTurn(const volatile int* turn, int mine) {
  while (*turn != mine) sched_yield();
  __asm__ volatile("" : : : "memory");
}
static inline void GiveTurn(volatile int* turn, int next) {
  __asm__ volatile("" : : : "memory");
  *turn = next;
}

#endif /* FENCEPOST_PMEMCHECK_TESTS_PMEM_PROGRAM_H */
