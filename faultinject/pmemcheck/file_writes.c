/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that write to a mapped file past its mapping.

   Where the program's memory holds what was written, that is recorded; where the kernel moved it
   (sendfile, splice, copy_file_range), the file is read back after the call. */
#include <pub_tool_libcfile.h>
#include <pub_tool_vki.h>
#include <pub_tool_vkiscnums.h>

#include "faultinject/pmemcheck/tool.h"

/* The core has it, and does not offer it to tools. */
extern SysRes VG_(pread)(Int descriptor, void* bytes, Int count, OffT offset);
extern Int VG_(fcntl)(Int descriptor, Int command, Addr argument);

/* FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE and RWF_APPEND, which VKI does not name. */
enum { kPunchHole = 2, kZeroRange = 16, kAppend = 16 };
#ifndef __NR_pwritev2
#define __NR_pwritev2 328
#endif

/* Where a descriptor that was written to without an offset stands now. */
static ULong position_of(Int descriptor) {
  const Off64T at = VG_(lseek)(descriptor, 0, VKI_SEEK_CUR);
  return at < 0 ? 0 : (ULong)at;
}

/* Where `done` bytes have gone that were to go to `offset`: what appends does not ask. */
static ULong place_of(Int descriptor, ULong offset, ULong done, Bool appends) {
  struct vg_stat stat;
  appends = appends || (VG_(fcntl)(descriptor, VKI_F_GETFL, 0) & VKI_O_APPEND) != 0;
  if (!appends || VG_(fstat)(descriptor, &stat) != 0) return offset;
  return (ULong)stat.size - done;
}

static void from_memory(ThreadId tid, UInt file, const struct vki_iovec* pieces, UWord count,
                        ULong offset, ULong left) {
  for (UWord i = 0; i < count && left > 0; ++i) {
    const ULong bytes = pieces[i].iov_len < left ? pieces[i].iov_len : left;
    if (bytes > 0) {
      event_file_write(tid, file, offset, bytes, (Addr)pieces[i].iov_base, WRITE_BYTES);
    }
    offset += bytes;
    left -= bytes;
  }
}

/* The program's descriptor may be one to write only: the file is opened anew. */
static void from_file(ThreadId tid, UInt file, Int descriptor, ULong offset, ULong left) {
  static UChar piece[65536];
  HChar link[64];
  SysRes opened;
  VG_(sprintf)(link, "/proc/self/fd/%d", descriptor);
  opened = VG_(open)(link, VKI_O_RDONLY, 0);
  while (left > 0 && !sr_isError(opened)) {
    const Int wanted = left < sizeof(piece) ? (Int)left : (Int)sizeof(piece);
    const SysRes got = VG_(pread)((Int)sr_Res(opened), piece, wanted, (OffT)offset);
    if (sr_isError(got) || sr_Res(got) == 0) break;
    event_file_write(tid, file, offset, sr_Res(got), (Addr)piece, WRITE_BYTES);
    offset += sr_Res(got);
    left -= sr_Res(got);
  }
  if (!sr_isError(opened)) VG_(close)((Int)sr_Res(opened));
  if (left > 0) report_unseen("a file that may not be read", "what the kernel wrote to it");
}

/* copy_file_range and splice: at *offset, which has been moved on, or where the descriptor stood.
 */
static void after_copy(ThreadId tid, Int descriptor, const ULong* offset, ULong done) {
  const UInt file = file_behind(descriptor);
  const ULong end = offset != NULL ? *offset : position_of(descriptor);
  if (file != 0 && done > 0) from_file(tid, file, descriptor, end - done, done);
}

static void after_write(ThreadId tid, UInt number, const UWord* a, ULong done) {
  const Int descriptor = (Int)a[0];
  const UInt file = file_behind(descriptor);
  const struct vki_iovec whole = {.iov_base = (void*)a[1], .iov_len = a[2]};
  const struct vki_iovec* pieces = (const struct vki_iovec*)a[1];
  const Bool appends = number == __NR_pwritev2 && (a[5] & kAppend) != 0;
  if (file == 0 || done == 0) return;
  switch (number) {
    case __NR_write:
      from_memory(tid, file, &whole, 1, position_of(descriptor) - done, done);
      break;
    case __NR_pwrite64:
      from_memory(tid, file, &whole, 1, place_of(descriptor, a[3], done, False), done);
      break;
    case __NR_writev:
      from_memory(tid, file, pieces, a[2], position_of(descriptor) - done, done);
      break;
    default: { /* pwritev, pwritev2; -1: where the descriptor stood */
      const ULong asked = a[3] == ~(UWord)0 ? position_of(descriptor) - done : a[3];
      from_memory(tid, file, pieces, a[2], place_of(descriptor, asked, done, appends), done);
    }
  }
}

static void after_truncate(ThreadId tid, UInt file, ULong bytes) {
  if (file != 0) event_file_write(tid, file, bytes, 0, 0, WRITE_TRUNCATE);
}

static void after_fallocate(ThreadId tid, const UWord* a) {
  const UInt file = file_behind((Int)a[0]);
  if (file == 0) return;
  event_file_write(tid, file, a[2], a[3], 0,
                   (a[1] & (kPunchHole | kZeroRange)) != 0 ? WRITE_ZERO : WRITE_ALLOCATE);
}

void after_file_write(ThreadId tid, UInt number, const UWord* a, UWord result) {
  if (mappings.count == 0) return;
  switch (number) {
    case __NR_write:
    case __NR_pwrite64:
    case __NR_writev:
    case __NR_pwritev:
    case __NR_pwritev2:
      after_write(tid, number, a, result);
      break;
    case __NR_sendfile:
      after_copy(tid, (Int)a[0], NULL, result);
      break;
    case __NR_copy_file_range:
    case __NR_splice:
      after_copy(tid, (Int)a[2], (const ULong*)a[3], result);
      break;
    case __NR_ftruncate:
      after_truncate(tid, file_behind((Int)a[0]), a[1]);
      break;
    case __NR_truncate:
      after_truncate(tid, file_named((const HChar*)a[0]), a[1]);
      break;
    case __NR_creat:
      after_truncate(tid, file_behind((Int)result), 0);
      break;
    case __NR_open:
      if ((a[1] & VKI_O_TRUNC) != 0) after_truncate(tid, file_behind((Int)result), 0);
      break;
    case __NR_openat:
      if ((a[2] & VKI_O_TRUNC) != 0) after_truncate(tid, file_behind((Int)result), 0);
      break;
    case __NR_fallocate:
      after_fallocate(tid, a);
      break;
    default:
      break;
  }
}
