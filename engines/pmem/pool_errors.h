// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with a file that should be a pool, in words that say what to do about it.
//
// libpmemobj answers EINVAL to most of it. The file's own header tells more: it is read before the
// pool is opened, since libpmemobj maps a truncated file and dies of it.
// Source: libpmemobj 1.12, pool_hdr.h and obj.h (on-media format 6); the checksum is left to
// libpmemobj.
#ifndef FENCEPOST_ENGINES_PMEM_POOL_ERRORS_H_
#define FENCEPOST_ENGINES_PMEM_POOL_ERRORS_H_

#include <filesystem>
#include <string>

#include "engines/pmem/pool.h"
#include "engines/status.h"

namespace fencepost::pmem {

// kNotFound, with a message, if there is no file; kCorrupt if it is no pool, of another layout or
// shorter than it was made.
Result<PoolFile> InspectPoolFile(const std::filesystem::path& path, const std::string& layout);

// The same of a pool that is open. kUnsupported for what is larger tomorrow than today (a pool set
// with OPTION SINGLEHDR), or has replicas.
Result<PoolFile> InspectOpenPool(const pmemobjpool* pool);

// The Status for a libpmemobj call that failed with `error` (an errno). Carries pmemobj_errormsg.
Status PmemobjError(const char* call, int error, const std::filesystem::path& path);

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_POOL_ERRORS_H_
