// SPDX-License-Identifier: BSD-3-Clause
// The mappings of crash images in the process that recovers from them: kept from one recovery to
// the next, in one range of addresses, and known to whoever watches what is read.
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
//   lock (flock) on an image ends when its descriptor is closed, not when it is unmapped as well.
#ifndef FENCEPOST_FAULTINJECT_WATCH_IMAGE_MAPPINGS_H_
#define FENCEPOST_FAULTINJECT_WATCH_IMAGE_MAPPINGS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fencepost {

// From now on, in this process. Files are told by device and inode; earlier ones are forgotten.
void KeepImageMappings(const std::vector<std::string>& paths);

// False in a sanitized program.
bool ImageMappingsAreKept();
// Whether this process has called Keep: its calls of mmap then pass by every filter.
bool AnyImageIsKept();

// Where images are mapped, and nothing else is.
inline constexpr uint64_t kArenaBegin = 0x200000000000;
inline constexpr uint64_t kArenaEnd = 0x210000000000;

struct ImageMapping {
  uint8_t* base = nullptr;
  size_t length = 0;
  int protection = 0;  // that was asked for
  off_t offset = 0;    // in the file
  size_t image = 0;    // which of the files given to Keep
};

// Told of mappings of images. Called with a lock held: it must not map anything.
class MappingObserver {
 public:
  virtual ~MappingObserver() = default;
  // A mapping is there, with its own protection: it is new, or it was put aside.
  virtual void OnMapping(const ImageMapping& mapping) = 0;
  // What the recovery does to its images that no observer could follow, in a few words.
  virtual void OnUnwatchable(const char* what) = 0;
};
// Null: nobody. Tells of each mapping that there is.
void ObserveImageMappings(MappingObserver* observer);

// A mapping of the whole image, outside of the arena, that nobody is told of. Made once; empty if
// it cannot be.
std::span<uint8_t> WholeImage(size_t image);

// Which image a descriptor refers to, or -1.
int ImageOfDescriptor(int fd);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_IMAGE_MAPPINGS_H_
