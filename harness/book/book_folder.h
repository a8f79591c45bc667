// SPDX-License-Identifier: BSD-3-Clause
// Where the book's programs keep a store for a while.
#ifndef FENCEPOST_HARNESS_BOOK_BOOK_FOLDER_H_
#define FENCEPOST_HARNESS_BOOK_BOOK_FOLDER_H_

#include <string_view>

#include "engines/status.h"
#include "faultinject/explore/scratch_folder.h"

namespace fencepost {

// A folder of the caller's own, where `fencepost bench` would put this engine's data too.
Result<ScratchFolder> BookFolder(std::string_view engine);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_BOOK_FOLDER_H_
