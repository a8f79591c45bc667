// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/pmemkv_api/map_database.h"

#include <libpmemkv.h>

#include <exception>
#include <list>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engines/cmap/pmemkv_api/key_locks.h"

namespace fencepost::pmemkv_api {
namespace {

// The databases whose callbacks this thread is inside of, innermost first.
class CallbackScope {
 public:
  explicit CallbackScope(const void* database) : database_(database), outer_(innermost) {
    innermost = this;
  }
  ~CallbackScope() { innermost = outer_; }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;

  static bool IsInside(const void* database) {
    for (const CallbackScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
      if (scope->database_ == database) return true;
    }
    return false;
  }

 private:
  static constinit thread_local const CallbackScope* innermost;
  const void* const database_;
  const CallbackScope* const outer_;
};
constinit thread_local const CallbackScope* CallbackScope::innermost = nullptr;

class MapDatabase final : public Database, public std::enable_shared_from_this<MapDatabase> {
 public:
  explicit MapDatabase(std::unique_ptr<MapBackend> map) : map_(std::move(map)) {}

  Answer Put(std::string_view key, std::string_view value) override {
    RETURN_IF_BAD(Ready());
    return locks_.Change(key, [&] { return map_->Put(key, value); });
  }

  Answer Remove(std::string_view key) override {
    RETURN_IF_BAD(Ready());
    return locks_.Change(key, [&] { return map_->Delete(key); });
  }

  Answer Exists(std::string_view key) override {
    RETURN_IF_BAD(Ready());
    return map_->Exists(key);
  }

  Answer Get(std::string_view key, ValueCallback callback) override {
    RETURN_IF_BAD(Ready());
    std::exception_ptr thrown;
    const Status status = map_->Get(key, [&](std::string_view value) {
      const CallbackScope scope(this);
      try {
        callback(value);
      } catch (...) {
        thrown = std::current_exception();
      }
    });
    if (thrown) std::rethrow_exception(thrown);
    return status;
  }

  Answer GetAll(PairCallback callback) override {
    RETURN_IF_BAD(Ready());
    std::exception_ptr thrown;
    bool stopped = false;
    const Status status = map_->ForEach([&](std::string_view key, std::string_view value) {
      const CallbackScope scope(this);
      try {
        stopped = callback(key, value) != 0;
      } catch (...) {
        thrown = std::current_exception();
      }
      return !stopped && !thrown;
    });
    if (thrown) std::rethrow_exception(thrown);
    if (stopped) return Answer(PMEMKV_STATUS_STOPPED_BY_CB);
    return status;
  }

  Answer CountAll(size_t* count) override {
    RETURN_IF_BAD(Ready());
    const Result<uint64_t> counted = map_->Count();
    if (!counted.ok()) return counted.status();
    *count = static_cast<size_t>(*counted);
    return {};
  }

  Answer Defragment(double start_percent, double amount_percent) override {
    RETURN_IF_BAD(Ready());
    // Also false for what is no number.
    const bool valid =
        start_percent >= 0 && amount_percent > 0 && start_percent + amount_percent <= 100;
    if (!valid) {
      return Answer(PMEMKV_STATUS_INVALID_ARGUMENT,
                    "the range must begin at 0 % or later, hold something and end by 100 %");
    }
    // The map finds out by itself which pairs lie badly. A cursor reads a copy: it does not mind.
    const Status status = map_->Defragment();
    if (status.ok()) return {};
    return Answer(PMEMKV_STATUS_DEFRAG_ERROR, std::string(status.message()));
  }

  Answer CanApply() override { return Ready(); }

  Answer Apply(std::span<const Write> changes) override {
    RETURN_IF_BAD(Ready());
    std::vector<std::string_view> keys;
    keys.reserve(changes.size());
    for (const Write& change : changes) keys.push_back(change.key);
    return locks_.Change(keys, [&] { return map_->Apply(changes); });
  }

  Answer NewCursor(bool writes, std::unique_ptr<Cursor>* cursor) override;

  void Close() override { map_.reset(); }

 private:
  friend class MapCursor;

  Answer Ready() const {
    if (map_ == nullptr) {
      return Answer(PMEMKV_STATUS_INVALID_ARGUMENT, "the database is closed");
    }
    if (CallbackScope::IsInside(this)) {
      return Answer(PMEMKV_STATUS_INVALID_ARGUMENT,
                    "called from inside of a callback of the same database, which holds its locks");
    }
    if (InsidePmemobjTransaction()) {
      return Answer(PMEMKV_STATUS_TRANSACTION_SCOPE_ERROR,
                    "called inside of a libpmemobj transaction");
    }
    return {};
  }

  std::unique_ptr<MapBackend> map_;  // null once closed
  KeyLocks locks_;
};

class MapCursor final : public Cursor {
 public:
  MapCursor(std::shared_ptr<MapDatabase> database, bool writes)
      : database_(std::move(database)), writes_(writes) {}
  ~MapCursor() override { Leave(); }

  Answer Seek(std::string_view key) override {
    // The key may be the cursor's own, which leaving would end.
    const std::string wanted(key);
    Leave();
    RETURN_IF_BAD(database_->Ready());
    RETURN_IF_BAD(database_->locks_.Hold(wanted, writes_));
    pair_.emplace(Pair{wanted, {}, std::this_thread::get_id()});
    const Status found =
        database_->map_->Get(wanted, [&](std::string_view value) { pair_->value = value; });
    if (!found.ok()) Leave();
    return found;
  }

  Answer Key(std::string_view* key) override {
    if (!pair_) return OnNoPair();
    *key = pair_->key;
    return {};
  }

  Answer Read(size_t position, size_t bytes, std::string_view* range) override {
    RETURN_IF_BAD(CheckRange(position));
    *range = std::string_view(pair_->value).substr(position, bytes);
    return {};
  }

  Answer Write(size_t position, size_t bytes, std::span<char>* range) override {
    if (!writes_) return Cursor::Write(position, bytes, range);
    RETURN_IF_BAD(CheckRange(position));
    Change& change = changes_.emplace_back(Change{position, pair_->value.substr(position, bytes)});
    *range = change.bytes;
    return {};
  }

  Answer Commit() override {
    if (!writes_) return Cursor::Commit();
    if (!pair_) return OnNoPair();
    RETURN_IF_BAD(database_->Ready());
    std::string value = pair_->value;
    for (const Change& change : changes_) {
      value.replace(change.position, change.bytes.size(), change.bytes);
    }
    // Nobody else changes the pair: this cursor holds it.
    RETURN_IF_BAD(database_->map_->Put(pair_->key, value));
    pair_->value = std::move(value);
    changes_.clear();
    return {};
  }

  void Abort() override { changes_.clear(); }

 private:
  struct Pair {
    std::string key;
    std::string value;
    std::thread::id holder;
  };
  struct Change {
    size_t position;
    std::string bytes;
  };

  static Answer OnNoPair() { return Answer(PMEMKV_STATUS_NOT_FOUND); }

  Answer CheckRange(size_t position) const {
    if (!pair_) return OnNoPair();
    if (position <= pair_->value.size()) return {};
    return Answer(PMEMKV_STATUS_INVALID_ARGUMENT, "the position is beyond the end of the value");
  }

  void Leave() {
    changes_.clear();
    if (pair_) database_->locks_.Release(pair_->key, writes_, pair_->holder);
    pair_.reset();
  }

  const std::shared_ptr<MapDatabase> database_;
  const bool writes_;
  std::optional<Pair> pair_;
  std::list<Change> changes_;  // a list: what was given out stays where it is
};

Answer MapDatabase::NewCursor(bool writes, std::unique_ptr<Cursor>* cursor) {
  RETURN_IF_BAD(Ready());
  *cursor = std::make_unique<MapCursor>(shared_from_this(), writes);
  return {};
}

}  // namespace

std::shared_ptr<Database> OpenMapDatabase(std::unique_ptr<MapBackend> map) {
  return std::make_shared<MapDatabase>(std::move(map));
}

}  // namespace fencepost::pmemkv_api
