// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/read_watch.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "faultinject/watch/sanitized.h"
#include "faultinject/watch/watch_state.h"
#include "faultinject/watch/watched_calls.h"

namespace fencepost {
namespace {

// The default action, when the instruction runs again.
void Decline(int signal_number) {
  struct {
    void* handler;
    uint64_t flags;
    void* restorer;
    uint64_t mask;
  } by_default{};  // the kernel's own struct sigaction
  KernelCall(SYS_rt_sigaction, static_cast<uint64_t>(signal_number),
             reinterpret_cast<uint64_t>(&by_default), 0, sizeof(by_default.mask));
}

void HandleFault(int number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  if (!watch->OnFault(address, static_cast<ucontext_t*>(context))) Decline(number);
}

void HandleStep(int number, siginfo_t* /*info*/, void* context) {
  if (watch->OnStep(static_cast<ucontext_t*>(context))) return;
  // Not repeated by going on, unlike a fault.
  Decline(number);
  KernelCall(SYS_tgkill, static_cast<uint64_t>(KernelCall(SYS_getpid)),
             static_cast<uint64_t>(KernelCall(SYS_gettid)), static_cast<uint64_t>(number));
}

Status Handle(int number, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, nullptr) == 0) return Status::Ok();
  return Status::IoError(fmt::format("sigaction: {}", std::strerror(errno)));
}

}  // namespace

void WatchBuffer::Watch(std::span<const WatchedLine> watched) {
  CHECK(watched.size() <= kMostLines);
  std::copy(watched.begin(), watched.end(), lines);
  line_count = watched.size();
  read_count = crowded_count = faults = 0;
  why[0] = '\0';
}

ReadLog WatchBuffer::Log() const {
  return {.reads = {reads, reads + read_count},
          .crowded = {crowded, crowded + crowded_count},
          .faults = faults,
          .why = why};
}

bool ReadWatch::Supported() { return ImageMappingsAreKept(); }

Status ReadWatch::Install() {
  if (!Supported()) return Status::Unsupported("a sanitized program cannot watch what it reads");
  CHECK(watch == nullptr);
  constexpr size_t kStackBytes = 128 << 10;
  const stack_t stack = {.ss_sp = new char[kStackBytes], .ss_flags = 0, .ss_size = kStackBytes};
  if (sigaltstack(&stack, nullptr) != 0) {
    return Status::IoError(fmt::format("sigaltstack: {}", std::strerror(errno)));
  }
  watch = new Watch(Emulator::Make());
  RETURN_IF_ERROR(Handle(SIGSEGV, HandleFault));
  RETURN_IF_ERROR(Handle(SIGTRAP, HandleStep));
  RETURN_IF_ERROR(Handle(SIGSYS, HandleTrappedCall));
  return InstallCallFilter();
}

void ReadWatch::Begin(WatchBuffer* buffer) {
  CHECK(watch != nullptr && !watch->on());
  CHECK(std::is_sorted(buffer->lines, buffer->lines + buffer->line_count));
  watch->Begin(buffer);
}

void ReadWatch::End() {
  CHECK(watch != nullptr && watch->on());
  watch->End();
}

}  // namespace fencepost

#ifndef FENCEPOST_SANITIZED

// Threads cannot be seen by the filter: they begin where a handler could not return to.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (fencepost::watch != nullptr) fencepost::watch->OnUnwatchable("starts a thread");
  return create(thread, attributes, start, argument);
}

#endif
