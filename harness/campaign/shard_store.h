// SPDX-License-Identifier: BSD-3-Clause
// ShardStore: what a step of a campaign is divided into, what has been done of it, and who is at
// what: all of it in the step's folder, which several machines may share.
//
//     <step>/shards.json         the division, and what it is a division of
//     <step>/parts/00012.part    what came of shard 12: CBOR, a head and a body
//     <step>/launches/3/         of the third start of workers: 12.claim, what the backend keeps
//
// Invariants:
//   1. A part is whole or not there (it is written beside its place, and renamed), and says what it
//      is a part of: one of another build, recording, division or settings is refused.
//   2. Doing a shard again does no harm: it gives a part that serves as well.
//   3. Of one launch, at most one worker has claimed a shard.
// Threads: any number of processes.
// Source: RFC 8949 (CBOR); open(2) on O_EXCL over NFS.
#ifndef FENCEPOST_HARNESS_CAMPAIGN_SHARD_STORE_H_
#define FENCEPOST_HARNESS_CAMPAIGN_SHARD_STORE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// What a step's shards are.
enum class ShardKind : unsigned char {
  kUnits,  // of an exploration: what lies between two of its units
  kCells,  // of a bench
  kWhole,  // there is one: a command that cannot be divided
};
std::string_view ShardKindName(ShardKind kind);

struct Shard {
  uint64_t schedule = 0;  // kUnits: of the recorded run
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string cell = {};  // kCells: its name
};

struct ShardPlan {
  ShardKind kind = ShardKind::kWhole;
  std::vector<std::string> arguments;   // of the step
  std::string run;                      // kUnits: the folder, in the step's, of what is explored
  std::vector<uint64_t> schedules;      // kUnits: which of its recordings are
  std::vector<std::string> recordings;  // kUnits: what tells their contents apart
  std::vector<uint64_t> units;          // kUnits: of each of them
  std::vector<Shard> shards;

  // Into the step's folder.
  Status Write(const std::filesystem::path& step) const;
  // kInvalidArgument if it is of another build, or cannot be read.
  static Result<ShardPlan> Read(const std::filesystem::path& step);
};

// Divides units evenly, in their order, into `count` shards or as many as there are units.
void AddShards(uint64_t schedule, uint64_t units, uint64_t count, std::vector<Shard>* shards);

class ShardStore {
 public:
  ShardStore(std::filesystem::path step, ShardPlan plan);

  const ShardPlan& plan() const { return plan_; }
  uint64_t count() const { return plan_.shards.size(); }
  bool IsDone(uint64_t shard) const;
  std::vector<uint64_t> Missing() const;

  Status Write(uint64_t shard, nlohmann::json body) const;
  // The body. kInvalidArgument, naming the file and what differs, if it is part of something else;
  // kCorrupt if it is damaged.
  Result<nlohmann::json> Read(uint64_t shard) const;
  // Every part that is there is one of this plan.
  Status CheckParts() const;
  // How many parts each node has made.
  std::map<std::string, uint64_t> Nodes() const;
  // kCells: on which node each ran.
  std::map<std::string, std::string> NodesOfCells() const;

  // Whether it is this worker's now. A claim lasts for the launch.
  static bool Claim(const std::filesystem::path& launch, uint64_t shard);
  static bool IsClaimed(const std::filesystem::path& launch, uint64_t shard);

 private:
  std::filesystem::path PathOf(uint64_t shard) const;
  nlohmann::json HeadOf(uint64_t shard) const;
  Result<nlohmann::json> ReadWhole(uint64_t shard) const;

  const std::filesystem::path step_;
  const ShardPlan plan_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CAMPAIGN_SHARD_STORE_H_
