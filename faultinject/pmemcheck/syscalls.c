/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that change what is persistent, or what it holds.

   Mappings are found by themselves: MAP_SHARED of a file whose path matches --pmem. Bytes that a
   system call writes into client memory (read, recv, ...) are announced by Valgrind's core. */
#include <pub_tool_libcfile.h>
#include <pub_tool_seqmatch.h>
#include <pub_tool_vki.h>
#include <pub_tool_vkiscnums.h>

#include "faultinject/pmemcheck/tool.h"

enum { kMsAsync = 1 }; /* MS_ASYNC, which VKI does not name */

static Bool matches_a_glob(const HChar* path) {
  for (Int i = 0; i < options.pmem_glob_count; ++i) {
    if (VG_(string_match)(options.pmem_globs[i], path)) return True;
  }
  return False;
}

/* The path behind a descriptor of the client's; False if there is none. */
static Bool path_of(Int descriptor, HChar* path, SizeT room) {
  HChar link[64];
  SSizeT length;
  VG_(sprintf)(link, "/proc/self/fd/%d", descriptor);
  length = VG_(readlink)(link, path, room - 1);
  if (length < 0) return False;
  path[length] = '\0';
  return True;
}

static void after_mmap(ThreadId tid, const UWord* a, Addr address) {
  HChar path[VKI_PATH_MAX];
  const UWord type = a[3] & 0x0f; /* MAP_SHARED or MAP_SHARED_VALIDATE, which VKI does not name */
  event_unmap(tid, address, a[1]);
  if (options.pmem_glob_count == 0 || (type != VKI_MAP_SHARED && type != 3)) return;
  if ((a[3] & VKI_MAP_ANONYMOUS) != 0 || !path_of((Int)a[4], path, sizeof(path))) return;
  if (matches_a_glob(path)) {
    event_map(tid, address, VG_PGROUNDUP(a[1]), path, a[5], /*requested=*/False);
  }
}

static void after_mremap(ThreadId tid, const UWord* a, Addr address) {
  const struct pmc_range* range = pmc_ranges_find(&mappings, a[0]);
  const Addr old = a[0];
  const SizeT old_bytes = a[1], new_bytes = VG_PGROUNDUP(a[2]);
  UInt file;
  ULong offset;
  if (range == NULL) {
    event_unmap(tid, address, new_bytes);
    return;
  }
  file = (UInt)range->value;
  offset = old - range->base;
  event_unmap(tid, old, old_bytes);
  event_map(tid, address, new_bytes, file == 0 ? NULL : file_path(file), offset,
            /*requested=*/False);
}

/* A sync of a file makes all of its mappings durable. */
static void after_fsync(ThreadId tid, Int descriptor) {
  HChar path[VKI_PATH_MAX];
  const struct pmc_range* range;
  if (mappings.count == 0 || !path_of(descriptor, path, sizeof(path))) return;
  range = pmc_ranges_from(&mappings, 0);
  for (; range != NULL; range = pmc_ranges_from(&mappings, range->end)) {
    if (VG_(strcmp)(file_path((UInt)range->value), path) == 0) {
      event_sync(tid, range->begin, range->end - range->begin, SYNC_FSYNC, context_of_thread(tid));
    }
  }
}

void before_syscall(ThreadId tid, UInt number, UWord* arguments, UInt count) {
  (void)tid, (void)number, (void)arguments, (void)count;
}

void after_syscall(ThreadId tid, UInt number, UWord* a, UInt count, SysRes result) {
  (void)count;
  if (sr_isError(result)) return;
  switch (number) {
    case __NR_mmap:
      after_mmap(tid, a, sr_Res(result));
      break;
    case __NR_munmap:
      event_unmap(tid, a[0], VG_PGROUNDUP(a[1]));
      break;
    case __NR_mremap:
      after_mremap(tid, a, sr_Res(result));
      break;
    case __NR_msync:
      if ((a[2] & kMsAsync) == 0 &&
          pmc_ranges_coverage(&mappings, a[0], a[0] + a[1]) != PMC_OUTSIDE) {
        event_sync(tid, a[0], a[1], SYNC_MSYNC, context_of_thread(tid));
      }
      break;
    case __NR_fsync:
    case __NR_fdatasync:
      after_fsync(tid, (Int)a[0]);
      break;
    default:
      break;
  }
}

void after_core_write(CorePart part, ThreadId tid, Addr address, SizeT bytes) {
  const Addr end = address + bytes;
  const struct pmc_range* range;
  if (part != Vg_CoreSysCall || mappings.count == 0 || bytes == 0) return;
  range = pmc_ranges_from(&mappings, address);
  for (; range != NULL && range->begin < end; range = pmc_ranges_from(&mappings, range->end)) {
    const Addr from = range->begin > address ? range->begin : address;
    const Addr to = range->end < end ? range->end : end;
    event_store(tid, from, to - from, SITE_SYSCALL, context_of_thread(tid));
  }
}
