/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/findings.h"

#include "faultinject/pmemcheck/ranges.h" /* pmc_alloc */

void pmc_findings_add(struct pmc_findings* findings, enum pmc_finding_kind kind,
                      struct pmc_finding finding) {
  const size_t kept = findings->kept_count[kind];
  ++findings->count[kind];
  findings->bytes[kind] += finding.bytes;
  if (kept == PMC_FINDINGS_KEPT) return;
  if (kept == findings->capacity[kind]) {
    const size_t capacity = kept == 0 ? 16 : 2 * kept;
    struct pmc_finding* grown = pmc_alloc(capacity * sizeof(*grown));
    for (size_t i = 0; i < kept; ++i) grown[i] = findings->kept[kind][i];
    if (findings->kept[kind] != NULL) pmc_free(findings->kept[kind]);
    findings->kept[kind] = grown;
    findings->capacity[kind] = capacity;
  }
  findings->kept[kind][kept] = finding;
  ++findings->kept_count[kind];
}

void pmc_findings_clear(struct pmc_findings* findings, enum pmc_finding_kind kind) {
  findings->count[kind] = 0;
  findings->bytes[kind] = 0;
  findings->kept_count[kind] = 0;
}
