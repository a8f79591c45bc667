// SPDX-License-Identifier: BSD-3-Clause
// Storage whose calls take as long as a device that is modelled would have made them take. Without
// a modelled medium it is not there at all.
//
// Threads: as Storage's.
// Source: engines/media/file_delays.h.
#ifndef FENCEPOST_ENGINES_FILESTORE_DELAYED_STORAGE_H_
#define FENCEPOST_ENGINES_FILESTORE_DELAYED_STORAGE_H_

#include <memory>

#include "engines/filestore/storage.h"
#include "engines/media/file_delays.h"

namespace fencepost::filestore {

// `direct`: charged as O_DIRECT, whatever `storage` is.
std::unique_ptr<Storage> NewDelayedStorage(std::unique_ptr<Storage> storage,
                                           std::shared_ptr<media::FileDelays> delays, bool direct);

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_DELAYED_STORAGE_H_
