// SPDX-License-Identifier: BSD-3-Clause
#include "harness/turns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace fencepost {

Result<TurnTaker> TurnTaker::Parse(const std::string& words) {
  int line = -1, end = 0;
  double turn_ms = 0;
  struct stat facts;
  if (std::sscanf(words.c_str(), "%d,%lf%n", &line, &turn_ms, &end) != 2 ||
      static_cast<size_t>(end) != words.size() || !(turn_ms > 0) || fstat(line, &facts) != 0 ||
      !S_ISSOCK(facts.st_mode)) {
    return Status::InvalidArgument(
        fmt::format("--turns={}: must be the descriptor of a socket and milliseconds", words));
  }
  fcntl(line, F_SETFD, FD_CLOEXEC);
  return TurnTaker(line, turn_ms / 1e3, getppid());
}

TurnTaker::TurnTaker(TurnTaker&& other) noexcept
    : line_(std::exchange(other.line_, -1)), turn_s_(other.turn_s_), giver_(other.giver_) {}

TurnTaker::~TurnTaker() {
  if (line_ >= 0) close(line_);
}

void TurnTaker::Say(char message) {
  if (line_ < 0) return;
  // Of all that may tell that the giver has ended (EndWithParent), only this is heard by a process
  // that is stopped. The signal belongs to the thread.
  int of_thread = 0;
  prctl(PR_GET_PDEATHSIG, &of_thread);
  prctl(PR_SET_PDEATHSIG, SIGCONT);
  char answer = 0;
  if (send(line_, &message, 1, MSG_NOSIGNAL) == 1) {
    while (recv(line_, &answer, 1, 0) < 0 && errno == EINTR) {
    }
  }
  prctl(PR_SET_PDEATHSIG, of_thread);
  if (getppid() != giver_) raise(SIGTERM);
  if (answer == kGoOn) return;
  close(line_);
  line_ = -1;
}

}  // namespace fencepost
