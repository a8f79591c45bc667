// SPDX-License-Identifier: BSD-3-Clause
// Keeps a worker's images mapped from one recovery to the next.
//
// A page of a new mapping costs a fault at its first touch, which is dear in a virtual machine:
// most of the time of opening a pool of a few MiB went there. So mmap and munmap are interposed
// (libpmem calls them dynamically): unmapping an image only puts the mapping aside, and the next
// request of the same kind gets it back. A shared mapping shows what is in the file, whoever wrote
// it, so nobody can tell.
//
// Invariants: only shared mappings of the files given to Keep are kept; every other call goes to
// the kernel as it is.
// Threads: any.
// Not covered: sanitized programs, whose runtime has a mmap of its own: there nothing is kept. A
// lock
//   (flock) on an image ends when its descriptor is closed, not when it is unmapped as well.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_MAPPINGS_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_MAPPINGS_H_

#include <string>
#include <vector>

namespace fencepost {

// From now on, in this process. Files are told by device and inode; earlier ones are forgotten.
void KeepImageMappings(const std::vector<std::string>& paths);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_MAPPINGS_H_
