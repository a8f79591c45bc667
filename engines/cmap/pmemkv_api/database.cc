// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/pmemkv_api/database.h"

#include <fmt/format.h>
#include <libpmemkv.h>

#include <string>

#include "engines/cmap/pmemkv_api/map_backend.h"
#include "engines/cmap/pmemkv_api/map_database.h"

namespace fencepost::pmemkv_api {
namespace {

constexpr uint64_t kLeastVcmapBytes = uint64_t{16} << 20;  // memkind's MEMKIND_PMEM_MIN_SIZE

Answer InvalidConfig(std::string message) {
  return Answer(PMEMKV_STATUS_INVALID_ARGUMENT, std::move(message));
}

// What is wrong with a file that was named is an argument that is wrong; a pool that somebody has
// open, or a medium that fails, is not.
Answer OpenAnswer(const Status& status) {
  const bool wrong_file =
      status.code() == StatusCode::kNotFound || status.code() == StatusCode::kCorrupt;
  return wrong_file ? InvalidConfig(std::string(status.message())) : Answer(status);
}

Answer Required(const Config& config, std::string_view name) {
  if (config.Has(name)) return {};
  return InvalidConfig(fmt::format("config has no item \"{}\"", name));
}

// The flags are for pools, and this one is there: a null oid is a map to be made, another a map to
// be opened.
Answer OpenLinkedDatabase(PMEMoid* oid, std::shared_ptr<Database>* out) {
  if (InsidePmemobjTransaction()) {
    return Answer(PMEMKV_STATUS_TRANSACTION_SCOPE_ERROR,
                  "cmap cannot be opened by \"oid\" inside a transaction of libpmemobj");
  }
  Result<std::unique_ptr<MapBackend>> map = MapBackend::OpenLinked(oid);
  if (!map.ok()) return OpenAnswer(map.status());
  *out = OpenMapDatabase(std::move(*map));
  return {};
}

Answer OpenCmapDatabase(const Config& config, std::shared_ptr<Database>* out) {
  const std::string* path = nullptr;
  const StoredObject* oid = nullptr;
  RETURN_IF_BAD(config.GetIfThere("path", &path));
  RETURN_IF_BAD(config.GetIfThere("oid", &oid));
  if (path != nullptr && oid != nullptr) {
    return InvalidConfig("config has both \"path\" and \"oid\"");
  }
  if (oid != nullptr) {
    return OpenLinkedDatabase(static_cast<PMEMoid*>(oid->Get()), out);
  }
  if (path == nullptr) return InvalidConfig("config has neither \"path\" nor \"oid\"");

  uint64_t create_if_missing = 0;
  uint64_t create = 0;
  RETURN_IF_BAD(config.GetIfThere("create_if_missing", &create_if_missing));
  const bool has_new_name = config.Has("create_or_error_if_exists");
  RETURN_IF_BAD(
      config.GetIfThere(has_new_name ? "create_or_error_if_exists" : "force_create", &create));
  if (create_if_missing != 0 && create != 0) {
    return InvalidConfig("config has both \"create_if_missing\" and \"create_or_error_if_exists\"");
  }
  std::error_code error;
  if (create != 0 || (create_if_missing != 0 && !std::filesystem::exists(*path, error))) {
    uint64_t pool_bytes = 0;
    RETURN_IF_BAD(Required(config, "size"));
    RETURN_IF_BAD(config.Get("size", &pool_bytes));
    Result<std::unique_ptr<MapBackend>> map = MapBackend::CreatePool(*path, pool_bytes);
    if (!map.ok()) return OpenAnswer(map.status());
    *out = OpenMapDatabase(std::move(*map));
    return {};
  }
  Result<std::unique_ptr<MapBackend>> map = MapBackend::OpenPool(*path);
  if (!map.ok()) return OpenAnswer(map.status());
  *out = OpenMapDatabase(std::move(*map));
  return {};
}

Answer OpenVcmapDatabase(const Config& config, std::shared_ptr<Database>* out) {
  const std::string* path = nullptr;
  uint64_t bytes = 0;
  RETURN_IF_BAD(Required(config, "path"));
  RETURN_IF_BAD(config.Get("path", &path));
  RETURN_IF_BAD(Required(config, "size"));
  RETURN_IF_BAD(config.Get("size", &bytes));
  if (bytes < kLeastVcmapBytes) {
    return InvalidConfig(
        fmt::format("config item \"size\" is {}: vcmap needs {}", bytes, kLeastVcmapBytes));
  }
  Result<std::unique_ptr<MapBackend>> map = MapBackend::CreateInDram(*path, bytes);
  if (!map.ok()) return OpenAnswer(map.status());
  *out = OpenMapDatabase(std::move(*map));
  return {};
}

}  // namespace

Answer Cursor::Write(size_t, size_t, std::span<char>*) {
  return Answer(PMEMKV_STATUS_NOT_SUPPORTED);
}
Answer Cursor::Commit() { return Answer(PMEMKV_STATUS_NOT_SUPPORTED); }

Answer Database::Defragment(double, double) { return Answer(PMEMKV_STATUS_NOT_SUPPORTED); }
Answer Database::GetOrdered() { return Answer(PMEMKV_STATUS_NOT_SUPPORTED); }
Answer Database::CountOrdered(size_t*) { return Answer(PMEMKV_STATUS_NOT_SUPPORTED); }
Answer Database::CanApply() { return Answer(PMEMKV_STATUS_NOT_SUPPORTED); }
Answer Database::Apply(std::span<const Write>) { return Answer(PMEMKV_STATUS_NOT_SUPPORTED); }

Answer OpenDatabase(std::string_view engine, const Config* config, std::shared_ptr<Database>* out) {
  if (engine == "blackhole") {
    *out = OpenBlackholeDatabase();
    return {};
  }
  if (engine != "cmap" && engine != "vcmap") {
    return Answer(PMEMKV_STATUS_WRONG_ENGINE_NAME,
                  fmt::format("no engine \"{}\": there are blackhole, cmap, vcmap", engine));
  }
  if (config == nullptr) return InvalidConfig(fmt::format("{} needs a config", engine));
  return engine == "cmap" ? OpenCmapDatabase(*config, out) : OpenVcmapDatabase(*config, out);
}

}  // namespace fencepost::pmemkv_api
