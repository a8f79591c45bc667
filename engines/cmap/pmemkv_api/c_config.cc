// SPDX-License-Identifier: BSD-3-Clause
// The calls of libpmemkv.h on a config and a comparator, and pmemkv_errormsg.
#include <libpmemkv.h>

#include <cstring>
#include <memory>
#include <utility>

#include "engines/cmap/pmemkv_api/handles.h"

namespace {

using fencepost::pmemkv_api::Answer;
using fencepost::pmemkv_api::AnswerCall;
using fencepost::pmemkv_api::Config;
using fencepost::pmemkv_api::StoredObject;

constexpr char kComparatorItem[] = "comparator";
constexpr char kOidItem[] = "oid";

void DeleteComparator(void* comparator) {
  pmemkv_comparator_delete(static_cast<pmemkv_comparator*>(comparator));
}

}  // namespace

extern "C" {

pmemkv_comparator* pmemkv_comparator_new(pmemkv_compare_function* fn, const char* name, void* arg) {
  pmemkv_comparator* made = nullptr;
  (void)AnswerCall(__func__, [&] {
    if (fn == nullptr || name == nullptr) {
      return Answer(PMEMKV_STATUS_INVALID_ARGUMENT, "a comparator needs a function and a name");
    }
    made = new pmemkv_comparator{fn, name, arg};
    return Answer();
  });
  return made;
}

void pmemkv_comparator_delete(pmemkv_comparator* comparator) { delete comparator; }

pmemkv_config* pmemkv_config_new(void) {
  pmemkv_config* made = nullptr;
  (void)AnswerCall(__func__, [&] {
    made = new pmemkv_config;
    return Answer();
  });
  return made;
}

void pmemkv_config_delete(pmemkv_config* config) { delete config; }

int pmemkv_config_put_data(pmemkv_config* config, const char* key, const void* value,
                           size_t value_size) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  const auto* bytes = static_cast<const char*>(value);
  RETURN_IF_NULL_BYTES(bytes, value_size);
  return AnswerCall(__func__, [&] {
    return config->items.Put(
        key, value_size == 0 ? Config::Data() : Config::Data(bytes, bytes + value_size));
  });
}

int pmemkv_config_put_object(pmemkv_config* config, const char* key, void* value,
                             void (*deleter)(void*)) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  return AnswerCall(__func__, [&] {
    return config->items.Put(key, std::make_unique<StoredObject>(value, nullptr, deleter));
  });
}

int pmemkv_config_put_object_cb(pmemkv_config* config, const char* key, void* value,
                                void* (*getter)(void*), void (*deleter)(void*)) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  RETURN_IF_NULL(getter);
  return AnswerCall(__func__, [&] {
    return config->items.Put(key, std::make_unique<StoredObject>(value, getter, deleter));
  });
}

int pmemkv_config_put_uint64(pmemkv_config* config, const char* key, uint64_t value) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  return AnswerCall(__func__, [&] { return config->items.Put(key, value); });
}

int pmemkv_config_put_int64(pmemkv_config* config, const char* key, int64_t value) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  return AnswerCall(__func__, [&] { return config->items.Put(key, value); });
}

int pmemkv_config_put_string(pmemkv_config* config, const char* key, const char* value) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  RETURN_IF_NULL(value);
  return AnswerCall(__func__, [&] { return config->items.Put(key, std::string(value)); });
}

int pmemkv_config_get_data(pmemkv_config* config, const char* key, const void** value,
                           size_t* value_size) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  RETURN_IF_NULL(value);
  RETURN_IF_NULL(value_size);
  return AnswerCall(__func__, [&]() -> Answer {
    const Config::Data* found = nullptr;
    RETURN_IF_BAD(config->items.Get(key, &found));
    *value = found->data();
    *value_size = found->size();
    return {};
  });
}

int pmemkv_config_get_object(pmemkv_config* config, const char* key, void** value) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  RETURN_IF_NULL(value);
  return AnswerCall(__func__, [&]() -> Answer {
    const StoredObject* found = nullptr;
    RETURN_IF_BAD(config->items.Get(key, &found));
    *value = found->Get();
    return {};
  });
}

int pmemkv_config_get_uint64(pmemkv_config* config, const char* key, uint64_t* value) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  RETURN_IF_NULL(value);
  return AnswerCall(__func__, [&] { return config->items.Get(key, value); });
}

int pmemkv_config_get_int64(pmemkv_config* config, const char* key, int64_t* value) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  RETURN_IF_NULL(value);
  return AnswerCall(__func__, [&] { return config->items.Get(key, value); });
}

int pmemkv_config_get_string(pmemkv_config* config, const char* key, const char** value) {
  RETURN_IF_NULL(config);
  RETURN_IF_NULL(key);
  RETURN_IF_NULL(value);
  return AnswerCall(__func__, [&]() -> Answer {
    const std::string* found = nullptr;
    RETURN_IF_BAD(config->items.Get(key, &found));
    *value = found->c_str();
    return {};
  });
}

int pmemkv_config_put_size(pmemkv_config* config, uint64_t value) {
  return pmemkv_config_put_uint64(config, "size", value);
}

int pmemkv_config_put_path(pmemkv_config* config, const char* value) {
  return pmemkv_config_put_string(config, "path", value);
}

int pmemkv_config_put_force_create(pmemkv_config* config, bool value) {
  return pmemkv_config_put_create_or_error_if_exists(config, value);
}

int pmemkv_config_put_create_or_error_if_exists(pmemkv_config* config, bool value) {
  return pmemkv_config_put_uint64(config, "create_or_error_if_exists", value ? 1 : 0);
}

int pmemkv_config_put_create_if_missing(pmemkv_config* config, bool value) {
  return pmemkv_config_put_uint64(config, "create_if_missing", value ? 1 : 0);
}

int pmemkv_config_put_comparator(pmemkv_config* config, pmemkv_comparator* comparator) {
  RETURN_IF_NULL(comparator);
  return pmemkv_config_put_object(config, kComparatorItem, comparator, &DeleteComparator);
}

int pmemkv_config_put_oid(pmemkv_config* config, PMEMoid* oid) {
  return pmemkv_config_put_object(config, kOidItem, oid, nullptr);
}

const char* pmemkv_errormsg(void) { return fencepost::pmemkv_api::LastMessage(); }

}  // extern "C"
