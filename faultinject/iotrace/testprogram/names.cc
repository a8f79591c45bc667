// SPDX-License-Identifier: BSD-3-Clause
// Names, by every call that makes, moves and removes them.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faultinject/iotrace/testprogram/scenario.h"

namespace fencepost::io_program {
namespace {

void Names(uint64_t) {
  MUST(mkdir("d", 0755) == 0);
  MUST(mkdir("d/inner/", 0755) == 0);
  WriteFile("d/inner/f", "one");
  WriteFile("d/g", "two");
  MUST(link("d/g", "d/inner/h") == 0);
  MUST(symlink("inner/f", "d/s") == 0);
  WriteFile("d/s", "through the link");
  MUST(symlink("made", "dangling") == 0);
  WriteFile("dangling", "made through a dangling link");
  MUST(rename("d/inner", "moved") == 0);
  MUST(rename("moved/f", "moved/h") == 0);
  MUST(rename("d/g", "d/g") == 0);
  MUST(unlink("moved/h") == 0);
  MUST(rmdir("d") == -1 && errno == ENOTEMPTY);
  MUST(unlink("d/s") == 0);
  MUST(unlink("d/g") == 0);
  MUST(rmdir("d/") == 0);
  MUST(mknod("node", S_IFREG | 0644, 0) == 0);
  MUST(unlink("absent") == -1 && errno == ENOENT);
  const int directory = open(".", O_RDONLY | O_DIRECTORY);
  MUST(fsync(directory) == 0);
  MUST(mkdirat(directory, "at", 0755) == 0);
  MUST(symlinkat("x", directory, "at/link") == 0);
  MUST(linkat(directory, "at/link", directory, "at/link2", 0) == 0);
  MUST(mknodat(directory, "at/node", 0644, 0) == 0);
  MUST(renameat(directory, "at/node", directory, "at/node2") == 0);
  MUST(renameat2(directory, "at/node2", directory, "node", RENAME_NOREPLACE) == -1);
  MUST(unlinkat(directory, "at/link", 0) == 0);
  MUST(mkdirat(directory, "at/gone", 0755) == 0);
  MUST(unlinkat(directory, "at/gone", AT_REMOVEDIR) == 0);
}

void RenameOver(uint64_t) {
  WriteFile("old", "what was there");
  WriteFile("new", "what comes");
  MUST(rename("new", "old") == 0);
  WriteFile("a", "aa");
  WriteFile("b", "longer than what comes");
  MUST(link("a", "a2") == 0);
  MUST(rename("a", "a2") == 0);  // one inode: both stay
  MUST(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0);
  WriteFile("a", "to what was b");
  MUST(mkdir("x", 0755) == 0);
  MUST(mkdir("y", 0755) == 0);
  WriteFile("x/in", "longer than what comes");
  MUST(rename("x", "y") == 0);
  MUST(renameat2(AT_FDCWD, "y", AT_FDCWD, "b", RENAME_EXCHANGE) == 0);
  WriteFile("b/in", "still found");
}

void UnlinkedWhileOpen(uint64_t) {
  const int fd = OpenFile("open", O_RDWR);
  WriteAll(fd, "before");
  MUST(unlink("open") == 0);
  WriteAll(fd, "after");
  MUST(fsync(fd) == 0);
  MUST(ftruncate(fd, 3) == 0);
  WriteFile("open", "another one");
  MUST(close(fd) == 0);
  // Inode numbers come again.
  for (int i = 0; i < 50; ++i) {
    WriteFile("again", Letters(10, i));
    MUST(unlink("again") == 0);
  }
  WriteFile("again", "last");
}

void Unnamed(uint64_t) {
  const int fd = open(".", O_TMPFILE | O_RDWR, 0644);
  MUST(fd >= 0);
  WriteAll(fd, Letters(5000));
  MUST(fsync(fd) == 0);
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  MUST(linkat(AT_FDCWD, self.c_str(), AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
  WriteAll(fd, "more");
  MUST(fsync(fd) == 0);
  const int lost = open(".", O_TMPFILE | O_RDWR, 0644);
  WriteAll(lost, "lost");
  MUST(close(lost) == 0);
}

void Openings(uint64_t) {
  open_how how = {};
  how.flags = O_CREAT | O_RDWR;
  how.mode = 0644;
  how.resolve = RESOLVE_BENEATH;
  const long fd = syscall(SYS_openat2, AT_FDCWD, "by-openat2", &how, sizeof how);
  MUST(fd >= 0);
  WriteAll(static_cast<int>(fd), "openat2");
  MUST(open("by-openat2", O_CREAT | O_EXCL | O_WRONLY, 0644) == -1 && errno == EEXIST);
  MUST(open("no/such", O_CREAT | O_WRONLY, 0644) == -1 && errno == ENOENT);
  MUST(syscall(SYS_open, nullptr, O_CREAT | O_WRONLY, 0644) == -1 && errno == EFAULT);
  // The lowest number that is free, as without a recorder.
  MUST(close(0) == 0);
  MUST(open("zero", O_CREAT | O_WRONLY, 0644) == 0);
  MUST(close(0) == 0);
  MUST(open("zero", O_TRUNC | O_WRONLY) == 0);
  WriteAll(0, "to zero");
  MUST(chdir("/") == 0);
}

// Files outside: seen by nobody.
void Outside(uint64_t) {
  const std::string outside = "../outside" + std::to_string(getpid());
  WriteFile(outside.c_str(), "not recorded");
  WriteFile("leaves", "recorded");
  WriteFile("stays", "recorded");
  const std::string left = outside + ".left";
  const std::string second = outside + ".second";
  MUST(rename("leaves", left.c_str()) == 0);
  MUST(link("stays", second.c_str()) == 0);
  WriteFile(second.c_str(), "by its other name");
  MUST(unlink(outside.c_str()) == 0);
  MUST(unlink(left.c_str()) == 0);
  MUST(unlink(second.c_str()) == 0);
}

void Volatile(uint64_t) {
  WriteFile("lock.mdb", Letters(8192));
  WriteFile("data.mdb", Letters(8192));
  const int fd = OpenFile("lock.mdb", O_RDWR);
  MUST(pwrite(fd, "x", 1, 77) == 1);
  MUST(fsync(fd) == 0);
  WriteFile("db-shm", "shared");
}

constexpr Scenario kScenarios[] = {
    {"names", Names},       {"rename-over", RenameOver}, {"unlinked", UnlinkedWhileOpen},
    {"unnamed", Unnamed},   {"openings", Openings},      {"outside", Outside},
    {"volatile", Volatile},
};

}  // namespace

std::span<const Scenario> NameScenarios() { return kScenarios; }

}  // namespace fencepost::io_program
