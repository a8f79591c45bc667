// SPDX-License-Identifier: BSD-3-Clause
#include "engines/engine_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace fencepost {

Status Tuning::CheckNames(std::span<const OptionSpec> specs) const {
  for (const auto& entry : values_) {
    const std::string& name = entry.first;
    const bool known = std::any_of(specs.begin(), specs.end(),
                                   [&](const OptionSpec& spec) { return spec.name == name; });
    if (known) continue;
    std::string names;
    for (const OptionSpec& spec : specs) {
      names += fmt::format("{}{}.{}", names.empty() ? "" : ", ", engine_, spec.name);
    }
    return Status::InvalidArgument(fmt::format("{}.{}: no such option; {} has {}", engine_, name,
                                               engine_, names.empty() ? "none" : names));
  }
  return Status::Ok();
}

std::string Tuning::String(std::string_view name, std::string_view default_value) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? std::string(default_value) : found->second;
}

Result<uint64_t> Tuning::Uint64(std::string_view name, uint64_t default_value, uint64_t min,
                                uint64_t max) const {
  const auto found = values_.find(std::string(name));
  if (found == values_.end()) return default_value;
  Result<uint64_t> parsed = ParseBytes(found->second);
  if (!parsed.ok()) {
    return Status::InvalidArgument(fmt::format("{}.{}: {}", engine_, name, parsed.message()));
  }
  if (*parsed < min || *parsed > max) {
    return Status::InvalidArgument(
        fmt::format("{}.{}={}: must be from {} to {}", engine_, name, found->second, min, max));
  }
  return parsed;
}

Result<bool> Tuning::Bool(std::string_view name, bool default_value) const {
  const auto found = values_.find(std::string(name));
  if (found == values_.end()) return default_value;
  if (found->second == "true") return true;
  if (found->second == "false") return false;
  return Status::InvalidArgument(
      fmt::format("{}.{}={}: must be true or false", engine_, name, found->second));
}

Result<uint64_t> ParseBytes(std::string_view text) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::result_out_of_range) {
    return Status::InvalidArgument(fmt::format("'{}' does not fit in 64 bits", text));
  }
  const std::string_view suffix(rest, static_cast<size_t>(end - rest));
  const size_t power = suffix.size() == 1 ? std::string_view("KMGT").find(suffix[0]) : 0;
  if (error != std::errc() || suffix.size() > 1 || power == std::string_view::npos) {
    return Status::InvalidArgument(
        fmt::format("'{}' is not a number (digits, then K, M, G or T if wanted)", text));
  }
  const unsigned shift = suffix.empty() ? 0 : 10 * (static_cast<unsigned>(power) + 1);
  if (shift != 0 && number > (UINT64_MAX >> shift)) {
    return Status::InvalidArgument(fmt::format("'{}' does not fit in 64 bits", text));
  }
  return number << shift;
}

}  // namespace fencepost
