// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/recording_content.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "faultinject/explore/trace_replay.h"

namespace fencepost {
namespace {

class Hash {
 public:
  Hash() : state_(XXH3_createState()) {
    CHECK(state_ != nullptr);
    XXH3_64bits_reset(state_.get());
  }

  void Add(uint64_t number) { XXH3_64bits_update(state_.get(), &number, sizeof(number)); }
  // With its length: two texts in a row are not one.
  void Add(std::string_view bytes) {
    Add(bytes.size());
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
  }
  uint64_t Value() const { return XXH3_64bits_digest(state_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

std::string_view BytesOf(const fpt_event& event) {
  // The hash takes them as they are.
  return {reinterpret_cast<const char*>(event.bytes), event.bytes == nullptr ? 0 : event.length};
}

class EventHash {
 public:
  explicit EventHash(Hash* hash) : hash_(hash) {}

  void Add(const fpt_event& event) {
    mappings_.Apply(event);
    switch (event.kind) {
      case FPT_STORE:
        if ((event.flags & FPT_STORE_NT) != 0) to_drain_.insert(event.thread);
        AddRange(event);
        break;
      case FPT_FLUSH:
        to_drain_.insert(event.thread);
        AddRange(event);
        break;
      case FPT_SYNC:
        AddRange(event);
        break;
      case FPT_FENCE:
        if (to_drain_.erase(event.thread) > 0) AddHead(event);
        break;
      case FPT_FILE_WRITE:
        AddHead(event);
        hash_->Add(event.file);
        hash_->Add(event.file_offset);
        hash_->Add(event.length);
        hash_->Add(BytesOf(event));
        break;
      case FPT_OP_BEGIN:
      case FPT_OP_END:
        AddHead(event);
        hash_->Add(event.id);
        break;
      default:
        break;
    }
  }

 private:
  void AddHead(const fpt_event& event) {
    hash_->Add(event.kind);
    hash_->Add(event.how);
    hash_->Add(event.flags);
    hash_->Add(event.thread);
  }

  // Where it is in the files; what is in none cannot be left by a crash.
  void AddRange(const fpt_event& event) {
    AddHead(event);
    ForEachPart(mappings_, event.address, event.length, [&](const FilePart& part) {
      hash_->Add(part.file);
      hash_->Add(part.offset);
      hash_->Add(part.length);
      if (event.bytes != nullptr) hash_->Add(BytesOf(event).substr(part.skipped, part.length));
    });
  }

  Hash* const hash_;
  TraceMappings mappings_;
  std::set<uint32_t> to_drain_;  // threads with flushes or non-temporal stores since their fence
};

void AddMaybe(const std::optional<std::string>& value, Hash* hash) {
  hash->Add(value ? 1 : 0);
  if (value) hash->Add(*value);
}

void AddOperation(const HistoryOp& operation, Hash* hash) {
  hash->Add(operation.id);
  hash->Add(static_cast<uint64_t>(operation.kind));
  hash->Add(static_cast<uint64_t>(operation.outcome));
  hash->Add(operation.writes.size());
  for (const KeyWrite& write : operation.writes) {
    hash->Add(write.key);
    AddMaybe(write.value, hash);
  }
  hash->Add(operation.key);
  AddMaybe(operation.found, hash);
  for (const auto& [key, value] : operation.contents) {
    hash->Add(key);
    hash->Add(value);
  }
}

}  // namespace

Result<uint64_t> ContentOf(TraceFile* trace, const History& history) {
  Hash hash;
  EventHash events(&hash);
  RETURN_IF_ERROR(trace->ForEach([&](const fpt_event& event) { events.Add(event); }));
  // When each was under way is in the trace; in which order they were written down is no matter.
  std::map<uint64_t, const HistoryOp*> by_id;
  for (const HistoryOp& operation : history.operations) by_id[operation.id] = &operation;
  for (const auto& [id, operation] : by_id) AddOperation(*operation, &hash);
  return hash.Value();
}

Result<std::string> TraceHash(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "trace";
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) return Status::IoError(fmt::format("read: {}", path.string()));
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace fencepost
