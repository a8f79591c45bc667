// SPDX-License-Identifier: BSD-3-Clause
// The calls of libpmemkv.h on transactions and iterators.
#include <libpmemkv.h>

#include <memory>

#include "engines/cmap/pmemkv_api/handles.h"

namespace {

using fencepost::Write;
using fencepost::pmemkv_api::Answer;
using fencepost::pmemkv_api::AnswerCall;
using fencepost::pmemkv_api::AnswerNull;
using fencepost::pmemkv_api::View;

// No engine here has an order.
int MoveOrdered(const char* function, pmemkv_iterator* it) {
  if (it == nullptr) return AnswerNull(function, "it");
  return AnswerCall(function, [] { return Answer(PMEMKV_STATUS_NOT_SUPPORTED); });
}

std::unique_ptr<pmemkv_iterator> NewIterator(pmemkv_db* db, bool writes, Answer* answer) {
  auto made = std::make_unique<pmemkv_iterator>();
  *answer = db->database->NewCursor(writes, &made->cursor);
  return made;
}

}  // namespace

extern "C" {

int pmemkv_tx_begin(pmemkv_db* db, pmemkv_tx** tx) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL(tx);
  return AnswerCall(__func__, [&]() -> Answer {
    RETURN_IF_BAD(db->database->CanApply());
    *tx = new pmemkv_tx{db->database, {}};
    return {};
  });
}

int pmemkv_tx_put(pmemkv_tx* tx, const char* k, size_t kb, const char* v, size_t vb) {
  RETURN_IF_NULL(tx);
  RETURN_IF_NULL_BYTES(k, kb);
  RETURN_IF_NULL_BYTES(v, vb);
  return AnswerCall(__func__, [&] {
    tx->changes.push_back({Write::Kind::kPut, std::string(View(k, kb)), std::string(View(v, vb))});
    return Answer();
  });
}

int pmemkv_tx_remove(pmemkv_tx* tx, const char* k, size_t kb) {
  RETURN_IF_NULL(tx);
  RETURN_IF_NULL_BYTES(k, kb);
  return AnswerCall(__func__, [&] {
    tx->changes.push_back({Write::Kind::kDelete, std::string(View(k, kb)), {}});
    return Answer();
  });
}

int pmemkv_tx_commit(pmemkv_tx* tx) {
  RETURN_IF_NULL(tx);
  return AnswerCall(__func__, [&]() -> Answer {
    std::vector<Write> changes;
    changes.reserve(tx->changes.size());
    for (const pmemkv_tx::Change& change : tx->changes) {
      changes.push_back({change.kind, change.key, change.value});
    }
    RETURN_IF_BAD(tx->database->Apply(changes));
    tx->changes.clear();
    return {};
  });
}

void pmemkv_tx_abort(pmemkv_tx* tx) {
  if (tx != nullptr) tx->changes.clear();
}

void pmemkv_tx_end(pmemkv_tx* tx) { delete tx; }

int pmemkv_iterator_new(pmemkv_db* db, pmemkv_iterator** it) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL(it);
  return AnswerCall(__func__, [&] {
    Answer answer;
    std::unique_ptr<pmemkv_iterator> made = NewIterator(db, /*writes=*/false, &answer);
    if (answer.ok()) *it = made.release();
    return answer;
  });
}

int pmemkv_write_iterator_new(pmemkv_db* db, pmemkv_write_iterator** it) {
  RETURN_IF_NULL(db);
  RETURN_IF_NULL(it);
  return AnswerCall(__func__, [&] {
    Answer answer;
    std::unique_ptr<pmemkv_iterator> made = NewIterator(db, /*writes=*/true, &answer);
    if (answer.ok()) {
      *it = new pmemkv_write_iterator{made.get()};
      (void)made.release();
    }
    return answer;
  });
}

void pmemkv_iterator_delete(pmemkv_iterator* it) { delete it; }

void pmemkv_write_iterator_delete(pmemkv_write_iterator* it) {
  if (it != nullptr) delete it->iter;
  delete it;
}

int pmemkv_iterator_seek(pmemkv_iterator* it, const char* k, size_t kb) {
  RETURN_IF_NULL(it);
  RETURN_IF_NULL_BYTES(k, kb);
  return AnswerCall(__func__, [&] { return it->cursor->Seek(View(k, kb)); });
}

int pmemkv_iterator_key(pmemkv_iterator* it, const char** k, size_t* kb) {
  RETURN_IF_NULL(it);
  RETURN_IF_NULL(k);
  RETURN_IF_NULL(kb);
  return AnswerCall(__func__, [&]() -> Answer {
    std::string_view key;
    RETURN_IF_BAD(it->cursor->Key(&key));
    *k = key.data();
    *kb = key.size();
    return {};
  });
}

int pmemkv_iterator_read_range(pmemkv_iterator* it, size_t pos, size_t n, const char** data,
                               size_t* rb) {
  RETURN_IF_NULL(it);
  RETURN_IF_NULL(data);
  RETURN_IF_NULL(rb);
  return AnswerCall(__func__, [&]() -> Answer {
    std::string_view range;
    RETURN_IF_BAD(it->cursor->Read(pos, n, &range));
    *data = range.data();
    *rb = range.size();
    return {};
  });
}

int pmemkv_write_iterator_write_range(pmemkv_write_iterator* it, size_t pos, size_t n, char** data,
                                      size_t* wb) {
  RETURN_IF_NULL(it);
  RETURN_IF_NULL(data);
  RETURN_IF_NULL(wb);
  return AnswerCall(__func__, [&]() -> Answer {
    std::span<char> range;
    RETURN_IF_BAD(it->iter->cursor->Write(pos, n, &range));
    *data = range.data();
    *wb = range.size();
    return {};
  });
}

int pmemkv_write_iterator_commit(pmemkv_write_iterator* it) {
  RETURN_IF_NULL(it);
  return AnswerCall(__func__, [&] { return it->iter->cursor->Commit(); });
}

void pmemkv_write_iterator_abort(pmemkv_write_iterator* it) {
  if (it != nullptr) it->iter->cursor->Abort();
}

int pmemkv_iterator_seek_lower(pmemkv_iterator* it, const char*, size_t) {
  return MoveOrdered(__func__, it);
}

int pmemkv_iterator_seek_lower_eq(pmemkv_iterator* it, const char*, size_t) {
  return MoveOrdered(__func__, it);
}

int pmemkv_iterator_seek_higher(pmemkv_iterator* it, const char*, size_t) {
  return MoveOrdered(__func__, it);
}

int pmemkv_iterator_seek_higher_eq(pmemkv_iterator* it, const char*, size_t) {
  return MoveOrdered(__func__, it);
}

int pmemkv_iterator_seek_to_first(pmemkv_iterator* it) { return MoveOrdered(__func__, it); }

int pmemkv_iterator_seek_to_last(pmemkv_iterator* it) { return MoveOrdered(__func__, it); }

int pmemkv_iterator_is_next(pmemkv_iterator* it) { return MoveOrdered(__func__, it); }

int pmemkv_iterator_next(pmemkv_iterator* it) { return MoveOrdered(__func__, it); }

int pmemkv_iterator_prev(pmemkv_iterator* it) { return MoveOrdered(__func__, it); }

}  // extern "C"
