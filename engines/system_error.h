// SPDX-License-Identifier: BSD-3-Clause
// SystemError: what a system call that failed becomes.
#ifndef FENCEPOST_ENGINES_SYSTEM_ERROR_H_
#define FENCEPOST_ENGINES_SYSTEM_ERROR_H_

#include <cerrno>
#include <filesystem>
#include <string_view>

#include "engines/status.h"

namespace fencepost {

// "CALL: what `error` means: PATH". kFull if there is no space left, kIoError otherwise.
Status SystemError(std::string_view call, const std::filesystem::path& path, int error = errno);

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_SYSTEM_ERROR_H_
