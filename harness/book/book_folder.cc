// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/book_folder.h"

#include <fmt/format.h>

#include <filesystem>

#include "engines/engine_table.h"
#include "harness/placement.h"

namespace fencepost {

Result<ScratchFolder> BookFolder(std::string_view engine) {
  ASSIGN_OR_RETURN(const EngineRow* row, FindEngine(engine));
  ASSIGN_OR_RETURN(std::filesystem::path place, PlaceFor(*row, Placement::kDefault, ""));
  if (row->capabilities.path_is_file) place = place.parent_path();
  place = place.parent_path();
  std::error_code error;
  std::filesystem::create_directories(place, error);
  if (error) return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), place.string()));
  return ScratchFolder::Make(place);
}

}  // namespace fencepost
