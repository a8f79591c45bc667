/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/findings.h"

#include "faultinject/pmemcheck/alloc.h"

void pmc_findings_add(struct pmc_findings* findings, enum pmc_finding_kind kind,
                      struct pmc_finding finding) {
  const size_t kept = findings->kept_count[kind];
  ++findings->count[kind];
  findings->bytes[kind] += finding.bytes;
  if (kept == PMC_FINDINGS_KEPT) return;
  if (kept == findings->capacity[kind]) {
    findings->kept[kind] =
        pmc_grow(findings->kept[kind], kept, &findings->capacity[kind], sizeof(finding));
  }
  findings->kept[kind][kept] = finding;
  ++findings->kept_count[kind];
}

void pmc_findings_clear(struct pmc_findings* findings, enum pmc_finding_kind kind) {
  findings->count[kind] = 0;
  findings->bytes[kind] = 0;
  findings->kept_count[kind] = 0;
}
