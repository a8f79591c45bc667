// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/filestore_engine.h"

#include <fmt/format.h>

#include <utility>

#include "engines/filestore/delayed_storage.h"
#include "engines/filestore/page.h"
#include "engines/filestore/storage.h"
#include "engines/filestore/store.h"

namespace fencepost {
namespace {

using filestore::PosixStorage;
using filestore::Store;
using filestore::StoreOptions;

static_assert(kFilestoreMaxKeyBytes == filestore::kMaxKeyBytes);
static_assert(kFilestoreMaxValueBytes == filestore::kMaxValueBytes);

Result<StoreOptions> ReadOptions(const EngineOptions& options) {
  StoreOptions out;
  out.create_if_missing = options.create_if_missing;
  out.durability = options.durability;
  out.cache_bytes = options.cache_bytes;
  constexpr uint64_t kMinLogBytes = uint64_t{16} << 10;
  constexpr uint64_t kMaxLogBytes = uint64_t{1} << 40;
  ASSIGN_OR_RETURN(out.log_bytes,
                   options.tuning.Uint64("log_bytes", out.log_bytes, kMinLogBytes, kMaxLogBytes));
  ASSIGN_OR_RETURN(const uint64_t buffer_bytes,
                   options.tuning.Uint64("log_buffer_bytes", out.log_buffer_bytes,
                                         filestore::kPageBytes, uint64_t{1} << 30));
  out.log_buffer_bytes = static_cast<size_t>(buffer_bytes);
  ASSIGN_OR_RETURN(out.direct, options.tuning.Bool("direct", out.direct));
  return out;
}

}  // namespace

Result<std::unique_ptr<Engine>> OpenFilestore(const EngineOptions& options) {
  ASSIGN_OR_RETURN(StoreOptions store_options, ReadOptions(options));
  // What stands in for a device, tmpfs, knows no O_DIRECT: then only the charges go past the cache.
  const bool direct = store_options.direct && !options.file_delays;
  ASSIGN_OR_RETURN(std::unique_ptr<PosixStorage> files,
                   PosixStorage::Open(options.path, options.create_if_missing, direct));
  ASSIGN_OR_RETURN(store_options.medium, MediumOf(options.path));
  if (direct) store_options.medium = Medium::kBlock;
  const std::vector<std::filesystem::path> created = files->created();
  std::unique_ptr<filestore::Storage> storage = std::move(files);
  if (options.file_delays) {
    storage =
        filestore::NewDelayedStorage(std::move(storage), options.file_delays, store_options.direct);
  }
  Result<std::unique_ptr<Store>> store = Store::Open(std::move(storage), store_options);
  if (!store.ok()) {
    filestore::RemoveDirectories(created);
    return std::move(store).status();
  }
  return std::unique_ptr<Engine>(std::move(store).value());
}

std::string FilestoreVersion() {
  return fmt::format("built in, layout {}", filestore::kFormatVersion);
}

}  // namespace fencepost
