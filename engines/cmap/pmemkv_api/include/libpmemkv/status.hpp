// SPDX-License-Identifier: BSD-3-Clause
// Part of libpmemkv.hpp: status, errormsg and result<T>.
#ifndef FENCEPOST_LIBPMEMKV_STATUS_HPP
#define FENCEPOST_LIBPMEMKV_STATUS_HPP

#include <libpmemkv.h>

#include <cassert>
#include <new>
#include <ostream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace pmem {
namespace kv {

// What nearly every call answers. Compare with status::OK to know whether it worked.
enum class status {
  OK = PMEMKV_STATUS_OK,
  UNKNOWN_ERROR = PMEMKV_STATUS_UNKNOWN_ERROR,
  NOT_FOUND = PMEMKV_STATUS_NOT_FOUND,                // no such pair, or no such config item
  NOT_SUPPORTED = PMEMKV_STATUS_NOT_SUPPORTED,        // not by this engine
  INVALID_ARGUMENT = PMEMKV_STATUS_INVALID_ARGUMENT,  // also: the database is not open
  CONFIG_PARSING_ERROR = PMEMKV_STATUS_CONFIG_PARSING_ERROR,
  CONFIG_TYPE_ERROR = PMEMKV_STATUS_CONFIG_TYPE_ERROR,  // the item is of another type
  STOPPED_BY_CB = PMEMKV_STATUS_STOPPED_BY_CB,          // a callback ended the walk
  OUT_OF_MEMORY = PMEMKV_STATUS_OUT_OF_MEMORY,          // or the pool is full
  WRONG_ENGINE_NAME = PMEMKV_STATUS_WRONG_ENGINE_NAME,
  TRANSACTION_SCOPE_ERROR = PMEMKV_STATUS_TRANSACTION_SCOPE_ERROR,
  DEFRAG_ERROR = PMEMKV_STATUS_DEFRAG_ERROR,
  COMPARATOR_MISMATCH = PMEMKV_STATUS_COMPARATOR_MISMATCH
};

// "NOT_FOUND (2)"
inline std::ostream &operator<<(std::ostream &out, const status &s) {
  static const char *const names[] = {"OK",
                                      "UNKNOWN_ERROR",
                                      "NOT_FOUND",
                                      "NOT_SUPPORTED",
                                      "INVALID_ARGUMENT",
                                      "CONFIG_PARSING_ERROR",
                                      "CONFIG_TYPE_ERROR",
                                      "STOPPED_BY_CB",
                                      "OUT_OF_MEMORY",
                                      "WRONG_ENGINE_NAME",
                                      "TRANSACTION_SCOPE_ERROR",
                                      "DEFRAG_ERROR",
                                      "COMPARATOR_MISMATCH"};
  const int number = static_cast<int>(s);
  const bool known = number >= 0 && number < static_cast<int>(sizeof(names) / sizeof(names[0]));
  return out << (known ? names[number] : "?") << " (" << number << ")";
}

// What the calling thread's last error was about.
inline std::string errormsg() { return std::string(pmemkv_errormsg()); }

// Thrown by result::get_value where there is none.
class bad_result_access : public std::runtime_error {
 public:
  explicit bad_result_access(const char *what) : std::runtime_error(what) {}
};

// A value with status::OK, or another status and no value. T may be move-only.
template <typename T>
class result {
 public:
  result(const T &value) noexcept(std::is_nothrow_copy_constructible<T>::value)
      : value_(value), status_(status::OK) {}
  result(T &&value) noexcept(std::is_nothrow_move_constructible<T>::value)
      : value_(std::move(value)), status_(status::OK) {}
  result(const status &error) noexcept : status_(error) { assert(error != status::OK); }
  result(const result &other) noexcept(std::is_nothrow_copy_constructible<T>::value)
      : status_(other.status_) {
    if (is_ok()) new (&value_) T(other.value_);
  }
  result(result &&other) noexcept(std::is_nothrow_move_constructible<T>::value)
      : status_(other.status_) {
    if (is_ok()) new (&value_) T(std::move(other.value_));
    other.clear();
  }
  ~result() { clear(); }

  result &operator=(const result &other) {
    if (this == &other) return *this;
    if (is_ok() && other.is_ok()) {
      value_ = other.value_;
    } else if (other.is_ok()) {
      new (&value_) T(other.value_);
    } else {
      clear();
    }
    status_ = other.status_;
    return *this;
  }
  result &operator=(result &&other) {
    if (this == &other) return *this;
    if (is_ok() && other.is_ok()) {
      value_ = std::move(other.value_);
    } else if (other.is_ok()) {
      new (&value_) T(std::move(other.value_));
    } else {
      clear();
    }
    status_ = other.status_;
    other.clear();
    return *this;
  }

  bool is_ok() const noexcept { return status_ == status::OK; }
  status get_status() const noexcept { return status_; }

  // Throw bad_result_access unless is_ok().
  const T &get_value() const & {
    check();
    return value_;
  }
  T &get_value() & {
    check();
    return value_;
  }
  T &&get_value() && {
    check();
    return std::move(value_);
  }

 private:
  void check() const {
    if (!is_ok()) throw bad_result_access("pmem::kv::result: there is no value, only a status");
  }
  void clear() noexcept {
    if (is_ok()) value_.~T();
    status_ = status::UNKNOWN_ERROR;
  }

  union {
    T value_;
  };
  status status_;
};

template <typename T>
bool operator==(const result<T> &a, const status &b) {
  return a.get_status() == b;
}
template <typename T>
bool operator==(const status &a, const result<T> &b) {
  return a == b.get_status();
}
template <typename T>
bool operator!=(const result<T> &a, const status &b) {
  return a.get_status() != b;
}
template <typename T>
bool operator!=(const status &a, const result<T> &b) {
  return a != b.get_status();
}

}  // namespace kv
}  // namespace pmem

#endif  // FENCEPOST_LIBPMEMKV_STATUS_HPP
