// SPDX-License-Identifier: BSD-3-Clause
// The structures that canary_table.cc makes rows of; one file each.
//
// A structure's `plantings` are in the order of its own enum of bugs, which begins with kNone: the
// bug of value i is plantings[i - 1].
#ifndef FENCEPOST_ENGINES_CANARIES_CANARY_STRUCTURE_H_
#define FENCEPOST_ENGINES_CANARIES_CANARY_STRUCTURE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "engines/canaries/canary_table.h"

namespace fencepost::canary {

struct Structure {
  std::string_view name;
  std::string_view description;
  Result<std::unique_ptr<Engine>> (*open)(const EngineOptions& options);
  bool audit = false;
  std::span<const Planting> plantings;
};

extern const Structure kLogStructure;
extern const Structure kLevelStructure;
extern const Structure kCcehStructure;
extern const Structure kBtreeStructure;
extern const Structure kBucketStructure;
extern const Structure kTxStructure;
extern const Structure kAtomicStructure;
extern const Structure kListStructure;
extern const Structure kDelegateStructure;
extern const Structure kSharedStructure;

// The value of option `bug`: 0 for none, else one more than its index in `plantings`.
// kInvalidArgument, naming the choices, if there is no such bug.
Result<size_t> FindBug(const EngineOptions& options, std::span<const Planting> plantings);

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_STRUCTURE_H_
