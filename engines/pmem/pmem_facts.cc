// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pmem_facts.h"

#include <libpmem.h>
#include <libpmemobj.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

namespace fencepost::pmem {
namespace {

// What the handler of a step has seen. A signal handler has no other way.
volatile sig_atomic_t seen_opcode = 0;

enum Opcode : int { kNothing = 0, kClflush = 1, kClflushopt = 2, kClwb = 3, kSyscall = 4 };

// The flush or system call at `code`; kNothing for another instruction.
Opcode FlushAt(const uint8_t* code) {
  if (code[0] == 0x0f && code[1] == 0x05) return kSyscall;
  const bool prefixed = *code == 0x66;
  if (prefixed) ++code;
  if ((*code & 0xf0) == 0x40) ++code;  // REX: an operand in r8 to r15
  if (code[0] != 0x0f || code[1] != 0xae || code[2] >= 0xc0) return kNothing;
  const int extension = code[2] >> 3 & 7;
  if (extension == 7) return prefixed ? kClflushopt : kClflush;
  return extension == 6 && prefixed ? kClwb : kNothing;
}

void OnStep(int, siginfo_t*, void* context) {
  const auto* at = static_cast<ucontext_t*>(context);
  const auto address = static_cast<uintptr_t>(at->uc_mcontext.gregs[REG_RIP]);
  const Opcode opcode = FlushAt(reinterpret_cast<const uint8_t*>(address));
  if (opcode != kNothing) seen_opcode = opcode;
}

// The trap flag: a trap after each instruction until it is cleared. Below the stack's red zone,
// which the compiler may have put to use.
void StartSteps() {
  asm volatile(
      "leaq -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; leaq 128(%%rsp), %%rsp" ::
          : "cc", "memory");
}
void EndSteps() {
  asm volatile(
      "leaq -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; leaq 128(%%rsp), %%rsp" ::
          : "cc", "memory");
}

bool IsTraced() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("TracerPid:")) return line.find_first_of("123456789") != std::string::npos;
  }
  return true;
}

// The range at the beginning of a line of /proc/self/maps or smaps: "7f00-7f80 rw-s ...".
std::optional<PoolMapping> RangeOf(const std::string& line) {
  char* dash = nullptr;
  const uintptr_t begin = std::strtoull(line.c_str(), &dash, 16);
  if (dash == line.c_str() || *dash != '-') return std::nullopt;
  return PoolMapping{.begin = begin, .end = std::strtoull(dash + 1, nullptr, 16)};
}

}  // namespace

std::optional<PoolMapping> FindPoolMapping(std::istream& smaps, const std::string& path) {
  std::optional<PoolMapping> found;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first.ends_with(':')) {
      if (found && first == "VmFlags:") {
        for (std::string flag; words >> flag;) found->map_sync |= flag == "sf";
        return found;
      }
    } else if (line.ends_with(" " + path)) {
      found = RangeOf(line);
    }
  }
  return std::nullopt;
}

std::filesystem::path MappedFile(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::optional<PoolMapping> range = RangeOf(line);
    if (!range || wanted < range->begin || wanted >= range->end) continue;
    const size_t slash = line.find('/');
    return slash == std::string::npos ? std::string() : line.substr(slash);
  }
  return {};
}

bool IsMapSync(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  std::ifstream smaps("/proc/self/smaps");
  const std::optional<PoolMapping> mapping = FindPoolMapping(smaps, real.string());
  return mapping && mapping->map_sync;
}

std::string ObservedFlush(const std::function<void()>& flush) {
  if (RUNNING_ON_VALGRIND != 0 || IsTraced()) return "unknown";
  struct sigaction step = {}, before = {};
  step.sa_sigaction = OnStep;
  step.sa_flags = SA_SIGINFO;
  sigemptyset(&step.sa_mask);
  // The first call of a function of a library looks for it.
  flush();
  if (sigaction(SIGTRAP, &step, &before) != 0) return "unknown";
  seen_opcode = kNothing;
  StartSteps();
  flush();
  EndSteps();
  sigaction(SIGTRAP, &before, nullptr);
  switch (seen_opcode) {
    case kClflush:
      return "clflush";
    case kClflushopt:
      return "clflushopt";
    case kClwb:
      return "clwb";
    case kSyscall:
      return "msync";
    default:
      return "none";
  }
}

std::optional<PmemFacts> ObservePmem(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  std::ifstream smaps("/proc/self/smaps");
  const std::optional<PoolMapping> mapping = FindPoolMapping(smaps, real.string());
  if (error || !mapping) return std::nullopt;
  void* const begin = reinterpret_cast<void*>(mapping->begin);
  const char on_the_stack = 0;
  constexpr size_t kLineBytes = 64;
  // The handle of a pool is its address.
  auto* const pool = static_cast<PMEMobjpool*>(begin);
  PmemFacts facts{
      .is_pmem = false,
      .forced = pmem_is_pmem(&on_the_stack, 1) != 0,
      .map_sync = mapping->map_sync,
      .flush_instruction = ObservedFlush([pool] { pmemobj_flush(pool, pool, kLineBytes); })};
  facts.is_pmem = facts.flush_instruction == "unknown"
                      ? facts.map_sync || pmem_is_pmem(begin, mapping->end - mapping->begin) != 0
                      : facts.flush_instruction != "msync";
  return facts;
}

}  // namespace fencepost::pmem
