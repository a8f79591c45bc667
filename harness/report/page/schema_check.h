// SPDX-License-Identifier: BSD-3-Clause
// Checks a document against one of the schemas of results/schema, so that what reads it afterwards
// need not.
//
// Invariants: a keyword that this does not know ends the program (CHECK): a schema of ours that is
//   checked in part would promise what nobody held. The schemas are ours; documents may be
//   anything.
// Threads: any.
// Not covered: references to other documents, `format`, numbers as patterns, and what our schemas
//   do not use.
// Source: JSON Schema, draft 2020-12 (Core and Validation).
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_SCHEMA_CHECK_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_SCHEMA_CHECK_H_

#include <nlohmann/json.hpp>

#include "engines/status.h"

namespace fencepost::page {

// kCorrupt with the first thing that is wrong: "/cells/0/threads: must be an integer".
Status CheckSchema(const nlohmann::json& schema, const nlohmann::json& document);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_SCHEMA_CHECK_H_
