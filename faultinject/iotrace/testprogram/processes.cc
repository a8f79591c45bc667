// SPDX-License-Identifier: BSD-3-Clause
// Processes, programs and signals around the calls.
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "faultinject/iotrace/testprogram/scenario.h"

extern char** environ;

namespace fencepost::io_program {
namespace {

void MustEnd(pid_t child) {
  int status = 0;
  MUST(child > 0);
  MUST(waitpid(child, &status, 0) == child);
  MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void Spawn(const char* command) {
  const char* const args[] = {"sh", "-c", command, nullptr};
  pid_t child = 0;
  MUST(posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char**>(args), environ) == 0);
  MustEnd(child);
}

void Processes(uint64_t) {
  InChild([] { WriteFile("by-child", "fork"); });
  InChild([] { execl("/proc/self/exe", "io_program", "plain", nullptr); });
  Spawn("echo spawned > spawned");
  Spawn("(echo one; echo two) | cat > piped; cp piped copied; mv copied moved; rm piped");
  MUST(std::system("echo system >> spawned; mkdir d; ln -s x d/link") == 0);
  FILE* const pipe = popen("cat > popened", "w");
  MUST(pipe != nullptr);
  MUST(std::fputs("popen", pipe) >= 0);
  MUST(pclose(pipe) == 0);
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "echo vfork > vforked", nullptr);
    _exit(1);
  }
  MustEnd(child);
  MUST(execl("/no/such/program", "x", nullptr) == -1 && errno == ENOENT);
  WriteFile("after", "execution that failed");
}

volatile sig_atomic_t handled = 0;

void OnSignal(int) {
  const int fd = open("by-handler", O_CREAT | O_WRONLY | O_APPEND, 0644);
  if (fd >= 0 && write(fd, "handler", 7) == 7) handled = handled + 1;
  close(fd);
}

void Signals(uint64_t) {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigfillset(&action.sa_mask);
  MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
  MUST(raise(SIGUSR1) == 0);
  MUST(handled == 1);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  MUST(sigprocmask(SIG_SETMASK, &all, &before) == 0);
  WriteFile("blocked", "all signals blocked");
  MUST(raise(SIGUSR1) == 0);
  MUST(handled == 1);
  sigset_t now;
  MUST(sigprocmask(SIG_SETMASK, nullptr, &now) == 0);
  MUST(sigismember(&now, SIGUSR2) == 1);
  MUST(sigprocmask(SIG_SETMASK, &before, nullptr) == 0);
  MUST(handled == 2);
  // A handler that runs while a call waits with a mask of its own.
  sigset_t but_one = all;
  sigdelset(&but_one, SIGUSR1);
  MUST(sigprocmask(SIG_SETMASK, &all, nullptr) == 0);
  MUST(raise(SIGUSR1) == 0);
  MUST(sigsuspend(&but_one) == -1 && errno == EINTR);
  MUST(raise(SIGUSR1) == 0);
  MUST(ppoll(nullptr, 0, nullptr, &but_one) == -1 && errno == EINTR);
  MUST(raise(SIGUSR1) == 0);
  MUST(pselect(0, nullptr, nullptr, nullptr, nullptr, &but_one) == -1 && errno == EINTR);
  MUST(handled == 5);
  MUST(sigprocmask(SIG_SETMASK, &before, nullptr) == 0);
  MUST(signal(SIGSYS, SIG_IGN) == SIG_DFL);
  MUST(signal(SIGSYS, SIG_DFL) == SIG_IGN);
  WriteFile("sigsys", "still recorded");
}

// A write that waits for a reader is interrupted, and one with SA_RESTART is not.
void Interrupted(uint64_t) {
  int ends[2];
  MUST(pipe(ends) == 0);
  MUST(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
  WriteAll(ends[1], Letters(4096));
  struct sigaction action = {};
  action.sa_handler = [](int) { handled = handled + 1; };
  MUST(sigaction(SIGUSR2, &action, nullptr) == 0);
  const pthread_t self = pthread_self();
  std::thread interrupter([self] {
    while (handled == 0) {
      usleep(20'000);
      pthread_kill(self, SIGUSR2);
    }
  });
  MUST(write(ends[1], "more", 4) == -1 && errno == EINTR);
  interrupter.join();
  WriteFile("after", "an interrupted call");
}

// Threads that are in the middle of writing when the process ends.
void ExitWhileWriting(uint64_t) {
  InChild([] {
    for (int t = 0; t < 3; ++t) {
      std::thread([t] {
        const std::string name = "busy" + std::to_string(t);
        const int fd = OpenFile(name.c_str(), O_RDWR);
        for (;;) WriteAll(fd, Letters(100));
      }).detach();
    }
    usleep(30'000);
  });
  WriteFile("after", "the end of a process");
}

void KilledWhileWaiting(uint64_t) {
  const pid_t child = fork();
  if (child == 0) {
    WriteFile("killed", "before");
    raise(SIGKILL);
  }
  int status = 0;
  MUST(waitpid(child, &status, 0) == child);
  MUST(WIFSIGNALED(status));
  WriteFile("after", "a kill");
}

// Killed at a seeded instant, also between a call and its event.
void KilledWhileWriting(uint64_t seed) {
  const pid_t child = fork();
  if (child == 0) {
    for (int t = 0; t < 2; ++t) {
      std::thread([t] {
        const std::string name = "killed" + std::to_string(t);
        for (int i = 0;; ++i) WriteFile(name.c_str(), Letters(3000, i));
      }).detach();
    }
    for (int i = 0;; ++i) WriteFile("killed", Letters(100, i));
  }
  usleep(static_cast<useconds_t>(1000 + seed * 997 % 20'000));
  MUST(kill(child, SIGKILL) == 0);
  // It is a zombie now, and may hold the recorder's lock.
  WriteFile("after", "a kill");
  MUST(waitpid(child, nullptr, 0) == child);
}

void WithoutEnvironment(uint64_t) {
  InChild([] {
    char* const nothing[] = {nullptr};
    const char* const args[] = {"true", nullptr};
    execve("/bin/true", const_cast<char**>(args), nothing);
    _exit(1);
  });
}

// As on a kernel without it.
void Ring(uint64_t) {
  io_uring_params params = {};
  MUST(syscall(SYS_io_uring_setup, 4, &params) == -1 && errno == ENOSYS);
  WriteFile("without", "a ring");
}

constexpr Scenario kScenarios[] = {
    {"io_uring", Ring},
    {"processes", Processes},
    {"signals", Signals},
    {"interrupted", Interrupted},
    {"exit-while-writing", ExitWhileWriting},
    {"killed", KilledWhileWaiting},
    {"killed-while-writing", KilledWhileWriting},
    {"without-environment", WithoutEnvironment},
};

}  // namespace

std::span<const Scenario> ProcessScenarios() { return kScenarios; }

}  // namespace fencepost::io_program
