// SPDX-License-Identifier: BSD-3-Clause
// What the opaque types of libpmemkv.h are.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_HANDLES_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_HANDLES_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/cmap/pmemkv_api/config.h"
#include "engines/cmap/pmemkv_api/database.h"

struct pmemkv_config {
  fencepost::pmemkv_api::Config items;
};

struct pmemkv_db {
  std::shared_ptr<fencepost::pmemkv_api::Database> database;
};

struct pmemkv_tx {
  struct Change {
    fencepost::Write::Kind kind;
    std::string key;
    std::string value;
  };
  std::shared_ptr<fencepost::pmemkv_api::Database> database;
  std::vector<Change> changes;
};

struct pmemkv_iterator {
  std::unique_ptr<fencepost::pmemkv_api::Cursor> cursor;
};

// Taken and kept; no engine here has an order.
struct pmemkv_comparator {
  int (*function)(const char*, size_t, const char*, size_t, void*);
  std::string name;
  void* arg;
};

namespace fencepost::pmemkv_api {

// Bytes as C gives them: no bytes may be anywhere.
inline std::string_view View(const char* data, size_t bytes) {
  return bytes == 0 ? std::string_view("") : std::string_view(data, bytes);
}
inline bool IsNull(const char* data, size_t bytes) { return data == nullptr && bytes != 0; }

}  // namespace fencepost::pmemkv_api

// From a C function: refuses an argument that is null.
#define RETURN_IF_NULL(argument) \
  if ((argument) == nullptr) return ::fencepost::pmemkv_api::AnswerNull(__func__, #argument)
#define RETURN_IF_NULL_BYTES(data, bytes)               \
  if (::fencepost::pmemkv_api::IsNull((data), (bytes))) \
  return ::fencepost::pmemkv_api::AnswerNull(__func__, #data)

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_HANDLES_H_
