// SPDX-License-Identifier: BSD-3-Clause
// A file descriptor that is closed with its owner. Threads: none.
#ifndef FENCEPOST_HARNESS_BOOK_UNIQUE_FD_H_
#define FENCEPOST_HARNESS_BOOK_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace fencepost {

class UniqueFd {
 public:
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&&) = delete;
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_UNIQUE_FD_H_
