// SPDX-License-Identifier: BSD-3-Clause
#include "harness/engine_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "engines/canaries/canary_table.h"
#include "engines/media/block_model.h"
#include "workloads/keys.h"
#include "workloads/replay_file.h"
#include "workloads/values.h"

namespace fencepost {
namespace {

constexpr OptionSpec kCommonOptions[] = {
    {"path", "path", "by medium", "where the data is: a folder, or a file for a pool"},
    {"durability", "power-fail|prefix|buffered|process-crash", "the strongest",
     "what survives a power loss and the death of the process"},
    {"cache_bytes", "bytes", "64M", "DRAM that the engine may use to cache data"},
};

// All properties under "prefix.", the prefix removed; each counts as read.
std::map<std::string, std::string> Under(const Properties& properties, std::string_view prefix) {
  std::map<std::string, std::string> values;
  const std::string dotted = fmt::format("{}.", prefix);
  for (const auto& [name, entry] : properties.entries()) {
    if (name.starts_with(dotted)) {
      values[name.substr(dotted.size())] = properties.Get(name).value_or("");
    }
  }
  return values;
}

// How many keys the workload will have stored at its end. A run that is bounded by time only is
// guessed generously: an engine that needs more says that it is full.
uint64_t ExpectedKeys(const WorkloadSpec& spec) {
  constexpr double kGuessedOpsPerS = 1e6;
  const double batch_inserts = BatchProportions(spec)[1] * static_cast<double>(spec.batch_size) *
                               spec.proportion(OpKind::kBatch);
  const double inserts_per_op = spec.proportion(OpKind::kInsert) + batch_inserts;
  const double operations = spec.operation_count > 0 ? static_cast<double>(spec.operation_count)
                                                     : spec.max_execution_time_s * kGuessedOpsPerS;
  return spec.record_count + static_cast<uint64_t>(inserts_per_op * operations * 1.1) + 1;
}

SizeHint HintOf(const WorkloadSpec& spec) {
  if (const ReplayFile* file = spec.replay_file.get()) {
    // Means, since sizes differ widely: what all keys need together if each has its largest value.
    return {.pairs = file->stored_keys() + 1,
            .key_bytes = static_cast<uint64_t>(std::ceil(file->key_bytes_mean())),
            .value_bytes = static_cast<uint64_t>(std::ceil(file->largest_value_bytes_mean()))};
  }
  return {.pairs = ExpectedKeys(spec),
          .key_bytes = KeyFormat(spec.hashed_keys, spec.zero_padding).max_key_bytes(),
          .value_bytes = ValueMaker(spec).max_value_bytes()};
}

Result<Durability> ChooseDurability(const EngineRow& row, const Tuning& common) {
  if (!common.Has("durability")) return row.durabilities.front();
  const std::string name = common.String("durability", "");
  const std::optional<Durability> durability = DurabilityFromName(name);
  if (!durability) {
    return Status::InvalidArgument(fmt::format(
        "engine.durability={}: must be power-fail, prefix, buffered or process-crash", name));
  }
  // An engine that promises nothing has no class to choose.
  if (!row.capabilities.stores_data) return row.durabilities.front();
  RETURN_IF_ERROR(CheckDurability(row, *durability));
  return *durability;
}

// As much as an engine's own cache, if nobody says.
constexpr uint64_t kDefaultPageCacheBytes = uint64_t{64} << 20;
constexpr OptionSpec kMediumOptions[] = {
    {"cache_bytes", "bytes", "64M", "what the page cache of a modelled device holds"},
};

// Only engines that tell of what they read can be charged for it.
Result<std::string> ChooseModelledMedium(const EngineRow& row, const Properties& properties) {
  const std::optional<std::string> medium = properties.Get("medium");
  if (!medium || medium->empty()) return std::string();
  constexpr std::string_view kMemories[] = {"dram", "optane", "optane-remote"};
  const bool is_memory = std::ranges::find(kMemories, *medium) != std::end(kMemories);
  if (is_memory && row.capabilities.tells_reads) return *medium;
  if (is_memory) {
    return properties.Error("medium",
                            fmt::format("{} does not tell what it reads: a live run of it "
                                        "cannot be charged with a memory's delays",
                                        row.name));
  }
  if (media::FindBlockModel(*medium) == nullptr) {
    return properties.Error("medium",
                            "must be dram, optane, optane-remote, nand-ssd or optane-ssd");
  }
  if (row.capabilities.delays_files) return *medium;
  if (!row.capabilities.stores_data) {
    return properties.Error("medium", fmt::format("{} stores nothing", row.name));
  }
  if (row.capabilities.persistent_memory) {
    return properties.Error("medium", fmt::format("{} is in memory, and no device: dram, optane or "
                                                  "optane-remote",
                                                  row.name));
  }
  return properties.Error(
      "medium",
      fmt::format("{} reads and writes its files in ways that a live run cannot be charged "
                  "for: it is only counted, by `fencepost media {}`",
                  row.name, row.name));
}

bool IsModelledDevice(const EngineOptions& options) {
  return media::FindBlockModel(options.modelled_medium) != nullptr;
}

// A device is modelled on top of what stands in for it, which must not take a device's time itself.
Status CheckStandIn(const EngineOptions& options, const Properties& properties) {
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(options.path));
  if (medium == Medium::kTmpfs) return Status::Ok();
  return properties.Error(
      "medium", fmt::format("the data must be on tmpfs, and {} is on {}: a disk's own time would "
                            "come on top of the model's",
                            options.path.string(), MediumName(medium)));
}

}  // namespace

std::span<const OptionSpec> CommonEngineOptions() { return kCommonOptions; }

std::span<const OptionSpec> MediumOptions() { return kMediumOptions; }

Result<const EngineRow*> FindEngineOrCanary(std::string_view name) {
  for (const EngineRow& row : CanaryEngines()) {
    if (row.name == name) return &row;
  }
  return FindEngine(name);
}

Result<EngineOptions> MakeEngineOptions(const EngineRow& row, const Properties& properties,
                                        const WorkloadSpec& spec, Placement placement,
                                        std::string_view leaf) {
  const Tuning common("engine", Under(properties, "engine"));
  RETURN_IF_ERROR(common.CheckNames(kCommonOptions));
  EngineOptions options;
  ASSIGN_OR_RETURN(options.modelled_medium, ChooseModelledMedium(row, properties));
  for (const std::span<const EngineRow> rows : {Engines(), CanaryEngines()}) {
    for (const EngineRow& other : rows) {
      Tuning tuning(std::string(other.name), Under(properties, other.name));
      RETURN_IF_ERROR(tuning.CheckNames(other.options));
      if (&other == &row) options.tuning = std::move(tuning);
    }
  }
  ASSIGN_OR_RETURN(options.durability, ChooseDurability(row, common));
  ASSIGN_OR_RETURN(options.cache_bytes,
                   common.Uint64("cache_bytes", options.cache_bytes, uint64_t{1} << 20));
  const Tuning medium("medium", Under(properties, "medium"));
  RETURN_IF_ERROR(medium.CheckNames(kMediumOptions));
  if (medium.Has("cache_bytes") && !IsModelledDevice(options)) {
    return properties.Error("medium.cache_bytes", "goes with medium=nand-ssd or medium=optane-ssd");
  }
  ASSIGN_OR_RETURN(options.modelled_cache_bytes,
                   medium.Uint64("cache_bytes", kDefaultPageCacheBytes));
  options.size_hint = HintOf(spec);
  if (!row.capabilities.stores_data) return options;
  if (common.Has("path")) {
    options.path = common.String("path", "");
    if (options.path.empty()) return Status::InvalidArgument("engine.path is empty");
  } else {
    if (placement == Placement::kDefault && IsModelledDevice(options)) {
      placement = Placement::kTmpfs;
    }
    ASSIGN_OR_RETURN(options.path, PlaceFor(row, placement, leaf));
  }
  if (IsModelledDevice(options)) RETURN_IF_ERROR(CheckStandIn(options, properties));
  return options;
}

}  // namespace fencepost
