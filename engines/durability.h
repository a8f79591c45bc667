// SPDX-License-Identifier: BSD-3-Clause
// What an engine promises to keep. Engines of different durability are not compared unless asked.
#ifndef FENCEPOST_ENGINES_DURABILITY_H_
#define FENCEPOST_ENGINES_DURABILITY_H_

#include <optional>
#include <string_view>

namespace fencepost {

// A pair: what survives a power loss, and what survives the death of the process.
// "Prefix" is the state after some prefix of one linearization of the whole history that holds at
// least what was acknowledged before the last completed Sync began. Strongest first.
enum class Durability : unsigned char {
  kPowerFail,     // power loss: all acknowledged writes; process death: all
  kPrefix,        // power loss: a prefix;                process death: all
  kBuffered,      // power loss: a prefix;                process death: a prefix
  kProcessCrash,  // power loss: nothing promised;        process death: all
  kNone,          // nothing; nothing
};

constexpr std::string_view DurabilityName(Durability durability) {
  switch (durability) {
    case Durability::kPowerFail:
      return "power-fail";
    case Durability::kPrefix:
      return "prefix";
    case Durability::kBuffered:
      return "buffered";
    case Durability::kProcessCrash:
      return "process-crash";
    case Durability::kNone:
      return "none";
  }
  return "unknown";
}

constexpr std::optional<Durability> DurabilityFromName(std::string_view name) {
  for (Durability d : {Durability::kPowerFail, Durability::kPrefix, Durability::kBuffered,
                       Durability::kProcessCrash, Durability::kNone}) {
    if (DurabilityName(d) == name) return d;
  }
  return std::nullopt;
}

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_DURABILITY_H_
