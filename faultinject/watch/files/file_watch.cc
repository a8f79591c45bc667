// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/files/file_watch.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "faultinject/watch/call_filter.h"
#include "faultinject/watch/files/file_watch_state.h"
#include "faultinject/watch/image_mappings.h"
#include "faultinject/watch/sanitized.h"

namespace fencepost {
namespace {

// The default action, when the instruction runs again. The C library's call would be trapped.
void Decline(int signal_number) {
  struct {
    uint64_t handler, flags, restorer, mask;
  } by_default{};  // the kernel's own struct sigaction
  KernelCall(SYS_rt_sigaction, static_cast<uint64_t>(signal_number),
             reinterpret_cast<uint64_t>(&by_default), 0, sizeof(by_default.mask));
}

void HandleFault(int number, siginfo_t* info, void* raw) {
  const int error = errno;
  constexpr greg_t kWriteBit = 2;  // of a page fault's error code
  const bool writes = (static_cast<ucontext_t*>(raw)->uc_mcontext.gregs[REG_ERR] & kWriteBit) != 0;
  if (!file_watch->OnFault(reinterpret_cast<uint64_t>(info->si_addr), writes)) Decline(number);
  errno = error;
}

Status Handle(int number, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  // A handler of something else would run calls that this one waits for. But a path or a vector
  // that is read here may lie in a file that is mapped.
  sigfillset(&action.sa_mask);
  if (number == SIGSYS) sigdelset(&action.sa_mask, SIGSEGV);
  if (sigaction(number, &action, nullptr) == 0) return Status::Ok();
  return Status::IoError(fmt::format("sigaction: {}", std::strerror(errno)));
}

}  // namespace

Status FileWatchBuffer::Watch(const std::string& root_path,
                              const std::vector<FileIdentity>& watched) {
  CHECK(std::is_sorted(watched.begin(), watched.end()));
  if (watched.size() > kMostFiles || root_path.size() >= sizeof(root)) {
    return Status::Unsupported(
        fmt::format("{} files are more than {}, which can be watched", watched.size(), kMostFiles));
  }
  std::memcpy(root, root_path.c_str(), root_path.size() + 1);
  std::copy(watched.begin(), watched.end(), files);
  file_count = watched.size();
  lock = 0;
  read_count = name_bytes = 0;
  why[0] = '\0';
  return Status::Ok();
}

FileReadLog FileWatchBuffer::Log() const {
  FileReadLog log{.reads = {}, .why = why};
  for (uint64_t i = 0; i < read_count; ++i) {
    const Read& read = reads[i];
    FileRead& noted = log.reads.emplace_back();
    noted.kind = read.kind;
    noted.file = read.file;
    if (read.kind == FileRead::Kind::kName) {
      noted.name.assign(names + read.begin, read.end - read.begin);
    } else {
      noted.begin = read.begin;
      noted.end = read.end;
    }
  }
  return log;
}

bool FileWatch::Supported() {
#ifdef FENCEPOST_SANITIZED
  return false;
#else
  return true;
#endif
}

Status FileWatch::Install() {
  if (!Supported()) return Status::Unsupported("a sanitized program cannot watch what it reads");
  CHECK(file_watch == nullptr && !AnyImageIsKept());
  file_watch = new FileWatchState();
  RETURN_IF_ERROR(Handle(SIGSEGV, HandleFault));
  RETURN_IF_ERROR(Handle(SIGSYS, HandleFileCall));
  return InstallFileCallFilter();
}

void FileWatch::Begin(FileWatchBuffer* buffer) {
  CHECK(file_watch != nullptr && !file_watch->on());
  file_watch->Begin(buffer);
}

void FileWatch::End() {
  CHECK(file_watch != nullptr && file_watch->on());
  file_watch->End();
}

}  // namespace fencepost
