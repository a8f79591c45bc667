// SPDX-License-Identifier: BSD-3-Clause
// ImageSet: what is durable of each file of a trace, while a model walks along it.
//
// Every change is journalled by line, so that a copy elsewhere can be brought up to date at the
// cost of what has changed.
//
// Invariants: the files that were recorded are only read; all changes are to memory.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_SET_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_SET_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/model/px86.h"

namespace fencepost {

// 128 bits that stand for the contents and sizes of all files: the XOR of a hash of each line that
// is not zero and of each file's size, so that a change of one line costs one line.
struct ImageHash {
  uint64_t low = 0;
  uint64_t high = 0;
  ImageHash& operator^=(const ImageHash& other) {
    low ^= other.low;
    high ^= other.high;
    return *this;
  }
  auto operator<=>(const ImageHash&) const = default;
};
ImageHash HashOfLine(LineId line, const LineBytes& bytes);

class ImageSet : public DurableImage {
 public:
  // `path` is the file's, as the traced program named it; `initial` a copy of what it held before
  // (empty: nothing). A file that is there already stays as it is. kIoError if that cannot be read.
  Status AddFile(uint32_t file, const std::string& path, const std::filesystem::path& initial);

  void ReadLine(LineId line, LineBytes* bytes) const override;
  // Bytes beyond the file's end are dropped: a file grows by Resize only.
  void WriteLine(LineId line, const LineBytes& bytes) override;
  void WriteBytes(uint32_t file, uint64_t offset, std::span<const uint8_t> bytes);
  void WriteZeros(uint32_t file, uint64_t offset, uint64_t length);
  // Bytes from `size` on are cut off, or come to be as zeros.
  void Resize(uint32_t file, uint64_t size);
  // What of a line's bytes the file would take: those beyond its end become 0.
  LineBytes InFile(LineId line, LineBytes bytes) const;

  struct File {
    std::string path;
    std::vector<uint8_t> bytes;
    bool created = false;  // there was no such file before the run
  };
  const std::map<uint32_t, File>& files() const { return files_; }
  const ImageHash& hash() const { return hash_; }

  // Lines that changed, oldest first, a line as often as it did. Grows until Forget.
  std::span<const LineId> journal() const { return journal_; }
  // All before the n-th change ever are not needed any more.
  uint64_t changes() const { return forgotten_ + journal_.size(); }
  std::span<const LineId> ChangesSince(uint64_t change) const;
  void ForgetBefore(uint64_t change);

  // What lines held before they first changed since the last call of Remember.
  using Remembered = std::map<LineId, LineBytes>;
  void Remember() { remembered_.emplace(); }
  const Remembered& remembered() const { return *remembered_; }

 private:
  std::map<uint32_t, File> files_;
  std::vector<LineId> journal_;
  uint64_t forgotten_ = 0;
  ImageHash hash_;
  std::optional<Remembered> remembered_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_SET_H_
