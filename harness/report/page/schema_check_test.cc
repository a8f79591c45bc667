// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/schema_check.h"

#include <gtest/gtest.h>

#include "harness/report/page/embedded_files.h"

namespace fencepost::page {
namespace {

using nlohmann::json;

TEST(SchemaCheck, EveryKeywordOfOurSchemasIsKnown) {
  // An unknown keyword ends the program. An empty document stops at once: the parts are walked too.
  for (const char* name : {"bench", "crash", "manifest", "summary"}) {
    const json schema = json::parse(EmbeddedFile(std::string(name) + ".schema.json"));
    EXPECT_FALSE(CheckSchema(schema, json::object()).ok()) << name;
    for (const auto& [part, unused] : schema["$defs"].items()) {
      const json of_part = {{"$ref", "#/$defs/" + part}, {"$defs", schema["$defs"]}};
      EXPECT_FALSE(CheckSchema(of_part, json(false)).ok()) << name << " " << part;
    }
  }
}

TEST(SchemaCheck, WhatIsWrongIsNamedWithItsPlace) {
  const json schema =
      json::parse(R"({"type": "object", "additionalProperties": false, "required": ["a"],
    "properties": {"a": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                   "b": {"enum": ["x", "y"]}, "c": {"type": "string", "pattern": "^[0-9]+$"}}})");
  EXPECT_TRUE(CheckSchema(schema, json::parse(R"({"a": [0, 1], "b": "x", "c": "12"})")).ok());
  const auto message = [&](const char* text) {
    return std::string(CheckSchema(schema, json::parse(text)).message());
  };
  EXPECT_EQ(message("{}"), "/: has no \"a\"");
  EXPECT_EQ(message(R"({"a": [0, -1]})"), "/a/1: -1 is out of range");
  EXPECT_EQ(message(R"({"a": [0.5]})"), "/a/0: 0.5 is not of type integer");
  EXPECT_EQ(message(R"({"a": [], "d": 1})"), "/d: is not known");
  EXPECT_EQ(message(R"({"a": [], "b": "z"})"), "/b: \"z\" is none of [\"x\",\"y\"]");
  EXPECT_EQ(message(R"({"a": [], "c": "1a"})"), "/c: \"1a\" is not of the form \"^[0-9]+$\"");
}

TEST(SchemaCheck, ConditionsAndReferencesHold) {
  const json schema = json::parse(R"({"$defs": {"n": {"type": "number"}},
    "anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}],
    "if": {"type": "number"}, "then": {"maximum": 10}})");
  EXPECT_TRUE(CheckSchema(schema, nullptr).ok());
  EXPECT_TRUE(CheckSchema(schema, 10).ok());
  EXPECT_FALSE(CheckSchema(schema, 11).ok());
  EXPECT_FALSE(CheckSchema(schema, "x").ok());
}

}  // namespace
}  // namespace fencepost::page
