// SPDX-License-Identifier: BSD-3-Clause
// Database: an open pmemkv database of any engine, and the Cursor that is its iterator.
//
// What an engine does not override answers PMEMKV_STATUS_NOT_SUPPORTED.
// Invariants:
//   1. After Close every call answers PMEMKV_STATUS_INVALID_ARGUMENT: transactions and cursors that
//      are left share the object and find out.
//   2. A callback that throws or calls its database does no harm: the exception goes on when the
//      engine's locks are free, the call is refused.
// Threads: any number, but for Close, which must be the only call under way. A Cursor: one.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_DATABASE_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_DATABASE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "engines/cmap/pmemkv_api/answer.h"
#include "engines/cmap/pmemkv_api/config.h"
#include "engines/engine.h"
#include "engines/function_ref.h"

namespace fencepost::pmemkv_api {

// Returns what ends the walk if it is not 0.
using PairCallback = FunctionRef<int(std::string_view key, std::string_view value)>;
using ValueCallback = FunctionRef<void(std::string_view value)>;

class Cursor {
 public:
  Cursor() = default;
  virtual ~Cursor() = default;
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Aborts, leaves its pair and goes to that of `key`; on none if that is PMEMKV_STATUS_NOT_FOUND.
  virtual Answer Seek(std::string_view key) = 0;
  // PMEMKV_STATUS_NOT_FOUND where the cursor is on no pair. The bytes are good until the next Seek
  // or Commit, and followed by a NUL.
  virtual Answer Key(std::string_view* key) = 0;
  virtual Answer Read(size_t position, size_t bytes, std::string_view* range) = 0;
  // What is written into `range` is the value's with the next Commit. It starts as the value is.
  virtual Answer Write(size_t position, size_t bytes, std::span<char>* range);
  virtual Answer Commit();
  virtual void Abort() {}
};

class Database {
 public:
  Database() = default;
  virtual ~Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  virtual Answer Put(std::string_view key, std::string_view value) = 0;
  virtual Answer Remove(std::string_view key) = 0;
  virtual Answer Exists(std::string_view key) = 0;
  virtual Answer Get(std::string_view key, ValueCallback callback) = 0;
  virtual Answer GetAll(PairCallback callback) = 0;
  virtual Answer CountAll(size_t* count) = 0;
  virtual Answer Defragment(double start_percent, double amount_percent);

  // Any of the calls by key order: none of these engines has one.
  virtual Answer GetOrdered();
  virtual Answer CountOrdered(size_t* count);

  // What a transaction needs: whether it can be, and its changes at once.
  virtual Answer CanApply();
  virtual Answer Apply(std::span<const Write> changes);

  virtual Answer NewCursor(bool writes, std::unique_ptr<Cursor>* cursor) = 0;

  virtual void Close() = 0;
};

// Opens "cmap", "vcmap" or "blackhole"; `config` may be null for blackhole only.
Answer OpenDatabase(std::string_view engine, const Config* config, std::shared_ptr<Database>* out);

std::shared_ptr<Database> OpenBlackholeDatabase();

}  // namespace fencepost::pmemkv_api

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_DATABASE_H_
