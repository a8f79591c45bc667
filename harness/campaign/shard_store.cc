// SPDX-License-Identifier: BSD-3-Clause
#include "harness/campaign/shard_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "harness/build_info.h"
#include "harness/campaign/folder_lock.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kPlanSchema = "fencepost.shards/1";
constexpr const char* kPartSchema = "fencepost.part/1";
constexpr const char* kKindNames[] = {"units", "cells", "whole"};

// A part of which something else than this is said is part of something else.
struct Told {
  const char* name;
  const char* what;  // what differs, for who reads it
};
constexpr Told kTold[] = {
    {"fencepost_version", "another version"},
    {"commit", "another version"},
    {"arguments", "other settings"},
    {"recording", "another recording"},
    {"schedule", "another division"},
    {"begin", "another division"},
    {"end", "another division"},
    {"cell", "another division"},
};

std::string Text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  const auto is_text = [](const json& word) { return word.is_string(); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_text)) return value.dump();
  return fmt::format("{}", fmt::join(value.get<std::vector<std::string>>(), " "));
}

json ShardJson(const Shard& shard) {
  return {{"schedule", shard.schedule},
          {"begin", shard.begin},
          {"end", shard.end},
          {"cell", shard.cell}};
}

}  // namespace

std::string_view ShardKindName(ShardKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

Status ShardPlan::Write(const fs::path& step) const {
  json list = json::array();
  for (const Shard& shard : shards) list.push_back(ShardJson(shard));
  const json document = {{"schema", kPlanSchema},
                         {"fencepost_version", GetBuildInfo().version},
                         {"commit", GetBuildInfo().commit},
                         {"kind", ShardKindName(kind)},
                         {"arguments", arguments},
                         {"run", run},
                         {"schedules", schedules},
                         {"recordings", recordings},
                         {"units", units},
                         {"shards", std::move(list)}};
  return WriteFileAtomically(step / "shards.json", document.dump(1) + "\n");
}

Result<ShardPlan> ShardPlan::Read(const fs::path& step) {
  const fs::path path = step / "shards.json";
  ShardPlan plan;
  try {
    std::ifstream file(path);
    const json document = json::parse(file);
    if (document.at("schema") != kPlanSchema ||
        document.at("fencepost_version") != GetBuildInfo().version ||
        document.at("commit") != GetBuildInfo().commit) {
      return Status::InvalidArgument(
          fmt::format("{}: was made by another version of fencepost", path.string()));
    }
    const auto* const kind = std::find(std::begin(kKindNames), std::end(kKindNames),
                                       document.at("kind").get<std::string>());
    if (kind == std::end(kKindNames)) throw json::other_error::create(0, "kind", &document);
    plan.kind = static_cast<ShardKind>(kind - std::begin(kKindNames));
    document.at("arguments").get_to(plan.arguments);
    document.at("run").get_to(plan.run);
    document.at("schedules").get_to(plan.schedules);
    document.at("recordings").get_to(plan.recordings);
    document.at("units").get_to(plan.units);
    for (const json& shard : document.at("shards")) {
      plan.shards.push_back({.schedule = shard.at("schedule").get<uint64_t>(),
                             .begin = shard.at("begin").get<uint64_t>(),
                             .end = shard.at("end").get<uint64_t>(),
                             .cell = shard.at("cell").get<std::string>()});
    }
  } catch (const json::exception&) {
    return Status::InvalidArgument(fmt::format("{}: cannot be read", path.string()));
  }
  const auto known = [&](const Shard& shard) {
    const auto at = std::find(plan.schedules.begin(), plan.schedules.end(), shard.schedule);
    return plan.kind != ShardKind::kUnits || at != plan.schedules.end();
  };
  if (plan.recordings.size() != plan.schedules.size() ||
      plan.units.size() != plan.schedules.size() ||
      !std::all_of(plan.shards.begin(), plan.shards.end(), known)) {
    return Status::InvalidArgument(fmt::format("{}: contradicts itself", path.string()));
  }
  return plan;
}

void AddShards(uint64_t schedule, uint64_t units, uint64_t count, std::vector<Shard>* shards) {
  count = std::min(count, units);
  for (uint64_t i = 0; i < count; ++i) {
    shards->push_back(
        {.schedule = schedule, .begin = units * i / count, .end = units * (i + 1) / count});
  }
}

ShardStore::ShardStore(fs::path step, ShardPlan plan)
    : step_(std::move(step)), plan_(std::move(plan)) {}

fs::path ShardStore::PathOf(uint64_t shard) const {
  return step_ / "parts" / fmt::format("{:05}.part", shard);
}

bool ShardStore::IsDone(uint64_t shard) const {
  std::error_code error;
  return fs::exists(PathOf(shard), error);
}

std::vector<uint64_t> ShardStore::Missing() const {
  std::vector<uint64_t> missing;
  for (uint64_t i = 0; i < count(); ++i) {
    if (!IsDone(i)) missing.push_back(i);
  }
  return missing;
}

json ShardStore::HeadOf(uint64_t number) const {
  const Shard& shard = plan_.shards[number];
  json head = ShardJson(shard);
  const auto at = std::find(plan_.schedules.begin(), plan_.schedules.end(), shard.schedule);
  const std::string recording =
      at == plan_.schedules.end()
          ? ""
          : plan_.recordings[static_cast<size_t>(at - plan_.schedules.begin())];
  head.update({{"fencepost_version", GetBuildInfo().version},
               {"commit", GetBuildInfo().commit},
               {"arguments", plan_.arguments},
               {"recording", recording}});
  return head;
}

Status ShardStore::Write(uint64_t shard, json body) const {
  std::error_code error;
  fs::create_directories(step_ / "parts", error);
  const json document = {{"schema", kPartSchema},
                         {"head", HeadOf(shard)},
                         {"node", NodeName()},
                         {"body", std::move(body)}};
  const std::vector<uint8_t> bytes = json::to_cbor(document);
  return WriteFileAtomically(PathOf(shard),
                             {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Result<json> ShardStore::ReadWhole(uint64_t shard) const {
  const fs::path path = PathOf(shard);
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  json document = json::from_cbor(bytes, /*strict=*/true, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("schema") || !document.contains("head") ||
      !document.contains("body") || !document.contains("node") || !document["node"].is_string() ||
      !document["head"].is_object()) {
    return Status::Corrupt(
        fmt::format("{}: is no part of a campaign, or damaged (without it its shard is done again)",
                    path.string()));
  }
  if (document["schema"] != kPartSchema) {
    return Status::InvalidArgument(fmt::format("{}: is of another version: {}, not {}",
                                               path.string(), Text(document["schema"]),
                                               kPartSchema));
  }
  const json head = HeadOf(shard);
  for (const Told& told : kTold) {
    const json& theirs =
        document["head"].contains(told.name) ? document["head"][told.name] : json();
    if (theirs == head[told.name]) continue;
    return Status::InvalidArgument(fmt::format("{}: is of {}: {}, not {}", path.string(), told.what,
                                               Text(theirs), Text(head[told.name])));
  }
  return document;
}

Result<json> ShardStore::Read(uint64_t shard) const {
  ASSIGN_OR_RETURN(json document, ReadWhole(shard));
  return std::move(document["body"]);
}

Status ShardStore::CheckParts() const {
  for (uint64_t i = 0; i < count(); ++i) {
    if (IsDone(i)) RETURN_IF_ERROR(ReadWhole(i).status());
  }
  return Status::Ok();
}

std::map<std::string, uint64_t> ShardStore::Nodes() const {
  std::map<std::string, uint64_t> nodes;
  for (uint64_t i = 0; i < count(); ++i) {
    if (!IsDone(i)) continue;
    const Result<json> document = ReadWhole(i);
    if (document.ok()) ++nodes[(*document)["node"].get<std::string>()];
  }
  return nodes;
}

std::map<std::string, std::string> ShardStore::NodesOfCells() const {
  std::map<std::string, std::string> nodes;
  for (uint64_t i = 0; i < count() && plan_.kind == ShardKind::kCells; ++i) {
    if (!IsDone(i)) continue;
    const Result<json> document = ReadWhole(i);
    if (document.ok()) nodes[plan_.shards[i].cell] = (*document)["node"].get<std::string>();
  }
  return nodes;
}

bool ShardStore::Claim(const fs::path& launch, uint64_t shard) {
  const int fd = open((launch / fmt::format("{:05}.claim", shard)).c_str(),
                      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  close(fd);
  return true;
}

bool ShardStore::IsClaimed(const fs::path& launch, uint64_t shard) {
  std::error_code error;
  return fs::exists(launch / fmt::format("{:05}.claim", shard), error);
}

}  // namespace fencepost
