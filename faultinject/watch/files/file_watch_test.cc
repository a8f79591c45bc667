// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/files/file_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

using Texts = std::vector<std::string>;

// A folder with "a" (10,000 bytes), "d" and in it "d/b" (100 bytes), a link "l" to d, and "e",
// which is empty.
class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    std::string pattern = "/dev/shm/file-watch-XXXXXX";
    CHECK(mkdtemp(pattern.data()) != nullptr);
    root_ = fs::canonical(pattern);
    Fill("a", 10'000);
    fs::create_directory(root_ / "d");
    Fill("d/b", 100);
    fs::create_directory_symlink("d", root_ / "l");
    Fill("e", 0);
    void* const memory = mmap(nullptr, sizeof(FileWatchBuffer), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    buffer_ = static_cast<FileWatchBuffer*>(memory);
    for (const char* path : {"", "a", "d", "d/b", "l", "e"}) {
      struct stat info;
      CHECK(lstat((root_ / path).c_str(), &info) == 0);
      names_[{info.st_dev, info.st_ino}] = *path == '\0' ? "." : path;
    }
  }
  ~FileWatchTest() override {
    munmap(buffer_, sizeof(FileWatchBuffer));
    fs::remove_all(root_);
  }
  void SetUp() override {
    if (!FileWatch::Supported()) GTEST_SKIP() << "sanitized";
  }

  void Fill(const std::string& path, size_t bytes) const {
    std::ofstream(root_ / path) << std::string(bytes, 'x');
  }
  std::string Path(const std::string& path) const { return root_ / path; }

  // What `read` reads, in a process of its own; its exit code must be 0 for true.
  Texts Reads(const std::function<bool()>& read, int expected_status = 0) {
    std::vector<FileIdentity> watched;
    std::vector<std::string> names;
    for (const auto& [identity, name] : names_) {
      watched.push_back(identity);
      names.push_back(name);
    }
    CHECK_OK(buffer_->Watch(root_.string(), watched));
    const pid_t child = fork();
    if (child == 0) {
      CHECK_OK(FileWatch::Install());
      FileWatch::Begin(buffer_);
      const bool good = read();
      FileWatch::End();
      _exit(good ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    EXPECT_EQ(status, expected_status);
    const FileReadLog log = buffer_->Log();
    if (!log.why.empty()) return {"cannot: " + log.why};
    Texts texts;
    for (const FileRead& one : log.reads) {
      std::string text;
      switch (one.kind) {
        case FileRead::Kind::kName:
          text = "name " + one.name + " in " + names[one.file];
          break;
        case FileRead::Kind::kStat:
          text = "stat " + names[one.file];
          break;
        case FileRead::Kind::kListing:
          text = "list " + names[one.file];
          break;
        case FileRead::Kind::kBytes:
          text = std::to_string(one.begin) + "-" +
                 (one.end == UINT64_MAX ? "end" : std::to_string(one.end)) + " of " +
                 names[one.file];
      }
      texts.push_back(text);
    }
    return texts;
  }

  fs::path root_;
  FileWatchBuffer* buffer_ = nullptr;
  std::map<FileIdentity, std::string> names_;
};

char bytes[20'000];

class Fd {
 public:
  explicit Fd(const std::string& path, int flags = O_RDONLY)
      : fd_(open(path.c_str(), flags, 0644)) {}
  ~Fd() { close(fd_); }
  operator int() const { return fd_; }  // NOLINT

 private:
  int fd_;
};

TEST_F(FileWatchTest, SeesReadsOfEachKindWithTheirRanges) {
  EXPECT_EQ(Reads([&] {
              const Fd fd(Path("a"));
              return pread(fd, bytes, 100, 4000) == 100;
            }),
            (Texts{"name a in .", "4000-4100 of a"}));
  EXPECT_EQ(Reads([&] {
              const Fd fd(Path("a"));
              return read(fd, bytes, 10) == 10 && lseek(fd, 50, SEEK_SET) == 50 &&
                     read(fd, bytes, 10) == 10 && lseek(fd, -1, SEEK_END) == 9999;
            }),
            (Texts{"name a in .", "0-10 of a", "50-60 of a", "stat a"}));
  EXPECT_EQ(Reads([&] {
              const Fd fd(Path("a"));
              const iovec parts[] = {{bytes, 5}, {bytes + 5, 6}};
              return readv(fd, parts, 2) == 11 && preadv(fd, parts, 2, 100) == 11 &&
                     preadv2(fd, parts, 2, 200, 0) == 11 && preadv2(fd, parts, 2, -1, 0) == 11;
            }),
            (Texts{"name a in .", "0-11 of a", "100-111 of a", "200-211 of a", "11-22 of a"}));
  EXPECT_EQ(Reads([&] {
              const Fd from(Path("a"));
              const Fd to(Path("e"), O_WRONLY);
              off_t at = 64;
              return sendfile(to, from, &at, 10) == 10 && sendfile(to, from, nullptr, 10) == 10 &&
                     copy_file_range(from, nullptr, to, nullptr, 10, 0) == 10;
            }),
            (Texts{"name a in .", "name e in .", "64-74 of a", "0-20 of a"}));
}

TEST_F(FileWatchTest, SeesNamesSizesAndListings) {
  EXPECT_EQ(Reads([&] {
              struct stat info;
              return stat(Path("d/b").c_str(), &info) == 0 && info.st_size == 100;
            }),
            (Texts{"name d in .", "name b in d", "stat d/b"}));
  EXPECT_EQ(Reads([&] { return access(Path("none/x").c_str(), F_OK) != 0; }),
            Texts{"name none in ."});
  EXPECT_EQ(Reads([&] { return open(Path("a/x").c_str(), O_RDONLY) < 0 && errno == ENOTDIR; }),
            (Texts{"name a in .", "name x in a"}));
  EXPECT_EQ(Reads([&] { return fs::file_size(Path("l/../l/b")) == 100; }),
            (Texts{"name l in .", "name d in .", "name l in .", "name d in .", "name b in d",
                   "stat d/b"}));
  EXPECT_EQ(Reads([&] {
              size_t count = 0;
              for (const auto& entry : fs::directory_iterator(root_)) count += entry.exists();
              return count == 4;
            }).back(),
            "list .");
  const Texts listed = Reads([&] {
    DIR* const folder = opendir(Path("d").c_str());
    while (readdir(folder) != nullptr) {
    }
    return closedir(folder) == 0;
  });
  EXPECT_EQ(listed, (Texts{"name d in .", "stat d", "list d"}));
}

TEST_F(FileWatchTest, SeesPathsThatDoNotBeginAtTheRoot) {
  const Texts expected = {"name d in .", "name b in d"};
  EXPECT_EQ(Reads([&] { return chdir(Path(".").c_str()) == 0 && access("d/b", F_OK) == 0; }),
            expected);
  EXPECT_EQ(Reads([&] {
              const Fd folder(Path(""), O_DIRECTORY | O_PATH);
              return faccessat(folder, "./d//b", F_OK, 0) == 0;
            }),
            expected);
  EXPECT_EQ(Reads([&] {
              const Fd folder(Path(""), O_DIRECTORY | O_PATH);
              return access(("/proc/self/fd/" + std::to_string(folder) + "/d/b").c_str(), F_OK) ==
                     0;
            }),
            expected);
  const std::string outside = root_.string() + "-link";
  fs::create_symlink(Path("d"), outside);
  EXPECT_EQ(Reads([&] { return access((outside + "/b").c_str(), F_OK) == 0; }), expected);
  fs::remove(outside);
}

TEST_F(FileWatchTest, FilesGoByWhatTheyWereWhateverTheyAreCalledNow) {
  EXPECT_EQ(Reads([&] {
              if (rename(Path("d").c_str(), Path("n").c_str()) != 0) return false;
              const Fd fd(Path("n/b"));
              return pread(fd, bytes, 10, 0) == 10;
            }),
            (Texts{"name d in .", "name n in .", "name n in .", "name b in d", "0-10 of d/b"}));
}

TEST_F(FileWatchTest, WhatTheProcessHasMadeIsNotWatched) {
  EXPECT_EQ(Reads([&] {
              const Fd fd(Path("new"), O_RDWR | O_CREAT);
              return pwrite(fd, "xy", 2, 0) == 2 && pread(fd, bytes, 2, 0) == 2;
            }),
            Texts{"name new in ."});
}

TEST_F(FileWatchTest, RemovingADirectoryAsksWhetherItIsEmpty) {
  EXPECT_EQ(Reads([&] { return rmdir(Path("d").c_str()) != 0; }), (Texts{"name d in .", "list d"}));
}

TEST_F(FileWatchTest, PagesOfMappingsAreReadWhenTheyAreTouched) {
  EXPECT_EQ(
      Reads([&] {
        const Fd fd(Path("a"));
        const auto* const at =
            static_cast<const volatile char*>(mmap(nullptr, 10'000, PROT_READ, MAP_SHARED, fd, 0));
        return at[5000] == 'x' && at[5001] == 'x' && munmap(const_cast<char*>(at), 10'000) == 0;
      }),
      (Texts{"name a in .", "4096-8192 of a"}));
  EXPECT_EQ(
      Reads([&] {
        const Fd fd(Path("a"), O_RDWR);
        const Fd out(Path("new"), O_RDWR | O_CREAT);
        auto* const at =
            static_cast<char*>(mmap(nullptr, 10'000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        at[0] = 'y';
        return write(out, at + 8192, 1) == 1 && pread(out, at + 1, 1, 0) == 1 &&
               msync(at, 10'000, MS_SYNC) == 0;
      }),
      (Texts{"name a in .", "name new in .", "0-4096 of a", "8192-12288 of a", "0-4096 of a"}));
}

TEST_F(FileWatchTest, AMappingThatCannotBeMovedIsReadWhole) {
  EXPECT_EQ(Reads([&] {
              const Fd fd(Path("a"));
              void* const place =
                  mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return mmap(place, 8192, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == place;
            }),
            (Texts{"name a in .", "0-8192 of a"}));
}

TEST_F(FileWatchTest, AWrongAccessToAMappingEndsTheProcessAsItWould) {
  EXPECT_EQ(Reads(
                [&] {
                  const Fd fd(Path("a"));
                  auto* const at =
                      static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
                  *at = 'y';
                  return true;
                },
                SIGSEGV),
            Texts{"name a in ."});
  EXPECT_EQ(Reads(
                [&] {
                  const Fd fd(Path("e"));
                  const auto* const at = static_cast<const volatile char*>(
                      mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
                  return *at == 'x';
                },
                SIGBUS),
            (Texts{"name e in .", "0-4096 of e"}));
}

TEST_F(FileWatchTest, AllThreadsAndChildrenAreWatched) {
  Texts reads = Reads([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        const Fd fd(Path("a"));
        char own[8];
        for (int turn = 0; turn < 100; ++turn) CHECK(pread(fd, own, 8, i * 1000) == 8);
      });
    }
    for (std::thread& thread : threads) thread.join();
    const pid_t child = fork();
    if (child == 0) _exit(access(Path("d").c_str(), F_OK) == 0 ? 0 : 1);
    int status = 0;
    return waitpid(child, &status, 0) == child && status == 0;
  });
  const std::set<std::string> distinct(reads.begin(), reads.end());
  EXPECT_EQ(distinct,
            (std::set<std::string>{"name a in .", "name d in .", "0-8 of a", "1000-1008 of a",
                                   "2000-2008 of a", "3000-3008 of a"}));
}

TEST_F(FileWatchTest, ThreadsThatShareADescriptorAreSeenToReadAllOfIt) {
  const Texts reads = Reads([&] {
    const Fd fd(Path("a"));
    const auto drain = [&] {
      char own[10];
      while (read(fd, own, sizeof(own)) > 0) {
      }
    };
    std::thread other(drain);
    drain();
    other.join();
    return true;
  });
  EXPECT_EQ(reads.size(), 2u);
  EXPECT_EQ(reads.back(), "0-10010 of a");
}

TEST_F(FileWatchTest, BlockedSignalsDoNotEndTheWatch) {
  EXPECT_EQ(Reads([&] {
              sigset_t all;
              sigfillset(&all);
              if (sigprocmask(SIG_BLOCK, &all, nullptr) != 0) return false;
              sigset_t now;
              sigprocmask(SIG_BLOCK, nullptr, &now);
              return sigismember(&now, SIGUSR1) == 1 && access(Path("a").c_str(), F_OK) == 0;
            }),
            Texts{"name a in ."});
}

TEST_F(FileWatchTest, WhatCannotBeWatchedIsTold) {
  EXPECT_EQ(Reads([&] { return execl("/bin/true", "true", nullptr) == -1; }),
            Texts{"cannot: starts another program"});
  EXPECT_EQ(Reads([&] { return system("true") != 0; }), Texts{"cannot: starts another program"});
  EXPECT_EQ(Reads([&] {
              const iovec part = {bytes, 8};
              return process_vm_readv(getpid(), &part, 1, &part, 1, 0) == 8;
            }),
            Texts{"cannot: reads the memory of processes"});
  EXPECT_EQ(Reads([&] { return signal(SIGSEGV, SIG_IGN) == SIG_DFL || true; }),
            Texts{"cannot: handles SIGSEGV or SIGSYS itself"});
  EXPECT_EQ(Reads([&] { return syscall(SYS_io_uring_setup, 8, nullptr) == -1 && errno == ENOSYS; }),
            Texts{});
  EXPECT_EQ(Reads([&] { return syscall(463, 0, 0) == -1; }),
            Texts{"cannot: makes a system call that is not known here"});
}

TEST_F(FileWatchTest, HolesAreReadWithTheWholeFile) {
  EXPECT_EQ(Reads([&] {
              const Fd fd(Path("a"));
              return lseek(fd, 0, SEEK_DATA) == 0;
            }),
            (Texts{"name a in .", "0-end of a", "stat a"}));
}

TEST_F(FileWatchTest, AfterEndNothingIsNoted) {
  EXPECT_EQ(Reads([&] {
              FileWatch::End();
              const bool good = access(Path("a").c_str(), F_OK) == 0;
              FileWatch::Begin(buffer_);
              return good;
            }),
            Texts{});
}

}  // namespace
}  // namespace fencepost
