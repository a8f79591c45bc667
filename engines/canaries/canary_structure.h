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

class Files;

struct Structure {
  std::string_view name;
  std::string_view description;
  Result<std::unique_ptr<Engine>> (*open)(const EngineOptions& options);
  bool audit = false;
  bool checksums = false;  // of all that it reads of a store that was closed
  std::span<const Planting> plantings;
  // Of a structure on files, and of no other: opens it on files of the caller's.
  Result<std::unique_ptr<Engine>> (*open_on)(std::unique_ptr<Files> files,
                                             const EngineOptions& options) = nullptr;
  std::span<const Durability> durabilities = {};  // empty: power-fail
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
extern const Structure kFilelogStructure;
extern const Structure kFilepagesStructure;

// The value of option `bug`: 0 for none, else one more than its index in `plantings`.
// kInvalidArgument, naming the choices, if there is no such bug.
Result<size_t> FindBug(const EngineOptions& options, std::span<const Planting> plantings);

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_STRUCTURE_H_
