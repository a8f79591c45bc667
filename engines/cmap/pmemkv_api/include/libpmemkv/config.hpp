// SPDX-License-Identifier: BSD-3-Clause
// Part of libpmemkv.hpp: config, what a database is opened with.
#ifndef FENCEPOST_LIBPMEMKV_CONFIG_HPP
#define FENCEPOST_LIBPMEMKV_CONFIG_HPP

#include <libpmemkv.h>

#include <cstddef>
#include <cstdint>
#include <libpmemkv/status.hpp>
#include <libpmemobj++/string_view.hpp>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

namespace pmem {
namespace kv {

using string_view = obj::string_view;

namespace internal {

// C++ objects as a config stores them: a base pointer, what it stands for, and its destructor.
struct stored_object {
  virtual ~stored_object() {}
  virtual void *get() = 0;
};

template <typename T, typename D>
struct stored_unique_ptr : stored_object {
  explicit stored_unique_ptr(std::unique_ptr<T, D> &&p) : pointer(std::move(p)) {}
  void *get() override { return pointer.get(); }
  std::unique_ptr<T, D> pointer;
};

struct any_comparator : stored_object {
  any_comparator() : c_comparator(nullptr, &pmemkv_comparator_delete) {}
  void *get() override { return c_comparator.get(); }
  virtual int compare(string_view a, string_view b) = 0;
  std::unique_ptr<pmemkv_comparator, decltype(&pmemkv_comparator_delete)> c_comparator;
};

template <typename Comparator>
struct stored_comparator : any_comparator {
  template <typename C>
  explicit stored_comparator(C &&c) : comparator(std::forward<C>(c)) {}
  int compare(string_view a, string_view b) override { return comparator.compare(a, b); }
  Comparator comparator;
};

extern "C" {
inline void *pmemkv_hpp_get_stored(void *object) {
  return static_cast<stored_object *>(object)->get();
}
inline void pmemkv_hpp_delete_stored(void *object) { delete static_cast<stored_object *>(object); }
inline int pmemkv_hpp_compare(const char *a, std::size_t a_bytes, const char *b,
                              std::size_t b_bytes, void *comparator) {
  return static_cast<any_comparator *>(comparator)
      ->compare(string_view(a, a_bytes), string_view(b, b_bytes));
}
}  // extern "C"

}  // namespace internal

// Items by name. What an engine reads is in README.md; db::open takes the config over.
class config {
 public:
  config() noexcept : config_(nullptr, &pmemkv_config_delete) {}
  explicit config(pmemkv_config *c) noexcept : config_(c, &pmemkv_config_delete) {}

  // Copies `count` objects, byte by byte.
  template <typename T>
  status put_data(const std::string &key, const T *value, const std::size_t count = 1) noexcept {
    return with_config([&](pmemkv_config *c) {
      return pmemkv_config_put_data(c, key.c_str(), value, count * sizeof(T));
    });
  }
  template <typename T>
  status put_object(const std::string &key, T *value, void (*deleter)(void *)) noexcept {
    return with_config([&](pmemkv_config *c) {
      return pmemkv_config_put_object(c, key.c_str(), static_cast<void *>(value), deleter);
    });
  }
  template <typename T, typename D>
  status put_object(const std::string &key, std::unique_ptr<T, D> object) noexcept {
    using stored = internal::stored_unique_ptr<T, D>;
    internal::stored_object *entry = new (std::nothrow) stored(std::move(object));
    return put_stored(key, entry);
  }
  status put_uint64(const std::string &key, std::uint64_t value) noexcept {
    return with_config(
        [&](pmemkv_config *c) { return pmemkv_config_put_uint64(c, key.c_str(), value); });
  }
  status put_int64(const std::string &key, std::int64_t value) noexcept {
    return with_config(
        [&](pmemkv_config *c) { return pmemkv_config_put_int64(c, key.c_str(), value); });
  }
  status put_string(const std::string &key, const std::string &value) noexcept {
    return with_config(
        [&](pmemkv_config *c) { return pmemkv_config_put_string(c, key.c_str(), value.c_str()); });
  }

  status put_size(std::uint64_t size) noexcept { return put_uint64("size", size); }
  status put_path(const std::string &path) noexcept { return put_string("path", path); }
  __attribute__((deprecated("use config::put_create_or_error_if_exists instead"))) status
  put_force_create(bool value) noexcept {
    return put_create_or_error_if_exists(value);
  }
  status put_create_or_error_if_exists(bool value) noexcept {
    return put_uint64("create_or_error_if_exists", value ? 1 : 0);
  }
  status put_create_if_missing(bool value) noexcept {
    return put_uint64("create_if_missing", value ? 1 : 0);
  }
  status put_oid(PMEMoid *oid) noexcept {
    return with_config([&](pmemkv_config *c) { return pmemkv_config_put_oid(c, oid); });
  }
  // A Comparator has `int compare(string_view, string_view)` and `std::string name()`. The hash
  // maps take one and do not use it.
  template <typename Comparator>
  status put_comparator(Comparator &&comparator) {
    using plain = typename std::decay<Comparator>::type;
    static_assert(std::is_same<decltype(std::declval<plain &>().compare(
                                   std::declval<string_view>(), std::declval<string_view>())),
                               int>::value,
                  "a comparator needs int compare(pmem::kv::string_view, pmem::kv::string_view)");
    static_assert(std::is_convertible<decltype(std::declval<plain &>().name()), std::string>::value,
                  "a comparator needs std::string name()");
    const std::string name = comparator.name();
    internal::any_comparator *entry =
        new (std::nothrow) internal::stored_comparator<plain>(std::forward<Comparator>(comparator));
    if (entry == nullptr) return status::OUT_OF_MEMORY;
    entry->c_comparator.reset(
        pmemkv_comparator_new(&internal::pmemkv_hpp_compare, name.c_str(), entry));
    if (!entry->c_comparator) {
      delete entry;
      return status::UNKNOWN_ERROR;
    }
    return put_stored("comparator", entry);
  }

  template <typename T>
  status get_data(const std::string &key, T *&value, std::size_t &count) const noexcept {
    if (!config_) return status::NOT_FOUND;
    const void *found = nullptr;
    std::size_t bytes = 0;
    const int s = pmemkv_config_get_data(config_.get(), key.c_str(), &found, &bytes);
    if (s != PMEMKV_STATUS_OK) return static_cast<status>(s);
    value = static_cast<T *>(const_cast<void *>(found));
    count = bytes / sizeof(T);
    return status::OK;
  }
  template <typename T>
  status get_object(const std::string &key, T *&value) const noexcept {
    if (!config_) return status::NOT_FOUND;
    void *found = nullptr;
    const int s = pmemkv_config_get_object(config_.get(), key.c_str(), &found);
    if (s == PMEMKV_STATUS_OK) value = static_cast<T *>(found);
    return static_cast<status>(s);
  }
  status get_uint64(const std::string &key, std::uint64_t &value) const noexcept {
    if (!config_) return status::NOT_FOUND;
    return static_cast<status>(pmemkv_config_get_uint64(config_.get(), key.c_str(), &value));
  }
  status get_int64(const std::string &key, std::int64_t &value) const noexcept {
    if (!config_) return status::NOT_FOUND;
    return static_cast<status>(pmemkv_config_get_int64(config_.get(), key.c_str(), &value));
  }
  status get_string(const std::string &key, std::string &value) const noexcept {
    if (!config_) return status::NOT_FOUND;
    const char *found = nullptr;
    const int s = pmemkv_config_get_string(config_.get(), key.c_str(), &found);
    if (s == PMEMKV_STATUS_OK) value = found;
    return static_cast<status>(s);
  }

  // Hands the C config to the caller; this one is empty then.
  pmemkv_config *release() noexcept { return config_.release(); }

 private:
  // The C config comes to be with its first item.
  template <typename Put>
  status with_config(Put &&put) noexcept {
    if (!config_) config_.reset(pmemkv_config_new());
    if (!config_) return status::UNKNOWN_ERROR;
    return static_cast<status>(put(config_.get()));
  }
  // The entry is the config's; one that is refused is deleted.
  status put_stored(const std::string &key, internal::stored_object *entry) noexcept {
    if (entry == nullptr) return status::OUT_OF_MEMORY;
    if (!config_) config_.reset(pmemkv_config_new());
    if (!config_) {
      delete entry;
      return status::UNKNOWN_ERROR;
    }
    return static_cast<status>(pmemkv_config_put_object_cb(
        config_.get(), key.c_str(), static_cast<void *>(entry), &internal::pmemkv_hpp_get_stored,
        &internal::pmemkv_hpp_delete_stored));
  }

  std::unique_ptr<pmemkv_config, decltype(&pmemkv_config_delete)> config_;
};

}  // namespace kv
}  // namespace pmem

#endif  // FENCEPOST_LIBPMEMKV_CONFIG_HPP
