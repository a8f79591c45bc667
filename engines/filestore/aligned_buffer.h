// SPDX-License-Identifier: BSD-3-Clause
// A growing buffer of bytes at a page boundary, as O_DIRECT wants it.
#ifndef FENCEPOST_ENGINES_FILESTORE_ALIGNED_BUFFER_H_
#define FENCEPOST_ENGINES_FILESTORE_ALIGNED_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace fencepost::filestore {

class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 4096;

  size_t size() const { return size_; }
  char* data() { return data_.get(); }
  std::string_view view() const { return {data_.get(), size_}; }

  void Append(std::string_view bytes) {
    Grow(size_ + bytes.size());
    if (!bytes.empty()) std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // New bytes are undefined.
  void Resize(size_t bytes) {
    Grow(bytes);
    size_ = bytes;
  }
  // Zeros up to the next multiple of kAlignment.
  void Pad() {
    const size_t padded = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    Grow(padded);
    if (padded != size_) std::memset(data_.get() + size_, 0, padded - size_);
    size_ = padded;
  }
  // Empties it; memory beyond `keep_bytes` is given back.
  void Clear(size_t keep_bytes) {
    size_ = 0;
    if (capacity_ > keep_bytes) {
      data_.reset();
      capacity_ = 0;
    }
  }

 private:
  struct Free {
    void operator()(char* bytes) const { ::operator delete (bytes, std::align_val_t{kAlignment}); }
  };

  void Grow(size_t bytes) {
    if (bytes <= capacity_) return;
    const size_t wanted = std::max(bytes, capacity_ * 2);
    const size_t capacity = (wanted + kAlignment - 1) / kAlignment * kAlignment;
    std::unique_ptr<char, Free> grown(
        static_cast<char*>(::operator new (capacity, std::align_val_t{kAlignment})));
    if (size_ != 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
    capacity_ = capacity;
  }

  std::unique_ptr<char, Free> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_ALIGNED_BUFFER_H_
