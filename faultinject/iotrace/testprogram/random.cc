// SPDX-License-Identifier: BSD-3-Clause
// Random calls of several threads and processes on a few names, by a seed.
//
// What each call returns does not matter: half of them fail, as names come and go.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <thread>
#include <vector>

#include "faultinject/iotrace/operation_marks.h"
#include "faultinject/iotrace/testprogram/scenario.h"

namespace fencepost::io_program {
namespace {

constexpr int kCalls = 150;
constexpr uint64_t kBlock = 4096;
constexpr uint64_t kMapBytes = 8 * kBlock;

class RandomCaller {
 public:
  explicit RandomCaller(uint64_t seed) : random_(seed) {}
  RandomCaller(const RandomCaller&) = delete;
  RandomCaller& operator=(const RandomCaller&) = delete;
  ~RandomCaller() {
    if (mapped_ != nullptr) munmap(mapped_, kMapBytes);
    if (fd_ >= 0) close(fd_);
  }

  void Run() {
    for (int i = 0; i < kCalls; ++i) {
      MarkIoOperationBegin(static_cast<uint64_t>(i));
      switch (Below(4)) {
        case 0:
          NameCall();
          break;
        case 1:
          OpenCall();
          break;
        default:
          FileCall();
      }
      MarkIoOperationEnd(static_cast<uint64_t>(i));
    }
  }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }

  std::string Name() {
    static constexpr const char* kNames[] = {"a", "b", "c", "d", "e"};
    const std::string name = kNames[Below(5)];
    return Below(3) == 0 ? "dir/" + name : name;
  }

  // Results that do not matter.
  template <typename T>
  void Try(T) {}

  void NameCall() {
    const std::string a = Name();
    const std::string b = Name();
    switch (Below(9)) {
      case 0:
      case 1:
        return Try(rename(a.c_str(), b.c_str()));
      case 2:
        return Try(renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE));
      case 3:
        return Try(link(a.c_str(), b.c_str()));
      case 4:
        return Try(unlink(a.c_str()));
      case 5:
        return Try(mkdir(Below(2) == 0 ? "dir" : a.c_str(), 0755));
      case 6:
        return Try(rmdir(a.c_str()));
      case 7:
        return Try(symlink(b.c_str(), a.c_str()));
      default:
        return Try(truncate(a.c_str(), static_cast<off_t>(Below(30000))));
    }
  }

  void OpenCall() {
    static constexpr int kFlags[] = {O_TRUNC, O_APPEND, O_DSYNC, 0, O_SYNC | O_APPEND};
    if (fd_ >= 0) close(fd_);
    fd_ = open(Name().c_str(), O_CREAT | O_RDWR | kFlags[Below(5)], 0644);
  }

  void FileCall() {
    const std::string data =
        Letters(1 + Below(Below(4) == 0 ? 20000 : 200), static_cast<int>(Below(26)));
    const auto offset = static_cast<off_t>(Below(40000));
    const auto block = static_cast<off_t>(Below(8) * kBlock);
    switch (Below(13)) {
      case 0:
      case 1:
        return Try(write(fd_, data.data(), data.size()));
      case 2:
        return Try(pwrite(fd_, data.data(), data.size(), offset));
      case 3:
        return Vectors(data, offset);
      case 4:
        return Try(ftruncate(fd_, offset));
      case 5:
        return Try(fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, 5000));
      case 6:
        return Try(fallocate(fd_, Below(2) == 0 ? 0 : FALLOC_FL_ZERO_RANGE, offset, 3000));
      case 7:
        return Try(fallocate(fd_, Below(2) == 0 ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE,
                             block, kBlock));
      case 8:
        return Try(Below(2) == 0 ? fsync(fd_) : fdatasync(fd_));
      case 9:
        return Copy();
      case 10:
        return Map();
      default:
        return Store(data);
    }
  }

  void Vectors(std::string data, off_t offset) {
    const iovec vectors[] = {{data.data(), data.size() / 2}, {data.data(), data.size()}};
    if (Below(2) == 0) return Try(writev(fd_, vectors, 2));
    static constexpr int kFlags[] = {0, RWF_DSYNC, RWF_APPEND};
    Try(pwritev2(fd_, vectors, 2, offset, kFlags[Below(3)]));
  }

  void Copy() {
    const int from = open(Name().c_str(), O_RDONLY);
    loff_t to = static_cast<loff_t>(Below(20000));
    if (Below(2) == 0) {
      Try(copy_file_range(from, nullptr, fd_, &to, Below(5000), 0));
    } else {
      Try(sendfile(fd_, from, nullptr, Below(5000)));
    }
    if (from >= 0) close(from);
  }

  void Map() {
    if (mapped_ != nullptr) munmap(mapped_, kMapBytes);
    mapped_ = nullptr;
    if (fd_ < 0) return;
    void* const at = mmap(nullptr, kMapBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (at != MAP_FAILED) mapped_ = static_cast<char*>(at);
  }

  // By a read into the mapping, which fails beyond the end of a file where a store would be fatal.
  void Store(const std::string& data) {
    if (mapped_ == nullptr) return;
    int ends[2];
    if (pipe(ends) != 0) return;
    const uint64_t bytes = std::min<uint64_t>(data.size(), kBlock);
    Try(write(ends[1], data.data(), bytes));
    Try(read(ends[0], mapped_ + Below(kMapBytes - bytes), bytes));
    close(ends[0]);
    close(ends[1]);
    if (Below(3) == 0) Try(msync(mapped_, kMapBytes, MS_SYNC));
  }

  std::mt19937_64 random_;
  int fd_ = -1;
  char* mapped_ = nullptr;
};

void Random(uint64_t seed) {
  std::vector<pid_t> children;
  for (uint64_t p = 0; p < 2; ++p) {
    const pid_t child = fork();
    MUST(child >= 0);
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 2; ++t) {
      threads.emplace_back([seed, p, t] { RandomCaller(seed * 16 + p * 4 + t).Run(); });
    }
    for (std::thread& thread : threads) thread.join();
    _exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    MUST(waitpid(child, &status, 0) == child);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

constexpr Scenario kScenarios[] = {{"random", Random}};

}  // namespace

std::span<const Scenario> RandomScenarios() { return kScenarios; }

}  // namespace fencepost::io_program
