// SPDX-License-Identifier: BSD-3-Clause
#include "engines/canaries/canary_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_structure.h"
#include "engines/pmem/pool.h"

namespace fencepost {
namespace canary {
namespace {

constexpr Durability kOnlyPowerFail[] = {Durability::kPowerFail};

const Structure* const kStructures[] = {
    &kLogStructure,      &kLevelStructure,  &kCcehStructure,    &kBtreeStructure,
    &kBucketStructure,   &kTxStructure,     &kAtomicStructure,  &kListStructure,
    &kDelegateStructure, &kSharedStructure, &kFilelogStructure, &kFilepagesStructure};

// "none|flag-first|..."
std::string Choices(std::span<const Planting> plantings) {
  std::string choices = "none";
  for (const Planting& planting : plantings) choices += fmt::format("|{}", planting.bug);
  return choices;
}

std::string FileCanaryVersion() { return "canaries, POSIX files"; }
std::string CanaryVersion() { return fmt::format("canaries, {}", pmem::PmemobjVersion()); }

// The rows and what their views point to. Never destroyed: a row may be used until the end.
struct Table {
  std::vector<std::string> choices;
  std::vector<OptionSpec> options;
  std::vector<EngineRow> rows;
  std::vector<Planting> plantings;

  Table() {
    constexpr size_t kCount = std::size(kStructures);
    choices.reserve(kCount);
    options.reserve(kCount);
    for (const Structure* structure : kStructures) {
      choices.push_back(Choices(structure->plantings));
      options.push_back({"bug", choices.back(), "none", "what is wrong with it"});
      const bool on_files = structure->open_on != nullptr;
      rows.push_back({.name = structure->name,
                      .description = structure->description,
                      .open = structure->open,
                      .version = on_files ? FileCanaryVersion : CanaryVersion,
                      .capabilities = {.audit = structure->audit,
                                       .checksums = structure->checksums,
                                       .persistent_memory = !on_files,
                                       .path_is_file = !on_files,
                                       .min_key_bytes = 1,
                                       .max_key_bytes = kMaxKeyBytes,
                                       .max_value_bytes = kMaxValueBytes},
                      .durabilities = structure->durabilities.empty()
                                          ? std::span<const Durability>(kOnlyPowerFail)
                                          : structure->durabilities,
                      .options = {&options.back(), 1}});
      plantings.insert(plantings.end(), structure->plantings.begin(), structure->plantings.end());
    }
  }
};

const Table& TheTable() {
  static const Table* const table = new Table;
  return *table;
}

}  // namespace

Result<size_t> FindBug(const EngineOptions& options, std::span<const Planting> plantings) {
  const std::string name = options.tuning.String("bug", "none");
  if (name == "none") return size_t{0};
  for (size_t i = 0; i < plantings.size(); ++i) {
    if (plantings[i].bug == name) return i + 1;
  }
  return Status::InvalidArgument(fmt::format("{}.bug={}: there are {}", plantings.front().structure,
                                             name, Choices(plantings)));
}

}  // namespace canary

std::span<const EngineRow> CanaryEngines() { return canary::TheTable().rows; }

std::span<const Planting> Plantings() { return canary::TheTable().plantings; }

}  // namespace fencepost
