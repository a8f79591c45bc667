// SPDX-License-Identifier: BSD-3-Clause
// libpmem decides once per process, so each expectation runs in a child that has not used it.
#include "engines/pmem/pmem_environment.h"

#include <gtest/gtest.h>
#include <libpmem.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace fencepost::pmem {
namespace {

// Runs `body` in a forked child; whether it returned true there.
template <typename F>
bool InChild(F&& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool StackIsPmem() {
  const char on_the_stack = 0;
  return pmem_is_pmem(&on_the_stack, 1) != 0;
}

TEST(PmemEnvironment, TmpfsIsForcedAndTheEnvironmentPutBack) {
  EXPECT_TRUE(InChild([] {
    unsetenv("PMEM_IS_PMEM_FORCE");
    const auto mode = PreparePmem(Medium::kTmpfs, "/x");
    return mode.ok() && *mode == PmemMode::kForcedOnTmpfs && StackIsPmem() &&
           std::getenv("PMEM_IS_PMEM_FORCE") == nullptr;
  }));
}

TEST(PmemEnvironment, AnInheritedForceDoesNotReachADisk) {
  EXPECT_TRUE(InChild([] {
    setenv("PMEM_IS_PMEM_FORCE", "1", 1);
    const auto mode = PreparePmem(Medium::kPageCache, "/x");
    return mode.ok() && *mode == PmemMode::kMsync && !StackIsPmem() &&
           std::string_view(std::getenv("PMEM_IS_PMEM_FORCE")) == "1";
  }));
}

TEST(PmemEnvironment, AnInheritedZeroDoesNotReachATmpfs) {
  EXPECT_TRUE(InChild([] {
    setenv("PMEM_IS_PMEM_FORCE", "0", 1);
    return PreparePmem(Medium::kTmpfs, "/x").ok() && StackIsPmem();
  }));
}

TEST(PmemEnvironment, DaxNeedsNothing) {
  EXPECT_TRUE(InChild([] {
    const auto mode = PreparePmem(Medium::kDax, "/x");
    return mode.ok() && *mode == PmemMode::kHardware && !StackIsPmem();
  }));
}

TEST(PmemEnvironment, ADecisionTheOtherWayIsAnError) {
  EXPECT_TRUE(InChild([] {
    return PreparePmem(Medium::kTmpfs, "/x").ok() &&
           PreparePmem(Medium::kPageCache, "/y").status().code() == StatusCode::kUnsupported &&
           PreparePmem(Medium::kTmpfs, "/x").ok();
  }));
  EXPECT_TRUE(InChild([] {
    unsetenv("PMEM_IS_PMEM_FORCE");
    StackIsPmem();  // someone else was first
    return PreparePmem(Medium::kTmpfs, "/x").status().code() == StatusCode::kUnsupported;
  }));
}

}  // namespace
}  // namespace fencepost::pmem
