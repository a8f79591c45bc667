// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/pmemkv_api/config.h"

#include <fmt/format.h>
#include <libpmemkv.h>

#include <array>
#include <utility>

namespace fencepost::pmemkv_api {
namespace {

// In the order of Config::Item's alternatives.
constexpr std::array<std::string_view, 5> kTypeNames = {"string", "int64", "uint64", "data",
                                                        "object"};

Answer WrongType(std::string_view name, const Config::Item& item, std::string_view wanted) {
  return Answer(PMEMKV_STATUS_CONFIG_TYPE_ERROR,
                fmt::format("config item \"{}\" is of type {}, not {}", name,
                            kTypeNames[item.index()], wanted));
}

}  // namespace

Answer Config::Put(std::string_view name, Item item) {
  const bool is_new = items_.try_emplace(std::string(name), std::move(item)).second;
  if (is_new) return {};
  return Answer(PMEMKV_STATUS_UNKNOWN_ERROR,
                fmt::format("config item \"{}\" was put before", name));
}

const Config::Item* Config::Find(std::string_view name) const {
  const auto found = items_.find(name);
  return found == items_.end() ? nullptr : &found->second;
}

Answer Config::Get(std::string_view name, const std::string** out) const {
  const Item* item = Find(name);
  if (item == nullptr) return Answer(PMEMKV_STATUS_NOT_FOUND);
  const auto* found = std::get_if<std::string>(item);
  if (found == nullptr) return WrongType(name, *item, "string");
  *out = found;
  return {};
}

Answer Config::Get(std::string_view name, const Data** out) const {
  const Item* item = Find(name);
  if (item == nullptr) return Answer(PMEMKV_STATUS_NOT_FOUND);
  const auto* found = std::get_if<Data>(item);
  if (found == nullptr) return WrongType(name, *item, "data");
  *out = found;
  return {};
}

Answer Config::Get(std::string_view name, const StoredObject** out) const {
  const Item* item = Find(name);
  if (item == nullptr) return Answer(PMEMKV_STATUS_NOT_FOUND);
  const auto* found = std::get_if<Object>(item);
  if (found == nullptr) return WrongType(name, *item, "object");
  *out = found->get();
  return {};
}

Answer Config::Get(std::string_view name, int64_t* out) const {
  const Item* item = Find(name);
  if (item == nullptr) return Answer(PMEMKV_STATUS_NOT_FOUND);
  if (const auto* same = std::get_if<int64_t>(item)) {
    *out = *same;
    return {};
  }
  const auto* other = std::get_if<uint64_t>(item);
  if (other == nullptr) return WrongType(name, *item, "int64");
  if (!std::in_range<int64_t>(*other)) {
    return Answer(PMEMKV_STATUS_CONFIG_TYPE_ERROR,
                  fmt::format("config item \"{}\" is {}: too large for int64", name, *other));
  }
  *out = static_cast<int64_t>(*other);
  return {};
}

Answer Config::Get(std::string_view name, uint64_t* out) const {
  const Item* item = Find(name);
  if (item == nullptr) return Answer(PMEMKV_STATUS_NOT_FOUND);
  if (const auto* same = std::get_if<uint64_t>(item)) {
    *out = *same;
    return {};
  }
  const auto* other = std::get_if<int64_t>(item);
  if (other == nullptr) return WrongType(name, *item, "uint64");
  if (!std::in_range<uint64_t>(*other)) {
    return Answer(PMEMKV_STATUS_CONFIG_TYPE_ERROR,
                  fmt::format("config item \"{}\" is {}: negative", name, *other));
  }
  *out = static_cast<uint64_t>(*other);
  return {};
}

}  // namespace fencepost::pmemkv_api
