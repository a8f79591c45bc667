/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fork and exec: whose stores, trace and report are whose.

   A forked child begins with what is mapped and with no store to wait for: those before the fork
   are its parent's to report. It has a trace and a JSON report of its own where their names hold
   %p, and none where they do not. An exec ends the program that Valgrind runs: what was seen of it
   is reported, and its trace ended, just before; its exit code is the next program's. */
#include <pub_tool_aspacemgr.h>
#include <pub_tool_libcfile.h>
#include <pub_tool_libcproc.h>
#include <pub_tool_options.h>
#include <pub_tool_vki.h>

#include "faultinject/pmemcheck/hand_over.h"
#include "faultinject/pmemcheck/store_log.h"
#include "faultinject/pmemcheck/tool.h"
#include "faultinject/pmemcheck/trace.h"

/* The core's, not offered to tools: whether this file could be run. */
extern SysRes VG_(pre_exec_check)(const HChar* path, Int* descriptor, Bool may_be_setuid);
extern Bool VG_(clo_trace_children);

enum { kAtCurrentFolder = -100 };

static Bool is_child;
static Bool ended; /* by an exec that is under way */

void end_of_program(void) {
  store_log_stop();
  trace_close();
  report_print();
  report_write_json();
}

static void after_fork(ThreadId tid) {
  is_child = True;
  events_after_fork();
  sites_clear();
  hand_over_after_fork(tid);
  trace_after_fork(tid);
  report_after_fork();
}

/* Each program of a process writes its files anew, so they must not be those of another. */
static void require_own_name(const HChar* option, const HChar* path) {
  if (path == NULL || VG_(strstr)(path, "%p") != NULL) return;
  VG_(fmsg)("%s=%s: with --trace-children=yes the name must hold %%p\n", option, path);
  VG_(exit)(2);
}

void processes_init(void) {
  if (VG_(clo_trace_children)) {
    require_own_name("--trace-file", options.trace_path);
    require_own_name("--report-file", options.report_path);
  }
  VG_(atfork)(NULL, NULL, after_fork);
}

/* False where the program's memory holds no string there. */
static Bool copy_path(Addr from, HChar* out, SizeT room) {
  for (SizeT i = 0; i < room; ++i) {
    if ((i == 0 || (from + i) % VKI_PAGE_SIZE == 0) &&
        !VG_(am_is_valid_for_client)(from + i, 1, VKI_PROT_READ)) {
      return False;
    }
    out[i] = *(const HChar*)(from + i);
    if (out[i] == '\0') return True;
  }
  return False;
}

/* The program that is to be run next under Valgrind has the same number, and so the same %p. */
static void put_aside(const HChar* option, const HChar* pattern) {
  HChar *path, aside[VKI_PATH_MAX];
  struct vg_stat stat;
  if (pattern == NULL || !VG_(clo_trace_children)) return;
  path = VG_(expand_file_name)(option, pattern);
  for (Int i = 1; i < 1000; ++i) {
    VG_(snprintf)(aside, sizeof(aside), "%s.exec%d", path, i);
    if (!sr_isError(VG_(stat)(aside, &stat))) continue;
    if (VG_(rename)(path, aside) == 0) VG_(umsg)("pmemcheck: %s: before the exec\n", aside);
    break;
  }
  VG_(free)(path);
}

/* A child that did nothing to persistent memory (system() makes one) has nothing to say. */
static Bool has_something_to_say(void) {
  ULong count = lines.line_count;
  for (Int kind = 0; kind < PMC_FINDING_KINDS; ++kind) count += findings.count[kind];
  return !is_child || count != 0;
}

void before_exec(Int folder, Addr path_address) {
  HChar path[VKI_PATH_MAX], full[VKI_PATH_MAX + 64];
  if (!copy_path(path_address, path, sizeof(path))) return;
  VG_(strcpy)(full, path);
  if (folder != kAtCurrentFolder && path[0] != '/') {
    VG_(snprintf)
    (full, sizeof(full), "/proc/self/fd/%d%s%s", folder, path[0] == '\0' ? "" : "/", path);
  }
  /* A search of PATH tries many that are not there. */
  if (sr_isError(VG_(pre_exec_check)(full, NULL, /*may_be_setuid=*/True))) return;
  ended = True;
  if (!has_something_to_say()) {
    trace_close();
    return;
  }
  VG_(umsg)("pmemcheck: %s follows by exec; of the program so far:\n", path);
  end_of_program();
  put_aside("--trace-file", options.trace_path);
  put_aside("--report-file", options.report_path);
}

void after_failed_exec(void) {
  if (!ended) return;
  ended = False;
  VG_(umsg)("pmemcheck: the exec has failed; what follows is not in the trace\n");
  output_is_cut = True;
}
