// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/read_watch.h"

#include <emmintrin.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <immintrin.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "faultinject/watch/image_mappings.h"
#include "faultinject/watch/watch_test_util.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr size_t kImageBytes = 64 << 10;

// "1:ff 3:f0|reason": reads by line number, in the order of the lines.
std::string Encode(const ReadLog& log, const std::vector<WatchedLine>& lines) {
  std::string text;
  for (const LineRead& read : log.reads) {
    char buffer[64];
    snprintf(buffer, sizeof(buffer), "%s%lu:%lx", text.empty() ? "" : " ",
             static_cast<unsigned long>(lines[read.line].number),
             static_cast<unsigned long>(read.bytes));
    text += buffer;
  }
  return text + "|" + log.why;
}

// Each test watches in a process of its own: a watch is for life.
class ReadWatchTest : public testing::Test {
 protected:
  using Action = std::function<void(uint8_t* image, int fd)>;

  ReadWatchTest() {
    std::string name = "/dev/shm/read-watch-XXXXXX";
    const int fd = mkstemp(name.data());
    path_ = name;
    std::string contents(kImageBytes, '\0');
    for (size_t i = 0; i < kImageBytes; ++i) contents[i] = static_cast<char>(i * 7 % 251);
    EXPECT_EQ(write(fd, contents.data(), contents.size()), static_cast<ssize_t>(contents.size()));
    close(fd);
  }
  ~ReadWatchTest() override { fs::remove(path_); }
  void SetUp() override {
    if (!CanWatch()) GTEST_SKIP() << "sanitized, or no filter of calls allowed";
  }

  // What the action is seen to read of these lines. The image is mapped before the watch begins.
  std::string Reads(const std::vector<uint64_t>& numbers, const Action& action) {
    int out[2];
    EXPECT_EQ(pipe(out), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(out[0]);
      WatchIn(numbers, action, out[1]);
      _exit(HasFailure() ? 1 : 0);
    }
    close(out[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(out[0], buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(got));
    }
    close(out[0]);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? text : "an expectation failed";
  }

  fs::path path_;
  std::unique_ptr<WatchBuffer> buffer_ = std::make_unique<WatchBuffer>();

 private:
  void WatchIn(const std::vector<uint64_t>& numbers, const Action& action, int out) {
    KeepImageMappings({path_.string()});
    const Status installed = ReadWatch::Install();
    CHECK(installed.ok());
    std::vector<WatchedLine> lines;
    for (const uint64_t number : numbers) lines.push_back({0, number});
    const int fd = open(path_.c_str(), O_RDWR);
    auto* const image = static_cast<uint8_t*>(
        mmap(nullptr, kImageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    CHECK(image != MAP_FAILED);
    buffer_->Watch(lines);
    ReadWatch::Begin(buffer_.get());
    action(image, fd);
    ReadWatch::End();
    const std::string text = Encode(buffer_->Log(), lines);
    CHECK(write(out, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
};

template <typename T>
T Load(const uint8_t* at) {
  return *reinterpret_cast<const volatile T*>(at);
}
template <typename T>
void Store(uint8_t* at, T value) {
  *reinterpret_cast<volatile T*>(at) = value;
}

TEST_F(ReadWatchTest, ALoadReadsItsBytesOnce) {
  EXPECT_EQ(Reads({1},
                  [](uint8_t* image, int) {
                    EXPECT_EQ(Load<uint64_t>(image + 72) & 0xff, 72 * 7 % 251u);
                    Load<uint64_t>(image + 72);
                    Load<uint32_t>(image + 76);
                  }),
            "1:ff00|");
}

TEST_F(ReadWatchTest, UnwatchedLinesOfTheSamePageAreNoReads) {
  EXPECT_EQ(Reads({1},
                  [](uint8_t* image, int) {
                    Load<uint64_t>(image);
                    Load<uint64_t>(image + 128);
                    Store<uint64_t>(image + 200, 1);
                  }),
            "|");
}

TEST_F(ReadWatchTest, ALoadAcrossTwoLinesReadsBoth) {
  EXPECT_EQ(Reads({0, 1}, [](uint8_t* image, int) { Load<uint64_t>(image + 60); }),
            "0:f000000000000000 1:f|");
}

TEST_F(ReadWatchTest, ALoadAcrossTwoPagesReadsBoth) {
  EXPECT_EQ(Reads({63, 64}, [](uint8_t* image, int) { Load<uint64_t>(image + 4092); }),
            "63:f000000000000000 64:f|");
}

__attribute__((target("avx2"))) void LoadAvx(const uint8_t* at) {
  __m256i value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  asm volatile("" : "+x"(value));
}

TEST_F(ReadWatchTest, AVectorAcrossTwoLinesReadsBoth) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2";
  EXPECT_EQ(Reads({0, 1}, [](uint8_t* image, int) { LoadAvx(image + 48); }),
            "0:ffff000000000000 1:ffff|");
}

TEST_F(ReadWatchTest, PureStoresAreNoReadsAndHideWhatWasThere) {
  EXPECT_EQ(Reads({1},
                  [](uint8_t* image, int) {
                    Store<uint64_t>(image + 64, 5);
                    EXPECT_EQ(Load<uint64_t>(image + 64), 5u);
                    Load<uint64_t>(image + 68);
                  }),
            "1:f00|");
}

TEST_F(ReadWatchTest, AReadModifyWriteReads) {
  EXPECT_EQ(
      Reads({1, 2},
            [](uint8_t* image, int) {
              asm volatile("incl %0" : "+m"(*reinterpret_cast<uint32_t*>(image + 64)));
              // Fails: something else is there.
              uint64_t expected = 1;
              EXPECT_FALSE(std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(image + 128))
                               .compare_exchange_strong(expected, 2));
            }),
      "1:f 2:ff|");
}

TEST_F(ReadWatchTest, FlushesReadNothing) {
  EXPECT_EQ(Reads({1},
                  [](uint8_t* image, int) {
                    _mm_clflush(image + 64);
                    asm volatile(".byte 0x66; clflush %0" : "+m"(*(image + 64)));   // clflushopt
                    asm volatile(".byte 0x66; xsaveopt %0" : "+m"(*(image + 64)));  // clwb
                  }),
            "|");
}

TEST_F(ReadWatchTest, StringsReadTheirSourceAndWriteTheirTarget) {
  EXPECT_EQ(Reads({1, 2, 64, 65},
                  [](uint8_t* image, int) {
                    void* to = image + 4096;
                    const void* from = image + 70;
                    size_t count = 100;
                    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
                    EXPECT_EQ(count, 0u);
                    EXPECT_EQ(std::memcmp(image + 4096, image + 70, 100), 0);
                    EXPECT_EQ(image[4195], 169 * 7 % 251);
                  }),
            "1:ffffffffffffffc0 2:3ffffffffff|");
  EXPECT_EQ(Reads({1},
                  [](uint8_t* image, int) {
                    void* to = image + 64;
                    size_t count = 8;
                    asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(uint64_t{7}) : "memory");
                    EXPECT_EQ(Load<uint64_t>(image + 120), 7u);
                  }),
            "|");
  // Compared up to the first difference: an element at a time.
  EXPECT_EQ(Reads({1},
                  [](uint8_t* image, int) {
                    const void* a = image + 64;
                    const void* b = image + 64;
                    size_t count = 6;
                    asm volatile("repe cmpsb" : "+D"(a), "+S"(b), "+c"(count)::"memory", "cc");
                    EXPECT_EQ(count, 0u);
                  }),
            "1:1 1:2 1:4 1:8 1:10 1:20|");
}

TEST_F(ReadWatchTest, LibcReadsAreSeen) {
  const std::string seen = Reads({1, 2}, [](uint8_t* image, int) {
    char buffer[100];
    std::memcpy(buffer, image + 64, 100);
    EXPECT_EQ(buffer[99], static_cast<char>(163 * 7 % 251));
  });
  EXPECT_THAT(seen, testing::HasSubstr("1:"));
  EXPECT_THAT(seen, testing::HasSubstr("2:"));
}

TEST_F(ReadWatchTest, EveryMappingIsWatchedAndTellsOfTheSameBytes) {
  EXPECT_EQ(Reads({1, 2},
                  [](uint8_t* image, int fd) {
                    void* const head = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
                    Load<uint8_t>(static_cast<uint8_t*>(head) + 64);
                    Load<uint8_t>(image + 64);
                    munmap(head, 4096);
                    void* const again = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
                    EXPECT_EQ(head, again);
                    Load<uint8_t>(static_cast<uint8_t*>(again) + 128);
                  }),
            "1:1 2:1|");
}

TEST_F(ReadWatchTest, ReadingTheFileIsReading) {
  EXPECT_EQ(Reads({0, 1, 2, 3},
                  [](uint8_t* image, int fd) {
                    char buffer[64];
                    EXPECT_EQ(pread(fd, buffer, 10, 64), 10);
                    EXPECT_EQ(buffer[0], static_cast<char>(64 * 7 % 251));
                    EXPECT_EQ(lseek(fd, 130, SEEK_SET), 130);
                    EXPECT_EQ(read(fd, buffer, 4), 4);
                    Load<uint8_t>(image + 64);
                  }),
            "1:3ff 2:3c|");
}

TEST_F(ReadWatchTest, ACallThatTakesAPointerIntoTheImageReadsItsBuffer) {
  EXPECT_EQ(Reads({1, 2},
                  [](uint8_t* image, int) {
                    int ends[2];
                    EXPECT_EQ(pipe(ends), 0);
                    EXPECT_EQ(write(ends[1], image + 64, 16), 16);
                    uint8_t buffer[16];
                    EXPECT_EQ(read(ends[0], buffer, 16), 16);
                    EXPECT_EQ(buffer[0], 64 * 7 % 251);
                    Load<uint8_t>(image + 128);
                  }),
            "1:ffff 2:1|");
}

TEST_F(ReadWatchTest, ACallOfUnknownReachReadsAll) {
  EXPECT_EQ(Reads({1, 100},
                  [](uint8_t* image, int) {
                    int ends[2];
                    EXPECT_EQ(pipe(ends), 0);
                    const iovec parts[] = {{image + 64, 8}};
                    EXPECT_EQ(writev(ends[1], parts, 1), 8);
                    uint8_t buffer[8];
                    EXPECT_EQ(read(ends[0], buffer, 8), 8);
                    EXPECT_EQ(buffer[1], 65 * 7 % 251);
                    // Into the image.
                    EXPECT_EQ(write(ends[1], "abcd", 4), 4);
                    EXPECT_EQ(read(ends[0], image + 64, 4), 4);
                    EXPECT_EQ(image[64], 'a');
                  }),
            "1:ffffffffffffffff 100:ffffffffffffffff|");
}

__attribute__((target("avx2"))) void Gather(const uint8_t* at) {
  __m256i value = _mm256_i32gather_epi32(reinterpret_cast<const int*>(at), _mm256_set1_epi32(1), 4);
  asm volatile("" : "+x"(value));
}

TEST_F(ReadWatchTest, AnInstructionOfUnknownReachReadsAll) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2";
  EXPECT_EQ(Reads({1, 100}, [](uint8_t* image, int) { Gather(image + 64); }),
            "1:ffffffffffffffff 100:ffffffffffffffff|");
}

TEST_F(ReadWatchTest, APageThatFaultsOftenIsTakenAsRead) {
  EXPECT_EQ(Reads({1, 100},
                  [](uint8_t* image, int) {
                    for (uint32_t i = 0; i < ReadWatch::kFaultsALook; ++i) {
                      Load<uint8_t>(image + 512);
                      getppid();  // ends the emulation: the next access faults
                    }
                    Load<uint8_t>(image + 64);
                  }),
            "1:ffffffffffffffff|");
}

TEST_F(ReadWatchTest, AccessesCloseTogetherCostFewFaults) {
  EXPECT_EQ(Reads({1, 100},
                  [this](uint8_t* image, int) {
                    uint64_t sum = 0;
                    for (size_t i = 0; i < 4096; i += 32) sum += Load<uint32_t>(image + i);
                    std::memcpy(image + 6400, image + 128, 32);
                    EXPECT_LT(buffer_->faults, 10u);
                    EXPECT_GT(sum, 0u);
                  }),
            "1:f 1:f00000000|");
}

TEST_F(ReadWatchTest, BlockedSignalsDoNotStopTheWatch) {
  EXPECT_EQ(Reads({1},
                  [](uint8_t* image, int) {
                    sigset_t all, old, now;
                    sigfillset(&all);
                    EXPECT_EQ(sigprocmask(SIG_BLOCK, &all, &old), 0);
                    Load<uint8_t>(image + 64);
                    EXPECT_EQ(sigprocmask(SIG_SETMASK, &old, &now), 0);
                    EXPECT_EQ(sigismember(&now, SIGTERM), 1);
                    EXPECT_EQ(sigprocmask(SIG_SETMASK, nullptr, &now), 0);
                    EXPECT_EQ(sigismember(&now, SIGTERM), 0);
                  }),
            "1:1|");
}

TEST_F(ReadWatchTest, ARealCrashIsStillOne) {
  EXPECT_EQ(Reads({1}, [](uint8_t*, int) { Load<uint8_t>(nullptr); }), "signal 11");
  EXPECT_EQ(Reads({1}, [](uint8_t*, int) { asm volatile("int3"); }), "signal 5");
  EXPECT_EQ(Reads({1}, [](uint8_t*, int) { abort(); }), "signal 6");
  // A store to what is mapped for reading only, in a watched page.
  EXPECT_EQ(Reads({1},
                  [](uint8_t*, int fd) {
                    void* const head = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
                    Store<uint8_t>(static_cast<uint8_t*>(head) + 64, 1);
                  }),
            "signal 11");
}

TEST_F(ReadWatchTest, WhatCannotBeFollowedIsSaid) {
  const std::map<std::string, Action> misdeeds = {
      {"starts a thread",
       [](uint8_t* image, int) {
         pthread_t thread;
         const auto read_it = [](void* at) -> void* {
           Load<uint8_t>(static_cast<uint8_t*>(at));
           return nullptr;
         };
         EXPECT_EQ(pthread_create(&thread, nullptr, read_it, image + 64), 0);
         pthread_join(thread, nullptr);
       }},
      {"starts a process",
       [](uint8_t*, int) {
         const pid_t child = fork();
         if (child == 0) _exit(0);
         EXPECT_EQ(waitpid(child, nullptr, 0), child);
       }},
      {"starts another program",
       [](uint8_t*, int) { EXPECT_EQ(execl("/bin/true", "true", nullptr), -1); }},
      {"handles SIGSEGV, SIGTRAP or SIGSYS itself",
       [](uint8_t*, int) { signal(SIGSEGV, SIG_IGN); }},
      {"maps an image privately or at an address of its own",
       [](uint8_t*, int fd) { mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0); }},
      {"unmaps an image in part",
       [](uint8_t* image, int) { munmap(image + 4096, kImageBytes - 4096); }},
      {"changes the mapping of an image by a raw system call",
       [](uint8_t* image, int) { mprotect(image, 4096, PROT_READ); }},
  };
  for (const auto& [why, misdeed] : misdeeds) {
    const std::string text = Reads({1}, misdeed);
    EXPECT_EQ(text.substr(text.find('|') + 1), why) << text;
  }
}

TEST_F(ReadWatchTest, OnlyBytesThatMatterAreNoted) {
  EXPECT_EQ(Reads({1},
                  [this](uint8_t* image, int) {
                    ReadWatch::End();
                    const WatchedLine lines[] = {{0, 1, 0xf0}};
                    buffer_->Watch(lines);
                    ReadWatch::Begin(buffer_.get());
                    Load<uint32_t>(image + 64);
                    Load<uint16_t>(image + 68);
                    Load<uint64_t>(image + 64);
                  }),
            "1:30 1:c0|");
}

TEST_F(ReadWatchTest, OneWatchAfterTheOther) {
  // End opens everything, and Begin begins anew.
  const std::string seen = Reads({1}, [this](uint8_t* image, int) {
    Load<uint8_t>(image + 64);
    ReadWatch::End();
    EXPECT_EQ(buffer_->Log().reads.size(), 1u);
    Load<uint8_t>(image + 65);
    const WatchedLine lines[] = {{0, 1}};
    buffer_->Watch(lines);
    ReadWatch::Begin(buffer_.get());
    Load<uint8_t>(image + 66);
  });
  EXPECT_EQ(seen, "1:4|");
}

}  // namespace
}  // namespace fencepost
