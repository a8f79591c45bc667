/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings as Valgrind's errors: what --suppressions and --error-exitcode go by.

   A suppression's kind is pmemcheck:NotPersisted and so on, by the names below; it matches by call
   stack, as everywhere. Nothing is printed here: the report prints what is not suppressed. */
#include <pub_tool_errormgr.h>
#include <pub_tool_execontext.h>

#include "faultinject/pmemcheck/tool.h"

static const HChar* const kNames[PMC_FINDING_KINDS] = {
    [PMC_NOT_PERSISTED] = "NotPersisted",     [PMC_OVERWRITTEN] = "Overwritten",
    [PMC_REDUNDANT_FLUSH] = "RedundantFlush", [PMC_UNNECESSARY_FLUSH] = "UnnecessaryFlush",
    [PMC_OUTSIDE_TX] = "OutsideTransaction",  [PMC_TX_OVERLAP] = "TransactionOverlap",
    [PMC_IDLE_FENCE] = "IdleFence",           [PMC_FOREIGN_FENCE] = "ForeignFence",
    [PMC_TORN_STORE] = "TornStore",
};

const HChar* finding_name(enum pmc_finding_kind kind) { return kNames[kind]; }

static Bool same(VgRes resolution, const Error* a, const Error* b) {
  (void)resolution;
  return VG_(get_error_address)(a) == VG_(get_error_address)(b);
}

static void print_nothing(const Error* error) { (void)error; }

static UInt no_extra(const Error* error) {
  (void)error;
  return 0;
}

static Bool know_suppression(const HChar* name, Supp* suppression) {
  for (Int kind = 0; kind < PMC_FINDING_KINDS; ++kind) {
    if (VG_(strcmp)(name, kNames[kind]) == 0) {
      VG_(set_supp_kind)(suppression, kind);
      return True;
    }
  }
  return False;
}

static Bool read_no_extra(Int fd, HChar** buffer, SizeT* bytes, Int* line, Supp* suppression) {
  (void)fd, (void)buffer, (void)bytes, (void)line, (void)suppression;
  return True;
}

static Bool matches(const Error* error, const Supp* suppression) {
  return VG_(get_error_kind)(error) == (ErrorKind)VG_(get_supp_kind)(suppression);
}

static const HChar* name_of(const Error* error) { return kNames[VG_(get_error_kind)(error)]; }

static SizeT print_no_extra(const Error* error, HChar* buffer, Int bytes) {
  (void)error;
  if (bytes > 0) buffer[0] = '\0';
  return 0;
}

static SizeT print_no_use(const Supp* suppression, HChar* buffer, Int bytes) {
  (void)suppression;
  if (bytes > 0) buffer[0] = '\0';
  return 0;
}

static void update_no_use(const Error* error, const Supp* suppression) {
  (void)error, (void)suppression;
}

void errors_register(void) {
  VG_(needs_tool_errors)
  (same, print_nothing, print_nothing, /*show thread ids*/ False, no_extra, know_suppression,
   read_no_extra, matches, name_of, print_no_extra, print_no_use, update_no_use);
}

Bool errors_suppressed(enum pmc_finding_kind kind, const struct pmc_finding* finding, Bool counts) {
  const Addr* ips;
  const UInt count = context_frames(finding->context, &ips);
  return VG_(unique_error)(
      VG_(get_running_tid)() == VG_INVALID_THREADID ? 1 : VG_(get_running_tid)(), (ErrorKind)kind,
      finding->address, NULL, NULL, VG_(make_ExeContext_from_StackTrace)(ips, count),
      /*print_error=*/False, /*allow_GDB_attach=*/False,
      /*count_error=*/counts);
}
