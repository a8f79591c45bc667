/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report: pmemcheck's lines first, in its words and order, then what is new. */
#include <pub_tool_debuginfo.h>

#include "faultinject/pmemcheck/tool.h"

/* The core's, not offered to tools: 0 for --gen-suppressions=no; names as suppressions have them.
 */
extern Int VG_(clo_gen_suppressions);
extern Bool VG_(get_fnname_no_cxx_demangle)(DiEpoch epoch, Addr ip, const HChar** name,
                                            const void* inlined);

enum { MAX_SUPPRESSED_FRAMES = 24 }; /* more are refused when they are read */

static const HChar* const kStates[] = {[PMC_DIRTY] = "DIRTY", [PMC_FLUSHED] = "FLUSHED"};

struct section {
  enum pmc_finding_kind kind;
  const HChar* count; /* "Number of ...": always printed, or only if there are any */
  const HChar* title; /* above the list */
  const HChar* total; /* below the list, or NULL */
  const HChar* by;    /* before the stack of what made it a finding, or NULL */
  Bool always, is_error, has_address, has_state;
};

static const struct section kSections[] = {
    {.kind = PMC_NOT_PERSISTED,
     .count = "Number of stores not made persistent",
     .title = "Stores not made persistent properly:",
     .total = "Total memory not made persistent",
     .always = True,
     .is_error = True,
     .has_address = True,
     .has_state = True},
    {.kind = PMC_OVERWRITTEN,
     .count = "Number of overwritten stores",
     .title = "Overwritten stores before they were made persistent:",
     .by = "overwritten",
     .is_error = True,
     .has_address = True,
     .has_state = True},
    {.kind = PMC_REDUNDANT_FLUSH,
     .count = "Number of redundantly flushed stores",
     .title = "Stores flushed multiple times:",
     .by = "flushed again",
     .is_error = True,
     .has_address = True,
     .has_state = True},
    {.kind = PMC_UNNECESSARY_FLUSH,
     .count = "Number of unnecessary flushes",
     .title = "Unnecessary flushes:",
     .is_error = True,
     .has_address = True},
    {.kind = PMC_OUTSIDE_TX,
     .count = "Number of stores made without adding to transaction",
     .title = "Stores made without adding to transactions:",
     .is_error = True,
     .has_address = True},
    {.kind = PMC_TX_OVERLAP,
     .count = "Number of overlapping regions registered in different transactions",
     .title = "Overlapping regions:",
     .by = "registered before",
     .is_error = True,
     .has_address = True},
    {.kind = PMC_FOREIGN_FENCE,
     .count = "Number of flushes covered only by another thread's fence",
     .title = "Flushes that only another thread has fenced:",
     .has_address = True,
     .has_state = True},
    {.kind = PMC_TORN_STORE,
     .count = "Number of stores that span two lines",
     .title = "Stores that a crash may leave half done:",
     .has_address = True},
    {.kind = PMC_IDLE_FENCE,
     .count = "Number of fences with nothing to order",
     .title = "Fences with nothing to order:"},
};

static Bool wanted(enum pmc_finding_kind kind) {
  switch (kind) {
    case PMC_REDUNDANT_FLUSH:
    case PMC_UNNECESSARY_FLUSH:
    case PMC_IDLE_FENCE:
      return options.flush_check;
    default:
      return True;
  }
}

/* Takes out what the user's suppressions fit; beyond what is kept, all counts. */
static void suppress(const struct section* section) {
  struct pmc_finding* kept = findings.kept[section->kind];
  const size_t count = findings.kept_count[section->kind];
  size_t left = 0;
  for (size_t i = 0; i < count; ++i) {
    if (errors_suppressed(section->kind, &kept[i], section->is_error)) {
      --findings.count[section->kind];
      findings.bytes[section->kind] -= kept[i].bytes;
    } else {
      kept[left++] = kept[i];
    }
  }
  findings.kept_count[section->kind] = left;
}

/* What --suppressions would take for this finding, as --gen-suppressions of other tools prints it.
 */
static void print_suppression(enum pmc_finding_kind kind, UInt context) {
  const Addr* ips;
  const UInt count = context_frames(context, &ips);
  const DiEpoch epoch = VG_(current_DiEpoch)();
  VG_(printf)("{\n   <insert_a_suppression_name_here>\n   pmemcheck:%s\n", finding_name(kind));
  for (UInt i = 0; i < count && i < MAX_SUPPRESSED_FRAMES; ++i) {
    const HChar* name;
    if (VG_(get_fnname_no_cxx_demangle)(epoch, ips[i], &name, NULL)) {
      VG_(printf)("   fun:%s\n", name);
    } else if (VG_(get_objname)(epoch, ips[i], &name)) {
      VG_(printf)("   obj:%s\n", name);
    } else {
      VG_(printf)("   obj:*\n");
    }
  }
  VG_(printf)("}\n");
}

/* Once for each call stack: the first finding with it. */
static Bool wants_suppression(enum pmc_finding_kind kind, size_t index) {
  const struct pmc_finding* kept = findings.kept[kind];
  if (VG_(clo_gen_suppressions) == 0) return False;
  for (size_t i = 0; i < index; ++i) {
    if (kept[i].context == kept[index].context) return False;
  }
  return True;
}

static void print_list(const struct section* section) {
  const size_t kept = findings.kept_count[section->kind];
  /* What is no error is there to be looked into, not to bury what is one. */
  const size_t most = section->is_error || options.list_max < 10 ? (size_t)options.list_max : 10;
  const size_t listed = kept < most ? kept : most;
  VG_(umsg)("%s\n", section->title);
  for (size_t i = 0; i < listed; ++i) {
    const struct pmc_finding* finding = &findings.kept[section->kind][i];
    HChar prefix[32];
    VG_(sprintf)(prefix, "[%lu] ", (UWord)i);
    context_print(finding->context, prefix);
    if (section->has_state) {
      VG_(umsg)
      ("\tAddress: %#lx\tsize: %lu\tstate: %s\n", (Addr)finding->address, (UWord)finding->bytes,
       kStates[finding->state]);
    } else if (section->has_address) {
      VG_(umsg)("\tAddress: %#lx\tsize: %lu\n", (Addr)finding->address, (UWord)finding->bytes);
    }
    if (section->by != NULL && finding->by != 0) {
      VG_(umsg)("\t%s:\n", section->by);
      context_print(finding->by, "    ");
    }
    if (wants_suppression(section->kind, i)) print_suppression(section->kind, finding->context);
  }
  if (findings.count[section->kind] > listed) {
    VG_(umsg)("... and %llu more (--list-max)\n", (ULong)(findings.count[section->kind] - listed));
  }
  if (section->total != NULL) {
    VG_(umsg)("%s: %llu\n", section->total, (ULong)findings.bytes[section->kind]);
  }
}

static ULong print_section(const struct section* section) {
  const ULong count = findings.count[section->kind];
  if (section->always || count != 0) VG_(umsg)("%s: %llu\n", section->count, count);
  if (count != 0) print_list(section);
  return section->is_error ? count : 0;
}

/* What is not durable now, in mid-run: nothing of it stays. */
void report_stats(void) {
  const struct pmc_findings before = findings;
  pmc_lines_report_left(&lines);
  (void)print_section(&kSections[0]);
  for (Int kind = 0; kind < PMC_FINDING_KINDS; ++kind) {
    findings.count[kind] = before.count[kind];
    findings.bytes[kind] = before.bytes[kind];
    findings.kept_count[kind] = before.kept_count[kind];
  }
}

static const HChar* unseen[8];
static UInt unseen_count;

void report_unseen(const HChar* by, const HChar* what) {
  for (UInt i = 0; i < unseen_count; ++i) {
    if (VG_(strcmp)(unseen[i], by) == 0) return;
  }
  tl_assert(unseen_count < sizeof(unseen) / sizeof(unseen[0]));
  unseen[unseen_count++] = by;
  VG_(umsg)("pmemcheck: %s: %s is not seen, neither traced nor checked: an error\n", by, what);
}

void report_print(void) {
  ULong errors = unseen_count;
  const size_t active = pmc_tx_active(&transactions);
  exit_code_count_errors(active + unseen_count);
  pmc_lines_report_left(&lines);
  for (UInt i = 0; i < sizeof(kSections) / sizeof(kSections[0]); ++i) {
    const struct section* section = &kSections[i];
    if (wanted(section->kind)) {
      suppress(section);
    } else {
      pmc_findings_clear(&findings, section->kind);
    }
  }
  if (!options.print_summary) return;
  if (!anything_mapped) {
    VG_(umsg)("pmemcheck: no persistent mapping was seen, so nothing was checked (--pmem=GLOB)\n");
  }
  for (UInt i = 0; i < sizeof(kSections) / sizeof(kSections[0]); ++i) {
    if (wanted(kSections[i].kind)) errors += print_section(&kSections[i]);
  }
  if (active != 0) {
    VG_(umsg)("Number of active transactions: %lu\n", (UWord)active);
    errors += active;
  }
  if (lines.lost_flushes != 0) {
    VG_(umsg)
    ("pmemcheck: more than %u threads flushed at once: %llu flushes were not counted\n",
     PMC_FLUSHERS, (ULong)lines.lost_flushes);
  }
  if (options.error_summary) VG_(umsg)("ERROR SUMMARY: %llu errors\n", errors);
}
