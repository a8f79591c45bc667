// SPDX-License-Identifier: BSD-3-Clause
// Contents of files, by every call that changes them.
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "faultinject/iotrace/operation_marks.h"
#include "faultinject/iotrace/testprogram/scenario.h"

namespace fencepost::io_program {
namespace {

constexpr size_t kBlock = 4096;

void PlainWrites(uint64_t) {
  const int fd = OpenFile("plain", O_RDWR);
  WriteAll(fd, Letters(1000));
  WriteAll(fd, Letters(500, 3));
  MUST(pwrite(fd, "pwrite", 6, 5000) == 6);
  MUST(lseek(fd, 100, SEEK_SET) == 100);
  WriteAll(fd, "in the middle");
  std::string a = Letters(10, 1);
  std::string b = Letters(20, 2);
  const iovec vectors[] = {{a.data(), a.size()}, {nullptr, 0}, {b.data(), b.size()}};
  MUST(writev(fd, vectors, 3) == 30);
  MUST(pwritev(fd, vectors, 3, 7000) == 30);
  MUST(pwritev2(fd, vectors, 3, 8000, 0) == 30);
  MUST(pwritev2(fd, vectors, 3, -1, 0) == 30);
  MUST(write(fd, "", 0) == 0);
  MUST(syscall(SYS_write, fd, nullptr, 5) == -1 && errno == EFAULT);
  MUST(write(99, "x", 1) == -1 && errno == EBADF);
  MUST(fsync(fd) == 0);
  MUST(fdatasync(fd) == 0);
  MUST(close(fd) == 0);
}

// One event a sync: a write, then its proof.
void ProvedWrites(uint64_t) {
  const int fd = OpenFile("proved", O_RDWR);
  for (int i = 0; i < 20; ++i) {
    WriteAll(fd, Letters(100, i));
    MUST(fsync(fd) == 0);
  }
  MUST(ftruncate(fd, 1500) == 0);
  MUST(rename("proved", "moved") == 0);
  MUST(close(fd) == 0);
}

void SynchronousWrites(uint64_t) {
  for (const int flag : {O_SYNC, O_DSYNC}) {
    const int fd = OpenFile("synchronous", O_RDWR | flag);
    WriteAll(fd, Letters(3000));
    MUST(pwrite(fd, "pwrite", 6, 10000) == 6);
    MUST(close(fd) == 0);
  }
  const int fd = OpenFile("flags", O_RDWR);
  std::string text = Letters(700);
  const iovec vector = {text.data(), text.size()};
  for (const int flag : {RWF_DSYNC, RWF_SYNC, RWF_APPEND, RWF_APPEND | RWF_DSYNC}) {
    MUST(pwritev2(fd, &vector, 1, 0, flag) == 700);
  }
  MUST(sync_file_range(fd, 0, 100, SYNC_FILE_RANGE_WRITE) == 0);
  MUST(syncfs(fd) == 0);
  sync();
  MUST(close(fd) == 0);
}

void DirectWrites(uint64_t) {
  const int fd = OpenFile("direct", O_RDWR | O_DIRECT);
  auto* const buffer = static_cast<char*>(std::aligned_alloc(kBlock, 2 * kBlock));
  std::memset(buffer, 'd', 2 * kBlock);
  MUST(write(fd, buffer, kBlock) == kBlock);
  MUST(pwrite(fd, buffer, 2 * kBlock, 8 * kBlock) == 2 * kBlock);
  MUST(fdatasync(fd) == 0);
  std::free(buffer);
  MUST(close(fd) == 0);
}

void Copies(uint64_t) {
  WriteFile("from", Letters(20000));
  const int from = OpenFile("from", O_RDONLY);
  const int to = OpenFile("to", O_RDWR);
  loff_t in = 100;
  loff_t out = 5000;
  MUST(copy_file_range(from, &in, to, &out, 3000, 0) == 3000);
  MUST(in == 3100 && out == 8000);
  MUST(copy_file_range(from, nullptr, to, nullptr, 100, 0) == 100);
  off_t offset = 7;
  MUST(sendfile(to, from, &offset, 200) == 200);
  int ends[2];
  MUST(pipe(ends) == 0);
  MUST(write(ends[1], "through a pipe", 14) == 14);
  MUST(splice(ends[0], nullptr, to, nullptr, 14, 0) == 14);
  MUST(write(ends[1], "at an offset", 12) == 12);
  loff_t at = 12345;
  MUST(splice(ends[0], nullptr, to, &at, 12, 0) == 12);
  MUST(sendfile(ends[1], from, nullptr, 30) == 30);
  MUST(ioctl(to, FICLONE, from) == -1 && errno == EOPNOTSUPP);
  MUST(fsync(to) == 0);
}

void Appends(uint64_t) {
  constexpr int kProcesses = 3;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    MUST(child >= 0);
    if (child != 0) continue;
    const int fd = OpenFile("log", O_WRONLY | O_APPEND);
    for (int i = 0; i < 200; ++i) WriteAll(fd, Letters(37, i));
    // Linux appends whatever the offset.
    MUST(pwrite(fd, "pwrite", 6, 0) == 6);
    MUST(fsync(fd) == 0);
    _exit(0);
  }
  for (int p = 0; p < kProcesses; ++p) {
    int status = 0;
    MUST(wait(&status) > 0);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

void Lengths(uint64_t) {
  WriteFile("length", Letters(9000));
  const int fd = OpenFile("length", O_RDWR);
  MUST(ftruncate(fd, 5000) == 0);
  MUST(ftruncate(fd, 20000) == 0);
  MUST(ftruncate(fd, 20000) == 0);
  MUST(truncate("length", 100) == 0);
  MUST(truncate("./length", 300) == 0);
  MUST(truncate("absent", 300) == -1 && errno == ENOENT);
  MUST(pwrite(fd, "far", 3, 1 << 20) == 3);
  MUST(close(creat("length", 0644)) == 0);
  WriteAll(fd, Letters(50));
  MUST(close(open("length", O_WRONLY | O_TRUNC)) == 0);
  MUST(pwrite(fd, "last", 4, 3) == 4);
}

void Allocations(uint64_t) {
  const int fd = OpenFile("allocated", O_RDWR);
  WriteAll(fd, Letters(10 * kBlock));
  MUST(fallocate(fd, 0, 8 * kBlock, 4 * kBlock) == 0);
  MUST(fallocate(fd, FALLOC_FL_KEEP_SIZE, 20 * kBlock, kBlock) == 0);
  MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 5000) == 0);
  MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 11 * kBlock, 9 * kBlock) == 0);
  MUST(fsync(fd) == 0);
  MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE, 3 * kBlock + 7, 1000) == 0);
  MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE, 11 * kBlock, 4 * kBlock) == 0);
  MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 14 * kBlock, 4 * kBlock) == 0);
  MUST(fsync(fd) == 0);
  MUST(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, kBlock, 2 * kBlock) == 0);
  MUST(fsync(fd) == 0);
  MUST(fallocate(fd, FALLOC_FL_INSERT_RANGE, 2 * kBlock, kBlock) == 0);
  MUST(fsync(fd) == 0);
  MUST(posix_fallocate(fd, 0, 30 * kBlock) == 0);
}

// Longer than the recorder reads at once, in and out of order, with proofs in between.
void LongFile(uint64_t) {
  const int fd = OpenFile("long", O_RDWR);
  for (int i = 0; i < 40; ++i) {
    WriteAll(fd, Letters(100'000, i));
    if (i % 4 == 0) MUST(fdatasync(fd) == 0);
  }
  MUST(pwrite(fd, "early", 5, 1000) == 5);
  MUST(fsync(fd) == 0);
  MUST(pwrite(fd, "late", 4, 64 << 20) == 4);
  MUST(fsync(fd) == 0);
  // More places than the recorder tells apart.
  for (int i = 0; i < 40; ++i) MUST(pwrite(fd, "scattered", 9, i * 70'000) == 9);
  MUST(fsync(fd) == 0);
}

void Threads(uint64_t) {
  const int common = OpenFile("common", O_RDWR);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, common] {
      const std::string own = "own" + std::to_string(t);
      const int fd = OpenFile(own.c_str(), O_RDWR);
      for (int i = 0; i < 100; ++i) {
        const auto id = static_cast<uint64_t>(t * 1000 + i);
        MarkIoOperationBegin(id);
        WriteAll(fd, Letters(50, i));
        MUST(pwrite(common, "thread", 6, (t * 100 + i) * 3) == 6);
        if (i % 20 == 0) MUST(fsync(i % 40 == 0 ? fd : common) == 0);
        MarkIoOperationEnd(id);
      }
      MUST(close(fd) == 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

constexpr Scenario kScenarios[] = {
    {"plain", PlainWrites},   {"proved", ProvedWrites},     {"synchronous", SynchronousWrites},
    {"direct", DirectWrites}, {"copies", Copies},           {"appends", Appends},
    {"lengths", Lengths},     {"allocations", Allocations}, {"long", LongFile},
    {"threads", Threads},
};

}  // namespace

std::span<const Scenario> WriteScenarios() { return kScenarios; }

}  // namespace fencepost::io_program
