// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/recovered_store.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace fencepost {
namespace {

using nlohmann::json;

// Keys may be any bytes: CBOR holds them as they are.
json::binary_t Bytes(const std::string& text) {
  return json::binary_t(std::vector<uint8_t>(text.begin(), text.end()));
}

std::string Text(const json& bytes) {
  const json::binary_t& binary = bytes.get_binary();
  return {binary.begin(), binary.end()};
}

}  // namespace

std::string VersionToken(uint32_t version) { return fmt::format("v{}", version); }

std::string RecoveredStore::Encode() const {
  json pairs = json::array(), bad = json::array();
  for (const auto& [key, token] : contents) pairs.push_back({Bytes(key), Bytes(token)});
  for (const Fault& fault : faults)
    bad.push_back({Bytes(fault.key), Bytes(fault.fault), fault.bytes});
  json all = {{"call", Bytes(failed_call)},
              {"failure", Bytes(failure)},
              {"pairs", std::move(pairs)},
              {"faults", std::move(bad)},
              {"afterwards", Bytes(afterwards)}};
  if (audit) {
    all["audit"] = {audit->allocated_bytes, audit->reachable_bytes, audit->allocated_objects,
                    audit->reachable_objects};
  }
  if (count) all["count"] = *count;
  const std::vector<uint8_t> bytes = json::to_cbor(all);
  return {bytes.begin(), bytes.end()};
}

Result<RecoveredStore> RecoveredStore::Decode(const std::string& text) {
  try {
    const json all = json::from_cbor(text);
    RecoveredStore store;
    store.failed_call = Text(all.at("call"));
    store.failure = Text(all.at("failure"));
    store.afterwards = Text(all.at("afterwards"));
    for (const json& pair : all.at("pairs")) store.contents[Text(pair.at(0))] = Text(pair.at(1));
    for (const json& bad : all.at("faults")) {
      store.faults.push_back({Text(bad.at(0)), Text(bad.at(1)), bad.at(2).get<uint64_t>()});
    }
    if (all.contains("audit")) {
      const json& audit = all["audit"];
      store.audit = AuditReport{audit.at(0).get<uint64_t>(), audit.at(1).get<uint64_t>(),
                                audit.at(2).get<uint64_t>(), audit.at(3).get<uint64_t>()};
    }
    if (all.contains("count")) store.count = all["count"].get<uint64_t>();
    return store;
  } catch (const std::exception& error) {
    return Status::Corrupt(fmt::format("the answer of a recovery: {}", error.what()));
  }
}

}  // namespace fencepost
