/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/store_log.h"

#include <pub_tool_debuginfo.h>

void store_log_start(void) {
  if (options.log_stores) VG_(emit)("START");
}

void store_log_stop(void) {
  if (options.log_stores) VG_(emit)("|STOP\n");
}

static void log_frames(UInt context) {
  const Addr* ips;
  UInt count = context_frames(context, &ips);
  if (count > (UInt)options.log_stack_depth) count = (UInt)options.log_stack_depth;
  for (UInt i = 0; i < count; ++i) {
    VG_(emit)(";%s", VG_(describe_IP)(VG_(current_DiEpoch)(), ips[i], NULL));
  }
}

void store_log_store(Addr address, SizeT bytes, UInt context) {
  if (!options.log_stores) return;
  while (bytes > 0) {
    SizeT piece = 8;
    ULong value = 0;
    while (piece > bytes) piece /= 2;
    VG_(memcpy)(&value, (const void*)address, piece);
    VG_(emit)("|STORE;0x%lx;0x%llx;0x%lx", address, value, piece);
    if (options.log_stacks) log_frames(context);
    address += piece;
    bytes -= piece;
  }
}

void store_log_flush(Addr address, SizeT bytes) {
  if (options.log_stores) VG_(emit)("|FLUSH;0x%lx;0x%lx", address, bytes);
}

void store_log_fence(void) {
  if (options.log_stores) VG_(emit)("|FENCE");
}

void store_log_register(const HChar* path, Addr base, SizeT bytes, ULong offset) {
  if (!options.log_stores) return;
  VG_(emit)("|REGISTER_FILE;%s;0x%lx;0x%lx;0x%llx", path, base, bytes, offset);
}

void store_log_deep_sync(Addr address, SizeT bytes) {
  if (options.log_stores) VG_(emit)("|DEEP_SYNC;0x%lx;0x%lx", address, bytes);
}

void store_log_text(const HChar* text) {
  if (options.log_stores) VG_(emit)("|%s", text);
}
