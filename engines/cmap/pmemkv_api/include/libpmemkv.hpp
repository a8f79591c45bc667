// SPDX-License-Identifier: BSD-3-Clause
// The C++ interface of libpmemkv 1.5: pmem::kv::db and what belongs to it, in terms of libpmemkv.h
// and header-only, so that the library's ABI is C. C++11.
//
// Names, signatures and meanings are libpmemkv's; README.md beside the sources says where an answer
// differs. libpmemkv.h says what a call does, and which threads may make it.
// Nothing here throws but result::get_value and what a user's own type throws. An exception that
// leaves a callback ends its call with status::UNKNOWN_ERROR.
// Source: the reference of pmemkv 1.5's C++ API.
#ifndef LIBPMEMKV_HPP
#define LIBPMEMKV_HPP

#include <libpmemkv.h>

#include <cstddef>
#include <functional>
#include <iostream>
#include <iterator>
#include <libpmemkv/config.hpp>
#include <libpmemkv/status.hpp>
#include <libpmemobj++/slice.hpp>
#include <libpmemobj++/string_view.hpp>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace pmem {
namespace kv {

typedef int get_kv_function(string_view key, string_view value);
typedef void get_v_function(string_view value);
using get_kv_callback = pmemkv_get_kv_callback;
using get_v_callback = pmemkv_get_v_callback;

namespace internal {

extern "C" {
inline int pmemkv_hpp_call_kv(const char *key, std::size_t key_bytes, const char *value,
                              std::size_t value_bytes, void *function) {
  return (*static_cast<std::function<get_kv_function> *>(function))(
      string_view(key, key_bytes), string_view(value, value_bytes));
}
inline void pmemkv_hpp_call_v(const char *value, std::size_t value_bytes, void *function) {
  (*static_cast<std::function<get_v_function> *>(function))(string_view(value, value_bytes));
}
inline void pmemkv_hpp_assign(const char *value, std::size_t value_bytes, void *string) {
  static_cast<std::string *>(string)->assign(value, value_bytes);
}
}  // extern "C"

// An iterator that elements can be assigned through, and not read: what write_range gives out is
// not the value itself.
template <typename T>
class output_iterator {
  class slot {
   public:
    slot &operator=(const T &value) {
      *at_ = value;
      return *this;
    }

   private:
    friend class output_iterator;
    explicit slot(T *at) : at_(at) {}
    T *at_;
  };

 public:
  using iterator_category = std::output_iterator_tag;
  using value_type = void;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = slot &;

  output_iterator(T *at) : slot_(at) {}

  reference operator*() { return slot_; }
  slot operator[](difference_type index) { return slot(slot_.at_ + index); }
  output_iterator &operator++() {
    ++slot_.at_;
    return *this;
  }
  output_iterator operator++(int) { return output_iterator(slot_.at_++); }
  output_iterator &operator--() {
    --slot_.at_;
    return *this;
  }
  output_iterator operator--(int) { return output_iterator(slot_.at_--); }
  difference_type operator-(const output_iterator &other) const {
    return slot_.at_ - other.slot_.at_;
  }
  bool operator==(const output_iterator &other) const { return slot_.at_ == other.slot_.at_; }
  bool operator!=(const output_iterator &other) const { return slot_.at_ != other.slot_.at_; }

 private:
  slot slot_;
};

// Where the C calls for a read and for a write iterator differ.
template <bool IsConst>
struct c_iterator;
template <>
struct c_iterator<true> {
  using type = pmemkv_iterator;
  static void destroy(type *it) { pmemkv_iterator_delete(it); }
  static pmemkv_iterator *reader(type *it) { return it; }
};
template <>
struct c_iterator<false> {
  using type = pmemkv_write_iterator;
  static void destroy(type *it) { pmemkv_write_iterator_delete(it); }
  static pmemkv_iterator *reader(type *it) { return it == nullptr ? nullptr : it->iter; }
};

}  // namespace internal

// Changes that are made together by commit, in the order of the calls, or not at all. What is not
// committed when the tx ends is dropped.
class tx {
 public:
  tx(pmemkv_tx *t) noexcept : tx_(t, &pmemkv_tx_end) {}

  status put(string_view key, string_view value) noexcept {
    return static_cast<status>(
        pmemkv_tx_put(tx_.get(), key.data(), key.size(), value.data(), value.size()));
  }
  status remove(string_view key) noexcept {
    return static_cast<status>(pmemkv_tx_remove(tx_.get(), key.data(), key.size()));
  }
  status commit() noexcept { return static_cast<status>(pmemkv_tx_commit(tx_.get())); }
  void abort() noexcept { pmemkv_tx_abort(tx_.get()); }

 private:
  std::unique_ptr<pmemkv_tx, decltype(&pmemkv_tx_end)> tx_;
};

class db {
  template <bool IsConst>
  class iterator;

 public:
  using read_iterator = iterator<true>;
  using write_iterator = iterator<false>;

  db() noexcept : db_(nullptr, &pmemkv_close) {}

  // One that is open is closed first only if this succeeds: a pool cannot be opened twice.
  status open(const std::string &engine_name, config &&cfg = config{}) noexcept {
    pmemkv_db *opened = nullptr;
    const int s = pmemkv_open(engine_name.c_str(), cfg.release(), &opened);
    if (s == PMEMKV_STATUS_OK) db_.reset(opened);
    return static_cast<status>(s);
  }
  void close() noexcept { db_.reset(); }

  status count_all(std::size_t &count) noexcept { return to(pmemkv_count_all(db_.get(), &count)); }
  status count_above(string_view key, std::size_t &count) noexcept {
    return to(pmemkv_count_above(db_.get(), key.data(), key.size(), &count));
  }
  status count_equal_above(string_view key, std::size_t &count) noexcept {
    return to(pmemkv_count_equal_above(db_.get(), key.data(), key.size(), &count));
  }
  status count_equal_below(string_view key, std::size_t &count) noexcept {
    return to(pmemkv_count_equal_below(db_.get(), key.data(), key.size(), &count));
  }
  status count_below(string_view key, std::size_t &count) noexcept {
    return to(pmemkv_count_below(db_.get(), key.data(), key.size(), &count));
  }
  status count_between(string_view key1, string_view key2, std::size_t &count) noexcept {
    return to(pmemkv_count_between(db_.get(), key1.data(), key1.size(), key2.data(), key2.size(),
                                   &count));
  }

  status get_all(get_kv_callback *callback, void *arg) noexcept {
    return to(pmemkv_get_all(db_.get(), callback, arg));
  }
  status get_all(std::function<get_kv_function> f) noexcept { return get_all(call_kv(), &f); }
  status get_above(string_view key, get_kv_callback *callback, void *arg) noexcept {
    return to(pmemkv_get_above(db_.get(), key.data(), key.size(), callback, arg));
  }
  status get_above(string_view key, std::function<get_kv_function> f) noexcept {
    return get_above(key, call_kv(), &f);
  }
  status get_equal_above(string_view key, get_kv_callback *callback, void *arg) noexcept {
    return to(pmemkv_get_equal_above(db_.get(), key.data(), key.size(), callback, arg));
  }
  status get_equal_above(string_view key, std::function<get_kv_function> f) noexcept {
    return get_equal_above(key, call_kv(), &f);
  }
  status get_equal_below(string_view key, get_kv_callback *callback, void *arg) noexcept {
    return to(pmemkv_get_equal_below(db_.get(), key.data(), key.size(), callback, arg));
  }
  status get_equal_below(string_view key, std::function<get_kv_function> f) noexcept {
    return get_equal_below(key, call_kv(), &f);
  }
  status get_below(string_view key, get_kv_callback *callback, void *arg) noexcept {
    return to(pmemkv_get_below(db_.get(), key.data(), key.size(), callback, arg));
  }
  status get_below(string_view key, std::function<get_kv_function> f) noexcept {
    return get_below(key, call_kv(), &f);
  }
  status get_between(string_view key1, string_view key2, get_kv_callback *callback,
                     void *arg) noexcept {
    return to(pmemkv_get_between(db_.get(), key1.data(), key1.size(), key2.data(), key2.size(),
                                 callback, arg));
  }
  status get_between(string_view key1, string_view key2,
                     std::function<get_kv_function> f) noexcept {
    return get_between(key1, key2, call_kv(), &f);
  }

  status exists(string_view key) noexcept {
    return to(pmemkv_exists(db_.get(), key.data(), key.size()));
  }
  status get(string_view key, get_v_callback *callback, void *arg) noexcept {
    return to(pmemkv_get(db_.get(), key.data(), key.size(), callback, arg));
  }
  status get(string_view key, std::function<get_v_function> f) noexcept {
    return get(key, &internal::pmemkv_hpp_call_v, &f);
  }
  status get(string_view key, std::string *value) noexcept {
    return get(key, &internal::pmemkv_hpp_assign, value);
  }
  status put(string_view key, string_view value) noexcept {
    return to(pmemkv_put(db_.get(), key.data(), key.size(), value.data(), value.size()));
  }
  status remove(string_view key) noexcept {
    return to(pmemkv_remove(db_.get(), key.data(), key.size()));
  }
  status defrag(double start_percent = 0, double amount_percent = 100) {
    return to(pmemkv_defrag(db_.get(), start_percent, amount_percent));
  }

  result<tx> tx_begin() noexcept {
    pmemkv_tx *begun = nullptr;
    const int s = pmemkv_tx_begin(db_.get(), &begun);
    if (s != PMEMKV_STATUS_OK) return result<tx>(static_cast<status>(s));
    return result<tx>(tx(begun));
  }
  result<read_iterator> new_read_iterator();
  result<write_iterator> new_write_iterator();

  std::string errormsg() { return std::string(pmemkv_errormsg()); }

 private:
  static status to(int s) noexcept { return static_cast<status>(s); }
  static get_kv_callback *call_kv() noexcept { return &internal::pmemkv_hpp_call_kv; }

  std::unique_ptr<pmemkv_db, decltype(&pmemkv_close)> db_;
};

// A place in the database. It keeps its pair from changing (a read iterator) or from being locked
// by another iterator, too (a write iterator), until it seeks again or ends.
template <bool IsConst>
class db::iterator {
  using c_iterator = internal::c_iterator<IsConst>;

 public:
  iterator(typename c_iterator::type *it) : it_(it, &c_iterator::destroy) {}

  status seek(string_view key) noexcept {
    return to(pmemkv_iterator_seek(reader(), key.data(), key.size()));
  }
  status seek_lower(string_view key) noexcept {
    return to(pmemkv_iterator_seek_lower(reader(), key.data(), key.size()));
  }
  status seek_lower_eq(string_view key) noexcept {
    return to(pmemkv_iterator_seek_lower_eq(reader(), key.data(), key.size()));
  }
  status seek_higher(string_view key) noexcept {
    return to(pmemkv_iterator_seek_higher(reader(), key.data(), key.size()));
  }
  status seek_higher_eq(string_view key) noexcept {
    return to(pmemkv_iterator_seek_higher_eq(reader(), key.data(), key.size()));
  }
  status seek_to_first() noexcept { return to(pmemkv_iterator_seek_to_first(reader())); }
  status seek_to_last() noexcept { return to(pmemkv_iterator_seek_to_last(reader())); }
  status is_next() noexcept { return to(pmemkv_iterator_is_next(reader())); }
  status next() noexcept { return to(pmemkv_iterator_next(reader())); }
  status prev() noexcept { return to(pmemkv_iterator_prev(reader())); }

  result<string_view> key() noexcept {
    const char *data = nullptr;
    std::size_t bytes = 0;
    const int s = pmemkv_iterator_key(reader(), &data, &bytes);
    if (s != PMEMKV_STATUS_OK) return to(s);
    return string_view(data, bytes);
  }
  // At most `n` bytes of the value from `pos` on, good until the next seek or commit.
  result<string_view> read_range(
      std::size_t pos = 0, std::size_t n = (std::numeric_limits<std::size_t>::max)()) noexcept {
    const char *data = nullptr;
    std::size_t bytes = 0;
    const int s = pmemkv_iterator_read_range(reader(), pos, n, &data, &bytes);
    if (s != PMEMKV_STATUS_OK) return to(s);
    return string_view(data, bytes);
  }

  // For a write iterator: assign through the range, then commit. A value keeps its length.
  template <bool IC = IsConst>
  typename std::enable_if<!IC, result<obj::slice<internal::output_iterator<char>>>>::type
  write_range(std::size_t pos = 0,
              std::size_t n = (std::numeric_limits<std::size_t>::max)()) noexcept {
    char *data = nullptr;
    std::size_t bytes = 0;
    const int s = pmemkv_write_iterator_write_range(it_.get(), pos, n, &data, &bytes);
    if (s != PMEMKV_STATUS_OK) return to(s);
    return obj::slice<internal::output_iterator<char>>(data, data + bytes);
  }
  template <bool IC = IsConst>
  typename std::enable_if<!IC, status>::type commit() noexcept {
    return to(pmemkv_write_iterator_commit(it_.get()));
  }
  template <bool IC = IsConst>
  typename std::enable_if<!IC>::type abort() noexcept {
    pmemkv_write_iterator_abort(it_.get());
  }

 private:
  static status to(int s) noexcept { return static_cast<status>(s); }
  pmemkv_iterator *reader() noexcept { return c_iterator::reader(it_.get()); }

  std::unique_ptr<typename c_iterator::type, void (*)(typename c_iterator::type *)> it_;
};

inline result<db::read_iterator> db::new_read_iterator() {
  pmemkv_iterator *it = nullptr;
  const int s = pmemkv_iterator_new(db_.get(), &it);
  if (s != PMEMKV_STATUS_OK) return to(s);
  return read_iterator(it);
}

inline result<db::write_iterator> db::new_write_iterator() {
  pmemkv_write_iterator *it = nullptr;
  const int s = pmemkv_write_iterator_new(db_.get(), &it);
  if (s != PMEMKV_STATUS_OK) return to(s);
  return write_iterator(it);
}

}  // namespace kv
}  // namespace pmem

#endif  // LIBPMEMKV_HPP
