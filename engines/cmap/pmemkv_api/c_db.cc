// SPDX-License-Identifier: BSD-3-Clause
// The calls of libpmemkv.h on a database.
#include <libpmemkv.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "engines/cmap/pmemkv_api/handles.h"

namespace {

using fencepost::pmemkv_api::Answer;
using fencepost::pmemkv_api::AnswerCall;
using fencepost::pmemkv_api::AnswerNull;
using fencepost::pmemkv_api::View;

// The calls by key order differ in what is asked of whom nobody can answer.
int CountOrdered(const char* function, pmemkv_db* db, size_t* cnt) {
  if (db == nullptr) return AnswerNull(function, "db");
  if (cnt == nullptr) return AnswerNull(function, "cnt");
  return AnswerCall(function, [&] { return db->database->CountOrdered(cnt); });
}

int GetOrdered(const char* function, pmemkv_db* db, pmemkv_get_kv_callback* c) {
  if (db == nullptr) return AnswerNull(function, "db");
  if (c == nullptr) return AnswerNull(function, "c");
  return AnswerCall(function, [&] { return db->database->GetOrdered(); });
}

}  // namespace

extern "C" {

int pmemkv_open(const char* engine, pmemkv_config* config, pmemkv_db** db) {
  const std::unique_ptr<pmemkv_config> owned(config);
  RETURN_IF_NULL(db);
  *db = nullptr;
  RETURN_IF_NULL(engine);
  return AnswerCall(__func__, [&]() -> Answer {
    auto made = std::make_unique<pmemkv_db>();
    RETURN_IF_BAD(fencepost::pmemkv_api::OpenDatabase(
        engine, config == nullptr ? nullptr : &config->items, &made->database));
    *db = made.release();
    return {};
  });
}

void pmemkv_close(pmemkv_db* kv) {
  const std::unique_ptr<pmemkv_db> owned(kv);
  if (kv == nullptr) return;
  (void)AnswerCall(__func__, [&] {
    kv->database->Close();
    return Answer();
  });
}

int pmemkv_count_all(pmemkv_db* db, size_t* cnt) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL(cnt);
  return AnswerCall(__func__, [&] { return db->database->CountAll(cnt); });
}

int pmemkv_get_all(pmemkv_db* db, pmemkv_get_kv_callback* c, void* arg) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL(c);
  return AnswerCall(__func__, [&] {
    return db->database->GetAll([&](std::string_view key, std::string_view value) {
      return c(key.data(), key.size(), value.data(), value.size(), arg);
    });
  });
}

int pmemkv_exists(pmemkv_db* db, const char* k, size_t kb) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL_BYTES(k, kb);
  return AnswerCall(__func__, [&] { return db->database->Exists(View(k, kb)); });
}

int pmemkv_get(pmemkv_db* db, const char* k, size_t kb, pmemkv_get_v_callback* c, void* arg) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL_BYTES(k, kb);
  RETURN_IF_NULL(c);
  return AnswerCall(__func__, [&] {
    return db->database->Get(View(k, kb),
                             [&](std::string_view value) { c(value.data(), value.size(), arg); });
  });
}

int pmemkv_get_copy(pmemkv_db* db, const char* k, size_t kb, char* buffer, size_t buffer_size,
                    size_t* value_size) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL_BYTES(k, kb);
  return AnswerCall(__func__, [&]() -> Answer {
    if (buffer != nullptr) std::fill_n(buffer, buffer_size, '\0');
    bool fits = false;
    RETURN_IF_BAD(db->database->Get(View(k, kb), [&](std::string_view value) {
      if (value_size != nullptr) *value_size = value.size();
      fits = value.size() <= buffer_size;
      if (fits && buffer != nullptr) std::copy(value.begin(), value.end(), buffer);
    }));
    if (fits) return {};
    return Answer(PMEMKV_STATUS_OUT_OF_MEMORY, "the value is larger than the buffer");
  });
}

int pmemkv_put(pmemkv_db* db, const char* k, size_t kb, const char* v, size_t vb) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL_BYTES(k, kb);
  RETURN_IF_NULL_BYTES(v, vb);
  return AnswerCall(__func__, [&] { return db->database->Put(View(k, kb), View(v, vb)); });
}

int pmemkv_remove(pmemkv_db* db, const char* k, size_t kb) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL_BYTES(k, kb);
  return AnswerCall(__func__, [&] { return db->database->Remove(View(k, kb)); });
}

int pmemkv_defrag(pmemkv_db* db, double start_percent, double amount_percent) {
  RETURN_IF_NULL(db);
  return AnswerCall(__func__,
                    [&] { return db->database->Defragment(start_percent, amount_percent); });
}

int pmemkv_count_above(pmemkv_db* db, const char*, size_t, size_t* cnt) {
  return CountOrdered(__func__, db, cnt);
}

int pmemkv_count_equal_above(pmemkv_db* db, const char*, size_t, size_t* cnt) {
  return CountOrdered(__func__, db, cnt);
}

int pmemkv_count_equal_below(pmemkv_db* db, const char*, size_t, size_t* cnt) {
  return CountOrdered(__func__, db, cnt);
}

int pmemkv_count_below(pmemkv_db* db, const char*, size_t, size_t* cnt) {
  return CountOrdered(__func__, db, cnt);
}

int pmemkv_count_between(pmemkv_db* db, const char*, size_t, const char*, size_t, size_t* cnt) {
  return CountOrdered(__func__, db, cnt);
}

int pmemkv_get_above(pmemkv_db* db, const char*, size_t, pmemkv_get_kv_callback* c, void*) {
  return GetOrdered(__func__, db, c);
}

int pmemkv_get_equal_above(pmemkv_db* db, const char*, size_t, pmemkv_get_kv_callback* c, void*) {
  return GetOrdered(__func__, db, c);
}

int pmemkv_get_equal_below(pmemkv_db* db, const char*, size_t, pmemkv_get_kv_callback* c, void*) {
  return GetOrdered(__func__, db, c);
}

int pmemkv_get_below(pmemkv_db* db, const char*, size_t, pmemkv_get_kv_callback* c, void*) {
  return GetOrdered(__func__, db, c);
}

int pmemkv_get_between(pmemkv_db* db, const char*, size_t, const char*, size_t,
                       pmemkv_get_kv_callback* c, void*) {
  return GetOrdered(__func__, db, c);
}

}  // extern "C"
