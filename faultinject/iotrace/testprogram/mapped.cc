// SPDX-License-Identifier: BSD-3-Clause
// Stores into shared mappings.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faultinject/iotrace/operation_marks.h"
#include "faultinject/iotrace/testprogram/scenario.h"

namespace fencepost::io_program {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kBytes = 16 * kPage;

struct MappedFile {
  int fd;
  char* data;
};

MappedFile Map(const char* name, size_t bytes = kBytes) {
  const int fd = OpenFile(name, O_RDWR);
  MUST(ftruncate(fd, static_cast<off_t>(bytes)) == 0);
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  MUST(data != MAP_FAILED);
  return {fd, static_cast<char*>(data)};
}

void Put(char* at, const char* text) { std::memcpy(at, text, std::strlen(text)); }

void Mapped(uint64_t) {
  const MappedFile file = Map("mapped");
  MarkIoOperationBegin(1);
  Put(file.data + 100, "first");
  Put(file.data + 5 * kPage - 3, "over a page's end");
  MUST(msync(file.data, kBytes, MS_SYNC) == 0);
  MarkIoOperationEnd(1);
  Put(file.data + 200, "second");
  MUST(msync(file.data + kPage, kPage, MS_ASYNC) == 0);
  Put(file.data + 7 * kPage, "third");
  MUST(fdatasync(file.fd) == 0);
  Put(file.data + 300, "under a write");
  MUST(pwrite(file.fd, "write", 5, 302) == 5);
  Put(file.data + 9 * kPage, "to be cut off");
  MUST(ftruncate(file.fd, 9 * kPage + 5) == 0);
  MUST(ftruncate(file.fd, kBytes) == 0);
  MUST(fsync(file.fd) == 0);
  Put(file.data + 400, "at the end");
  MUST(munmap(file.data, kBytes) == 0);
  MUST(close(file.fd) == 0);
}

void MappedUntilExit(uint64_t) {
  const MappedFile file = Map("mapped");
  MUST(close(file.fd) == 0);
  Put(file.data + kPage, "nobody looks until the end");
}

void MappedParts(uint64_t) {
  const MappedFile file = Map("parts");
  Put(file.data + 4 * kPage, "of the part that goes");
  MUST(munmap(file.data + 4 * kPage, 2 * kPage) == 0);
  Put(file.data + 2 * kPage, "left");
  Put(file.data + 8 * kPage, "right");
  MUST(msync(file.data + 8 * kPage, kPage, MS_SYNC) == 0);
  MUST(ftruncate(file.fd, 64 * kPage) == 0);
  void* const moved = mremap(file.data + 8 * kPage, 8 * kPage, 40 * kPage, MREMAP_MAYMOVE);
  MUST(moved != MAP_FAILED);
  char* const data = static_cast<char*>(moved);
  Put(data + 30 * kPage, "after the move");
  MUST(msync(data, 40 * kPage, MS_SYNC) == 0);
  MUST(mremap(data, 40 * kPage, kPage, 0) == data);
  Put(data, "shrunk");
  MUST(munmap(data, kPage) == 0);
}

void MadeWritable(uint64_t) {
  WriteFile("readable", Letters(kBytes));
  const int fd = OpenFile("readable", O_RDWR);
  void* const data = mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd, 0);
  MUST(data != MAP_FAILED);
  MUST(mprotect(data, kBytes, PROT_READ | PROT_WRITE) == 0);
  Put(static_cast<char*>(data) + 5000, "not so any more");
  MUST(fsync(fd) == 0);
  // At a place of the program's choice.
  void* const place = mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(mmap(place, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, kPage) == place);
  Put(static_cast<char*>(place) + 7, "fixed");
  MUST(msync(place, kPage, MS_SYNC) == 0);
  Put(static_cast<char*>(place) + 70, "fixed too");
}

void MappedByProcesses(uint64_t) {
  static const MappedFile file = Map("shared");
  InChild([] {
    Put(file.data + 10, "child");
    MUST(msync(file.data, kPage, MS_SYNC) == 0);
    Put(file.data + 3 * kPage, "child's end");
  });
  const pid_t child = fork();
  if (child == 0) {
    Put(file.data + 6 * kPage, "killed");
    raise(SIGKILL);
  }
  MUST(waitpid(child, nullptr, 0) == child);
  MUST(munmap(file.data, kBytes) == 0);
  InChild([] {
    const MappedFile own = Map("shared");
    Put(own.data + 8 * kPage, "own mapping");
  });
}

void MappedSparse(uint64_t) {
  const MappedFile file = Map("sparse", 1UL << 30);
  for (uint64_t i = 0; i < 100; ++i) {
    MarkIoOperationBegin(i);
    Put(file.data + (i * 7919 % 1000) * kPage * 100, "somewhere");
    MUST(msync(file.data, 1UL << 30, MS_SYNC) == 0);
    MarkIoOperationEnd(i);
  }
}

void MappedUnlinked(uint64_t) {
  const MappedFile file = Map("gone");
  Put(file.data, "before");
  MUST(unlink("gone") == 0);
  Put(file.data, "after");
  MUST(fsync(file.fd) == 0);
  const MappedFile next = Map("gone");
  Put(next.data, "the next one");
}

// More files than the recorder has shadows, one after the other.
void MappedMany(uint64_t) {
  for (int i = 0; i < 80; ++i) {
    const MappedFile file = Map(("many" + std::to_string(i)).c_str());
    // What the file before had here is not in this one.
    std::memset(file.data + i % 2 * 4 * kPage, 'm', 3 * kPage);
    MUST(msync(file.data, kBytes, MS_SYNC) == 0);
    MUST(munmap(file.data, kBytes) == 0);
    MUST(close(file.fd) == 0);
  }
}

// A sync of one file is no reason for another one's stores to wait.
void MappedBesides(uint64_t) {
  const MappedFile file = Map("mapped");
  const int other = OpenFile("other", O_RDWR);
  Put(file.data, "before the sync of another file");
  MUST(fsync(other) == 0);
}

// Three stores into two holes, and one into a block that is there.
void MappedHoles(uint64_t) {
  const MappedFile file = Map("mapped");
  MUST(pwrite(file.fd, "there", 5, 2 * kPage) == 5);
  MarkIoOperationBegin(1);
  Put(file.data + 100, "first hole");
  Put(file.data + 200, "again");
  Put(file.data + 2 * kPage, "no hole");
  MarkIoOperationEnd(1);
  MarkIoOperationBegin(2);
  Put(file.data + 4 * kPage, "second hole");
  MarkIoOperationEnd(2);
  MUST(munmap(file.data, kBytes) == 0);
  MUST(close(file.fd) == 0);
}

constexpr Scenario kScenarios[] = {
    {"mapped-many", MappedMany},
    {"mapped-besides", MappedBesides},
    {"mapped", Mapped},
    {"mapped-until-exit", MappedUntilExit},
    {"mapped-parts", MappedParts},
    {"made-writable", MadeWritable},
    {"mapped-by-processes", MappedByProcesses},
    {"mapped-sparse", MappedSparse},
    {"mapped-holes", MappedHoles},
    {"mapped-unlinked", MappedUnlinked},
};

}  // namespace

std::span<const Scenario> MappedScenarios() { return kScenarios; }

}  // namespace fencepost::io_program
