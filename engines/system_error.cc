// SPDX-License-Identifier: BSD-3-Clause
#include "engines/system_error.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace fencepost {

Status SystemError(std::string_view call, const std::filesystem::path& path, int error) {
  std::string message = fmt::format("{}: {}: {}", call, std::strerror(error), path.string());
  if (error == ENOSPC || error == EDQUOT) return Status::Full(std::move(message));
  return Status::IoError(std::move(message));
}

}  // namespace fencepost
