// SPDX-License-Identifier: BSD-3-Clause
// How an engine is opened: what is common to all, and each engine's own tuning by name.
#ifndef FENCEPOST_ENGINES_ENGINE_OPTIONS_H_
#define FENCEPOST_ENGINES_ENGINE_OPTIONS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engines/durability.h"
#include "engines/status.h"

namespace fencepost {

namespace media {
class FileDelays;
}

// What the workload will store at most; engines that must size a pool or a map ahead use it.
struct SizeHint {
  uint64_t pairs = 0;
  uint64_t key_bytes = 0;    // of one key
  uint64_t value_bytes = 0;  // of one value
};

// One line of an engine's tuning table, shown by `fencepost engines ENGINE`.
struct OptionSpec {
  std::string_view name;           // without the engine's prefix: "pool_bytes"
  std::string_view type;           // "bytes", "count", "bool", "string", or the choices "a|b"
  std::string_view default_value;  // as a user would write it
  std::string_view meaning;
};

// Engine-specific settings, prefix removed: {"pool_bytes", "1G"}. Which names exist is checked
// against the engine's OptionSpecs by OpenEngine; an engine reads them with these functions, whose
// errors name the option as the user wrote it ("cmap.pool_bytes").
class Tuning {
 public:
  Tuning() = default;
  Tuning(std::string engine, std::map<std::string, std::string> values)
      : engine_(std::move(engine)), values_(std::move(values)) {}

  // kInvalidArgument if any name is not in `specs`.
  Status CheckNames(std::span<const OptionSpec> specs) const;

  bool Has(std::string_view name) const { return values_.contains(std::string(name)); }
  std::string String(std::string_view name, std::string_view default_value) const;
  // Decimal, with an optional K, M, G or T (powers of 1024). kInvalidArgument when malformed,
  // outside [min, max], or too large for 64 bits.
  Result<uint64_t> Uint64(std::string_view name, uint64_t default_value, uint64_t min = 0,
                          uint64_t max = UINT64_MAX) const;
  Result<bool> Bool(std::string_view name, bool default_value) const;  // true|false

  const std::map<std::string, std::string>& values() const { return values_; }

 private:
  std::string engine_;
  std::map<std::string, std::string> values_;
};

// "64M" -> 67108864. kInvalidArgument, without naming an option, when malformed or too large.
Result<uint64_t> ParseBytes(std::string_view text);

struct EngineOptions {
  // A directory of the engine's own, or a file where the engine's row says so (cmap's pool).
  std::filesystem::path path;
  // Create what is missing; otherwise an absent store is kNotFound with a message.
  bool create_if_missing = true;
  Durability durability = Durability::kPowerFail;
  // DRAM that the engine may use to cache data: the same for all engines of a comparison.
  uint64_t cache_bytes = uint64_t{64} << 20;
  SizeHint size_hint;
  Tuning tuning;
  // What the medium is made to cost by a model, e.g. "optane"; empty: what it costs here.
  std::string modelled_medium;
  // Of a modelled device: what its page cache holds, and what makes the engine's files as slow as
  // it is. Null: nothing does.
  uint64_t modelled_cache_bytes = 0;
  std::shared_ptr<media::FileDelays> file_delays;
};

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ENGINE_OPTIONS_H_
