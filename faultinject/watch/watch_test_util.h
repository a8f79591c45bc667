// SPDX-License-Identifier: BSD-3-Clause
// For tests that watch.
#ifndef FENCEPOST_FAULTINJECT_WATCH_WATCH_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_WATCH_WATCH_TEST_UTIL_H_

#include <sys/wait.h>
#include <unistd.h>

#include "faultinject/watch/read_watch.h"

namespace fencepost {

// Whether this program on this machine can watch: some containers forbid a process to filter its
// own calls.
inline bool CanWatch() {
  if (!ReadWatch::Supported()) return false;
  const pid_t child = fork();
  if (child == 0) _exit(ReadWatch::Install().ok() ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_WATCH_TEST_UTIL_H_
