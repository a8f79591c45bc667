// SPDX-License-Identifier: BSD-3-Clause
// filestore: what the book's chapter 1 calls traditional storage. A B+-tree of 4 KiB pages in a
// file, brought into a bounded buffer pool block by block, and a redo log that makes it crash-safe.
// README.md in this folder says what is on disk and why each sync is there.
#ifndef FENCEPOST_ENGINES_FILESTORE_FILESTORE_ENGINE_H_
#define FENCEPOST_ENGINES_FILESTORE_FILESTORE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engines/engine.h"
#include "engines/engine_options.h"

namespace fencepost {

inline constexpr uint64_t kFilestoreMaxKeyBytes = 1024;
inline constexpr uint64_t kFilestoreMaxValueBytes = uint64_t{1} << 30;

inline constexpr Durability kFilestoreDurabilities[] = {
    Durability::kPowerFail, Durability::kPrefix, Durability::kBuffered, Durability::kProcessCrash};

inline constexpr OptionSpec kFilestoreOptions[] = {
    {"direct", "bool", "false", "O_DIRECT for data file and log, past the page cache"},
    {"log_bytes", "bytes", "64M", "a checkpoint is made when the redo log holds so much"},
    {"log_buffer_bytes", "bytes", "1M", "log records are written out when so much has gathered"},
};

Result<std::unique_ptr<Engine>> OpenFilestore(const EngineOptions& options);
std::string FilestoreVersion();

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_FILESTORE_FILESTORE_ENGINE_H_
