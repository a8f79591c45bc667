// SPDX-License-Identifier: BSD-3-Clause
// Config: typed items by name, what pmemkv_open is called with.
//
// Invariants:
//   1. An item keeps the type and the value that it was put with; a name is put once.
//   2. An object's deleter runs once: when the config ends, or when the item is refused.
// Threads: one at a time.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_CONFIG_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engines/cmap/pmemkv_api/answer.h"

namespace fencepost::pmemkv_api {

// A pointer of the caller's. What is looked up is get(pointer).
class StoredObject {
 public:
  using Getter = void* (*)(void*);
  using Deleter = void (*)(void*);

  StoredObject(void* pointer, Getter getter, Deleter deleter)
      : pointer_(pointer), getter_(getter), deleter_(deleter) {}
  ~StoredObject() {
    if (deleter_ != nullptr) deleter_(pointer_);
  }
  StoredObject(const StoredObject&) = delete;
  StoredObject& operator=(const StoredObject&) = delete;

  void* Get() const { return getter_ == nullptr ? pointer_ : getter_(pointer_); }

 private:
  void* const pointer_;
  const Getter getter_;
  const Deleter deleter_;
};

class Config {
 public:
  using Data = std::vector<char>;
  using Object = std::unique_ptr<StoredObject>;
  using Item = std::variant<std::string, int64_t, uint64_t, Data, Object>;

  // PMEMKV_STATUS_UNKNOWN_ERROR if there is such an item.
  Answer Put(std::string_view name, Item item);

  // PMEMKV_STATUS_NOT_FOUND if there is no such item, PMEMKV_STATUS_CONFIG_TYPE_ERROR if it is of
  // another type; `out` is left alone then. What is pointed to is the config's.
  Answer Get(std::string_view name, const std::string** out) const;
  Answer Get(std::string_view name, const Data** out) const;
  Answer Get(std::string_view name, const StoredObject** out) const;
  // The integer types convert to one another where the value can be had in both.
  Answer Get(std::string_view name, int64_t* out) const;
  Answer Get(std::string_view name, uint64_t* out) const;

  // As Get, but an absent item is PMEMKV_STATUS_OK and leaves `out` alone.
  template <typename T>
  Answer GetIfThere(std::string_view name, T* out) const {
    return Has(name) ? Get(name, out) : Answer();
  }
  bool Has(std::string_view name) const { return items_.find(name) != items_.end(); }

 private:
  const Item* Find(std::string_view name) const;

  std::map<std::string, Item, std::less<>> items_;
};

}  // namespace fencepost::pmemkv_api

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_CONFIG_H_
