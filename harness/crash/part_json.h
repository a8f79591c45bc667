// SPDX-License-Identifier: BSD-3-Clause
// Parts of an exploration as documents, to be joined in another process.
//
// Text in them is bytes, not UTF-8: they are stored as CBOR, never printed.
#ifndef FENCEPOST_HARNESS_CRASH_PART_JSON_H_
#define FENCEPOST_HARNESS_CRASH_PART_JSON_H_

#include <nlohmann/json_fwd.hpp>

#include "faultinject/explore/explorer.h"
#include "faultinject/explore/files/file_explorer.h"

namespace fencepost {

nlohmann::json PartJson(const ExplorePart& part);
nlohmann::json PartJson(const FileExplorePart& part);

// kCorrupt if it is no part.
Result<ExplorePart> MemoryPartOf(const nlohmann::json& document);
Result<FileExplorePart> FilePartOf(const nlohmann::json& document);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_PART_JSON_H_
