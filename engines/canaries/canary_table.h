// SPDX-License-Identifier: BSD-3-Clause
// The canaries: small stores in persistent memory or on files (their rows say which), each correct,
// each with known bugs behind one switch. A crash-consistency tester that does not catch them is
// not to be believed.
//
// They are no engines to be measured and are therefore not in engine_table.h.
#ifndef FENCEPOST_ENGINES_CANARIES_CANARY_TABLE_H_
#define FENCEPOST_ENGINES_CANARIES_CANARY_TABLE_H_

#include <span>
#include <string_view>

#include "engines/engine_table.h"

namespace fencepost {

// One value of a canary's option `bug`.
struct Planting {
  std::string_view structure;  // the name of its row: "canary-log"
  std::string_view bug;        // the value of the option: "flag-first"
  std::string_view row;   // what known bug it retells: "flag-first"; of a control, what it shows
  char bug_class = '-';   // D O A S L C P R, or '-' for a control, which is correct
  std::string_view what;  // what is done wrongly, and how a crash shows it
};

// One row a structure. Their option "bug" (default: none) lists the choices as its type.
std::span<const EngineRow> CanaryEngines();

// Every bug and every control, those of a structure together.
std::span<const Planting> Plantings();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_TABLE_H_
