// SPDX-License-Identifier: BSD-3-Clause
// The pmemkv database over a cmap, persistent or in DRAM.
//
// A cursor holds its pair (key_locks.h) and a copy of it, which is what is read and written through
// it; a commit writes the copy back as one put.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_MAP_DATABASE_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_MAP_DATABASE_H_

#include <memory>

#include "engines/cmap/pmemkv_api/database.h"
#include "engines/cmap/pmemkv_api/map_backend.h"

namespace fencepost::pmemkv_api {

std::shared_ptr<Database> OpenMapDatabase(std::unique_ptr<MapBackend> map);

}  // namespace fencepost::pmemkv_api

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_MAP_DATABASE_H_
