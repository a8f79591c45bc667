/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that change what is persistent, or what it holds.

   Mappings are found by themselves: MAP_SHARED of a file whose path matches --pmem. Bytes that a
   system call writes into client memory (read, recv, ...) are announced by Valgrind's core. */
#include <pub_tool_libcfile.h>
#include <pub_tool_seqmatch.h>
#include <pub_tool_vki.h>
#include <pub_tool_vkiscnums.h>

#include "faultinject/pmemcheck/tool.h"

/* MS_SYNC, FALLOC_FL_PUNCH_HOLE and FALLOC_FL_ZERO_RANGE, which VKI does not name. */
enum { kMsSync = 4, kPunchHole = 2, kZeroRange = 16 };

static Bool matches_a_glob(const HChar* path) {
  for (Int i = 0; i < options.pmem_glob_count; ++i) {
    if (VG_(string_match)(options.pmem_globs[i], path)) return True;
  }
  return False;
}

Bool path_of(Int descriptor, HChar* path, SizeT room) {
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
  event_unmap(tid, address, VG_PGROUNDUP(a[1]));
  if (options.pmem_glob_count == 0 || (type != VKI_MAP_SHARED && type != 3)) return;
  if ((a[3] & VKI_MAP_ANONYMOUS) != 0 || !path_of((Int)a[4], path, sizeof(path))) return;
  if (matches_a_glob(path)) {
    event_map(tid, address, VG_PGROUNDUP(a[1]), path, a[5], /*requested=*/False);
  }
}

/* A sync of a file makes all of its mappings durable. */
static void after_fsync(ThreadId tid, Int descriptor) {
  HChar path[VKI_PATH_MAX];
  const struct pmc_range* range;
  if (mappings.count == 0 || !path_of(descriptor, path, sizeof(path))) return;
  range = pmc_ranges_from(&mappings, 0);
  for (; range != NULL; range = pmc_ranges_from(&mappings, range->end)) {
    if (VG_(strcmp)(file_path(file_of(range)), path) == 0) {
      event_sync(tid, range->begin, range->end - range->begin, SYNC_FSYNC, context_of_thread(tid));
    }
  }
}

/* Where a descriptor that was written to without an offset stands now. */
static ULong position_of(Int descriptor) {
  const Off64T at = VG_(lseek)(descriptor, 0, VKI_SEEK_CUR);
  return at < 0 ? 0 : (ULong)at;
}

static void after_vector(ThreadId tid, const HChar* path, const struct vki_iovec* pieces,
                         UWord count, ULong offset, ULong left) {
  for (UWord i = 0; i < count && left > 0; ++i) {
    const ULong bytes = pieces[i].iov_len < left ? pieces[i].iov_len : left;
    if (bytes > 0) {
      event_file_write(tid, path, offset, bytes, (Addr)pieces[i].iov_base, WRITE_BYTES);
    }
    offset += bytes;
    left -= bytes;
  }
}

static void after_file_write(ThreadId tid, UInt number, const UWord* a, ULong done) {
  HChar path[VKI_PATH_MAX];
  if (mappings.count == 0 || !path_of((Int)a[0], path, sizeof(path))) return;
  switch (number) {
    case __NR_write:
      if (done > 0) {
        event_file_write(tid, path, position_of((Int)a[0]) - done, done, a[1], WRITE_BYTES);
      }
      break;
    case __NR_pwrite64:
      if (done > 0) event_file_write(tid, path, a[3], done, a[1], WRITE_BYTES);
      break;
    case __NR_writev:
      after_vector(tid, path, (const struct vki_iovec*)a[1], a[2], position_of((Int)a[0]) - done,
                   done);
      break;
    case __NR_pwritev:
      after_vector(tid, path, (const struct vki_iovec*)a[1], a[2], a[3], done);
      break;
    case __NR_ftruncate:
      event_file_write(tid, path, a[1], 0, 0, WRITE_TRUNCATE);
      break;
    case __NR_fallocate:
      event_file_write(tid, path, a[2], a[3], 0,
                       (a[1] & (kPunchHole | kZeroRange)) != 0 ? WRITE_ZERO : WRITE_ALLOCATE);
      break;
    default:
      break;
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
      event_remap(tid, a[0], VG_PGROUNDUP(a[1]), sr_Res(result), VG_PGROUNDUP(a[2]));
      break;
    case __NR_msync:
      if ((a[2] & kMsSync) != 0 &&
          pmc_ranges_coverage(&mappings, a[0], a[0] + a[1]) != PMC_OUTSIDE) {
        event_sync(tid, a[0], VG_PGROUNDUP(a[1]), SYNC_MSYNC, context_of_thread(tid));
      }
      break;
    case __NR_write:
    case __NR_pwrite64:
    case __NR_writev:
    case __NR_pwritev:
    case __NR_ftruncate:
    case __NR_fallocate:
      after_file_write(tid, number, a, sr_Res(result));
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
  if (part != Vg_CoreSysCall || mappings.count == 0 || bytes == 0) return;
  if (pmc_ranges_coverage(&mappings, address, address + bytes) == PMC_OUTSIDE) return;
  event_store(tid, address, bytes, SITE_SYSCALL, context_of_thread(tid));
}
