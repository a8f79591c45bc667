/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that change what is persistent, or what it holds; file_writes.c has those that write
   to a file past its mapping.

   Mappings are found by themselves: MAP_SHARED of a file whose path matches --pmem. Bytes that a
   system call writes into client memory (read, recv, ...) are announced by Valgrind's core. */
#include <pub_tool_seqmatch.h>
#include <pub_tool_vki.h>
#include <pub_tool_vkiscnums.h>

#include "faultinject/pmemcheck/tool.h"

/* MS_SYNC, MADV_DONTNEED and MADV_REMOVE, which VKI does not name. */
enum { kMsSync = 4, kDontNeed = 4, kRemove = 9 };
/* AT_FDCWD, which it does not name either. */
enum { kAtCurrentFolder = -100 };
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#endif

static Bool matches_a_glob(const HChar* path) {
  for (Int i = 0; i < options.pmem_glob_count; ++i) {
    if (VG_(string_match)(options.pmem_globs[i], path)) return True;
  }
  return False;
}

static void after_mmap(ThreadId tid, const UWord* a, Addr address) {
  HChar path[VKI_PATH_MAX];
  const UWord type = a[3] & 0x0f; /* MAP_SHARED or MAP_SHARED_VALIDATE, which VKI does not name */
  event_unmap(tid, address, VG_PGROUNDUP(a[1]));
  if (options.pmem_glob_count == 0 || (type != VKI_MAP_SHARED && type != 3)) return;
  if ((a[3] & VKI_MAP_ANONYMOUS) != 0 || !path_of((Int)a[4], path, sizeof(path))) return;
  if (matches_a_glob(path)) {
    event_map(tid, address, VG_PGROUNDUP(a[1]), file_to_map((Int)a[4], path), a[5],
              /*requested=*/False);
  }
}

/* A sync of a file makes all of its mappings durable. */
static void after_fsync(ThreadId tid, Int descriptor) {
  const struct pmc_range* range;
  const UInt file = mappings.count == 0 ? 0 : file_behind(descriptor);
  if (file == 0) return;
  range = pmc_ranges_from(&mappings, 0);
  for (; range != NULL; range = pmc_ranges_from(&mappings, range->end)) {
    if (file_of(range) != file) continue;
    event_sync(tid, range->begin, range->end - range->begin, SYNC_FSYNC, context_of_thread(tid));
  }
}

/* A shared file keeps what is not needed; memory that is no file is asked what it holds now. */
static void after_madvise(ThreadId tid, Addr begin, Addr end, UWord advice) {
  const struct pmc_range* range;
  if (advice != kRemove && advice != kDontNeed) return;
  range = pmc_ranges_from(&mappings, begin);
  for (; range != NULL && range->begin < end; range = pmc_ranges_from(&mappings, range->end)) {
    const Addr from = range->begin > begin ? range->begin : begin;
    const Addr to = range->end < end ? range->end : end;
    const UInt file = file_of(range);
    if (file == 0) {
      event_store(tid, from, to - from, SITE_SYSCALL, context_of_thread(tid));
    } else if (advice == kRemove) {
      event_file_write(tid, file, offset_of(range, from), to - from, 0, WRITE_ZERO);
    }
  }
}

void before_syscall(ThreadId tid, UInt number, UWord* arguments, UInt count) {
  (void)tid, (void)count;
  if (number == __NR_execve) before_exec(kAtCurrentFolder, arguments[0]);
  if (number == __NR_execveat) before_exec((Int)arguments[0], arguments[1]);
}

void after_syscall(ThreadId tid, UInt number, UWord* a, UInt count, SysRes result) {
  (void)count;
  if (sr_isError(result)) {
    if (number == __NR_execve || number == __NR_execveat) after_failed_exec();
    return;
  }
  switch (number) {
    case __NR_mmap:
      after_mmap(tid, a, sr_Res(result));
      break;
    case __NR_munmap:
      event_unmap(tid, a[0], VG_PGROUNDUP(a[1]));
      break;
    case __NR_mremap:
      event_remap(tid, a[0], VG_PGROUNDUP(a[1]), sr_Res(result), VG_PGROUNDUP(a[2]));
      break;
    case __NR_msync:
      if ((a[2] & kMsSync) != 0 &&
          pmc_ranges_coverage(&mappings, a[0], a[0] + a[1]) != PMC_OUTSIDE) {
        event_sync(tid, a[0], VG_PGROUNDUP(a[1]), SYNC_MSYNC, context_of_thread(tid));
      }
      break;
    case __NR_madvise:
      after_madvise(tid, a[0], a[0] + VG_PGROUNDUP(a[1]), a[2]);
      break;
    case __NR_io_uring_setup:
      report_unseen("io_uring_setup", "what is written through its rings");
      break;
    case __NR_io_setup:
      report_unseen("io_setup", "what is written asynchronously");
      break;
    case __NR_fsync:
    case __NR_fdatasync:
      after_fsync(tid, (Int)a[0]);
      break;
    default:
      after_file_write(tid, number, a, sr_Res(result));
      break;
  }
}

void after_core_write(CorePart part, ThreadId tid, Addr address, SizeT bytes) {
  if (part != Vg_CoreSysCall || mappings.count == 0 || bytes == 0) return;
  if (pmc_ranges_coverage(&mappings, address, address + bytes) == PMC_OUTSIDE) return;
  event_store(tid, address, bytes, SITE_SYSCALL, context_of_thread(tid));
}
