// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/schema_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <regex>

namespace fencepost::page {
namespace {

using nlohmann::json;

// std::regex recurses as deep as the text is long: longer ones match nothing.
constexpr size_t kPatternBytes = 4096;

constexpr std::string_view kKeywords[] = {
    "$comment", "$defs",   "$id",         "$ref",       "$schema",       "additionalProperties",
    "allOf",    "anyOf",   "const",       "else",       "enum",          "exclusiveMinimum",
    "if",       "items",   "maxItems",    "maximum",    "minItems",      "minLength",
    "minimum",  "pattern", "prefixItems", "properties", "propertyNames", "required",
    "then",     "title",   "type",        "description"};

bool IsOfType(const json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  CHECK(type == "integer");
  return value.is_number_integer();
}

class Checker {
 public:
  explicit Checker(const json& root) : root_(root) {}

  Status Check(const json& schema, const json& value, const std::string& where) const;

 private:
  bool Holds(const json& schema, const json& value) const { return Check(schema, value, "").ok(); }
  Status CheckType(const json& schema, const json& value, const std::string& where) const;
  Status CheckNumber(const json& schema, const json& value, const std::string& where) const;
  Status CheckText(const json& schema, const json& value, const std::string& where) const;
  Status CheckArray(const json& schema, const json& value, const std::string& where) const;
  Status CheckObject(const json& schema, const json& value, const std::string& where) const;
  Status CheckParts(const json& schema, const json& value, const std::string& where) const;

  const json& root_;
};

Status Wrong(const std::string& where, std::string_view what) {
  return Status::Corrupt(fmt::format("{}: {}", where.empty() ? "/" : where, what));
}

// A value as it is quoted in a message.
std::string Short(const json& value) {
  constexpr size_t kMost = 60;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

Status Checker::CheckType(const json& schema, const json& value, const std::string& where) const {
  if (schema.contains("type")) {
    const json& type = schema["type"];
    std::vector<std::string> types;
    if (type.is_array()) {
      types = type.get<std::vector<std::string>>();
    } else {
      types = {type.get<std::string>()};
    }
    const bool fits = std::any_of(types.begin(), types.end(),
                                  [&](const std::string& name) { return IsOfType(value, name); });
    if (!fits) {
      return Wrong(where,
                   fmt::format("{} is not of type {}", Short(value), fmt::join(types, " or ")));
    }
  }
  if (schema.contains("const") && value != schema["const"]) {
    return Wrong(where, fmt::format("{}, expected {}", Short(value), Short(schema["const"])));
  }
  if (schema.contains("enum")) {
    const json& allowed = schema["enum"];
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      return Wrong(where, fmt::format("{} is none of {}", Short(value), allowed.dump()));
    }
  }
  return Status::Ok();
}

Status Checker::CheckNumber(const json& schema, const json& value, const std::string& where) const {
  const auto out_of_range = [&] { return Wrong(where, Short(value) + " is out of range"); };
  if (schema.contains("minimum") && value < schema["minimum"]) return out_of_range();
  if (schema.contains("maximum") && value > schema["maximum"]) return out_of_range();
  if (schema.contains("exclusiveMinimum") && value <= schema["exclusiveMinimum"]) {
    return out_of_range();
  }
  return Status::Ok();
}

Status Checker::CheckText(const json& schema, const json& value, const std::string& where) const {
  const std::string& text = value.get_ref<const std::string&>();
  if (schema.contains("minLength") && text.size() < schema["minLength"].get<size_t>()) {
    return Wrong(where, "is empty");
  }
  if (schema.contains("pattern")) {
    const std::regex pattern(schema["pattern"].get<std::string>());
    if (text.size() > kPatternBytes || !std::regex_search(text, pattern)) {
      return Wrong(where, Short(value) + " is not of the form " + Short(schema["pattern"]));
    }
  }
  return Status::Ok();
}

Status Checker::CheckArray(const json& schema, const json& value, const std::string& where) const {
  if (schema.contains("minItems") && value.size() < schema["minItems"].get<size_t>()) {
    return Wrong(where, "has too few entries");
  }
  if (schema.contains("maxItems") && value.size() > schema["maxItems"].get<size_t>()) {
    return Wrong(where, "has too many entries");
  }
  const size_t fixed = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string at = fmt::format("{}/{}", where, i);
    if (i < fixed) {
      RETURN_IF_ERROR(Check(schema["prefixItems"][i], value[i], at));
    } else if (schema.contains("items")) {
      RETURN_IF_ERROR(Check(schema["items"], value[i], at));
    }
  }
  return Status::Ok();
}

Status Checker::CheckObject(const json& schema, const json& value, const std::string& where) const {
  if (schema.contains("required")) {
    for (const json& name : schema["required"]) {
      if (!value.contains(name.get_ref<const std::string&>())) {
        return Wrong(where, fmt::format("has no {}", Short(name)));
      }
    }
  }
  for (const auto& [name, entry] : value.items()) {
    const std::string at = fmt::format("{}/{}", where, name);
    if (schema.contains("propertyNames")) {
      RETURN_IF_ERROR(Check(schema["propertyNames"], json(name), at));
    }
    if (schema.contains("properties") && schema["properties"].contains(name)) {
      RETURN_IF_ERROR(Check(schema["properties"][name], entry, at));
    } else if (schema.contains("additionalProperties")) {
      const json& others = schema["additionalProperties"];
      if (others == false) return Wrong(at, "is not known");
      RETURN_IF_ERROR(Check(others, entry, at));
    }
  }
  return Status::Ok();
}

// Schemas that are parts of this one.
Status Checker::CheckParts(const json& schema, const json& value, const std::string& where) const {
  if (schema.contains("$ref")) {
    const std::string reference = schema["$ref"];
    CHECK(reference.starts_with("#/"));
    RETURN_IF_ERROR(Check(root_.at(json::json_pointer(reference.substr(1))), value, where));
  }
  if (schema.contains("allOf")) {
    for (const json& part : schema["allOf"]) RETURN_IF_ERROR(Check(part, value, where));
  }
  if (schema.contains("anyOf")) {
    Status first;
    bool any = false;
    for (const json& part : schema["anyOf"]) {
      Status status = Check(part, value, where);
      any |= status.ok();
      if (first.ok()) first = std::move(status);
    }
    if (!any) return first;
  }
  if (schema.contains("if")) {
    const char* branch = Holds(schema["if"], value) ? "then" : "else";
    if (schema.contains(branch)) RETURN_IF_ERROR(Check(schema[branch], value, where));
  }
  return Status::Ok();
}

Status Checker::Check(const json& schema, const json& value, const std::string& where) const {
  if (schema.is_boolean()) {
    return schema.get<bool>() ? Status::Ok() : Wrong(where, "is not allowed");
  }
  for (const auto& [keyword, unused] : schema.items()) {
    CHECK(std::find(std::begin(kKeywords), std::end(kKeywords), keyword) != std::end(kKeywords));
  }
  RETURN_IF_ERROR(CheckType(schema, value, where));
  if (value.is_number()) RETURN_IF_ERROR(CheckNumber(schema, value, where));
  if (value.is_string()) RETURN_IF_ERROR(CheckText(schema, value, where));
  if (value.is_array()) RETURN_IF_ERROR(CheckArray(schema, value, where));
  if (value.is_object()) RETURN_IF_ERROR(CheckObject(schema, value, where));
  return CheckParts(schema, value, where);
}

}  // namespace

Status CheckSchema(const json& schema, const json& document) {
  return Checker(schema).Check(schema, document, "");
}

}  // namespace fencepost::page
