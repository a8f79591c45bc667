// SPDX-License-Identifier: BSD-3-Clause
// For tests of crashes: an engine that is a map, and can be made to do one thing wrongly.
#ifndef FENCEPOST_HARNESS_CRASH_CRASH_TEST_UTIL_H_
#define FENCEPOST_HARNESS_CRASH_CRASH_TEST_UTIL_H_

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engines/engine_table.h"
#include "workloads/keys.h"
#include "workloads/values.h"
#include "workloads/workload.h"

namespace fencepost {

// What a MapEngine keeps, and how it misbehaves. Outlives the engine, as a file would.
struct MapStore {
  std::map<std::string, std::string> pairs;
  std::optional<std::pair<std::string, std::string>> second_copy;  // ForEach shows it too
  AuditReport audit;                                               // of what has leaked so far
  uint64_t miscounted = 0;

  // What each call is answered instead, if anything; "put", "get", "delete", "apply", "for-each",
  // "audit", "stats", "close".
  std::function<Status(const std::string& call)> answer = [](const std::string&) {
    return Status::Ok();
  };
  bool loses_last_put_when_opened = false;
  bool shortens_puts = false;
  bool leaks_when_overwriting = false;
  bool keeps_deleted = false;
  bool miscounts_deletes = false;

  std::vector<std::string> calls;  // "put key", ... as they came
  std::string last_put;
  int opened = 0;
};

class MapEngine : public Engine, public ComparesAndPuts, public Defragments {
 public:
  explicit MapEngine(MapStore* store) : store_(store) {
    ++store_->opened;
    if (store_->loses_last_put_when_opened) store_->pairs.erase(store_->last_put);
  }

  Status Put(std::string_view key, std::string_view value) override {
    store_->calls.push_back(fmt::format("put {}", key));
    RETURN_IF_ERROR(store_->answer("put"));
    const std::string put(value.substr(0, value.size() - (store_->shortens_puts ? 1 : 0)));
    const bool is_new = store_->pairs.insert_or_assign(std::string(key), put).second;
    if (!is_new && store_->leaks_when_overwriting) ++store_->audit.allocated_objects;
    store_->last_put = key;
    return Status::Ok();
  }
  Status Get(std::string_view key, ValueVisitor visit) override {
    store_->calls.push_back(fmt::format("get {}", key));
    RETURN_IF_ERROR(store_->answer("get"));
    const auto found = store_->pairs.find(std::string(key));
    if (found == store_->pairs.end()) return Status::NotFound();
    visit(found->second);
    return Status::Ok();
  }
  Status Delete(std::string_view key) override {
    store_->calls.push_back(fmt::format("delete {}", key));
    RETURN_IF_ERROR(store_->answer("delete"));
    const auto found = store_->pairs.find(std::string(key));
    if (found == store_->pairs.end()) return Status::NotFound();
    if (!store_->keeps_deleted) store_->pairs.erase(found);
    if (store_->miscounts_deletes) ++store_->miscounted;
    return Status::Ok();
  }
  Status Scan(std::string_view, size_t, PairVisitor) override {
    return Status::Unsupported("scan");
  }
  Status ForEach(PairVisitor visit) override {
    RETURN_IF_ERROR(store_->answer("for-each"));
    for (const auto& [key, value] : store_->pairs) {
      if (!visit(key, value)) return Status::Ok();
    }
    if (store_->second_copy) visit(store_->second_copy->first, store_->second_copy->second);
    return Status::Ok();
  }
  Status Apply(std::span<const Write> batch) override {
    store_->calls.push_back(fmt::format("apply {}", batch.size()));
    RETURN_IF_ERROR(store_->answer("apply"));
    for (const Write& write : batch) {
      if (write.kind == Write::Kind::kPut) {
        store_->pairs.insert_or_assign(std::string(write.key), std::string(write.value));
      } else {
        store_->pairs.erase(std::string(write.key));
      }
    }
    return Status::Ok();
  }
  Result<bool> CompareAndPut(std::string_view key, std::string_view expected,
                             std::string_view value) override {
    store_->calls.push_back(fmt::format("replace {}", key));
    const auto found = store_->pairs.find(std::string(key));
    if (found == store_->pairs.end()) return Status::NotFound();
    if (found->second != expected) return false;
    found->second = value;
    return true;
  }
  Result<uint64_t> Defragment() override {
    store_->calls.push_back("defragment");
    return uint64_t{0};
  }
  ComparesAndPuts* compares_and_puts() override { return this; }
  Defragments* defragments() override { return this; }
  Status Sync() override { return Status::Ok(); }
  Result<EngineStats> Stats() override {
    RETURN_IF_ERROR(store_->answer("stats"));
    return EngineStats{.count = store_->pairs.size() + store_->miscounted};
  }
  Result<AuditReport> Audit() override {
    RETURN_IF_ERROR(store_->answer("audit"));
    return store_->audit;
  }
  Medium medium() const override { return {}; }
  Status Close() override { return store_->answer("close"); }

 private:
  MapStore* const store_;
};

// A whole value of this version of the key.
inline std::string ValueOf(const std::string& key, uint32_t version) {
  WorkloadSpec spec;
  spec.field_bytes = 64;
  const ValueMaker maker(spec);
  std::string buffer(maker.max_value_bytes(), '\0');
  return std::string(maker.Make(/*number=*/1, KeyHash(key), version, buffer.data()));
}

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_TEST_UTIL_H_
