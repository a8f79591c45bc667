// SPDX-License-Identifier: BSD-3-Clause
// WorkerImages: the files that one worker recovers from, and the memory to put them back from.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_WORKER_IMAGES_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_WORKER_IMAGES_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/explore/strategies.h"

namespace fencepost {

// Lines that are not as in memory, in memory that is shared with another process.
struct ChangeLog {
  static constexpr size_t kMost = 8192;
  struct Change {
    size_t image = 0;     // in the order of the files' numbers
    uint64_t number = 0;  // of the line
    LineBytes bytes{};
  };

  Change changes[kMost];
  uint64_t count;
  bool too_many;
};

class WorkerImages {
 public:
  explicit WorkerImages(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~WorkerImages();
  WorkerImages(const WorkerImages&) = delete;
  WorkerImages& operator=(const WorkerImages&) = delete;

  // Makes files and memory anew, as `images` are now. kFull, kIoError.
  Status Create(const ImageSet& images);
  // Whether the files are those that Create made, with sizes as `images` has them.
  bool Usable(const ImageSet& images) const;
  // Brings both up to date with the images' changes since the last call, and puts the state into
  // the files. REQUIRES: Usable.
  void Apply(const ImageSet& images, const CrashState& state);
  // Puts back in the files whatever is not as in memory. Called in the worker: the memory is
  // shared. `log` (it may be null): what was put back.
  void Restore(ChangeLog* log);

  const std::vector<std::string>& paths() const { return paths_; }
  // How many of the images' changes are in.
  uint64_t changes() const { return changes_; }

 private:
  struct Image {
    std::string path;
    ino_t inode = 0;
    mode_t mode = 0;
    uint64_t bytes = 0;
    uint8_t* file = nullptr;     // mapped, shared
    uint8_t* durable = nullptr;  // shared with the worker
  };
  void Release();
  static void LogPage(const Image& image, size_t number, uint64_t page, uint64_t bytes,
                      ChangeLog* log);
  Status MakeImage(const ImageSet::File& from, Image* image);

  const std::filesystem::path folder_;
  std::map<uint32_t, Image> images_;
  std::vector<std::string> paths_;
  uint64_t changes_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_WORKER_IMAGES_H_
