// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/paired_children.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "harness/child_process.h"
#include "harness/interrupt.h"
#include "harness/turns.h"

namespace fencepost {
namespace {

constexpr int kTickMs = 200;

// A run, and our end of its line. It stands still except within a call of LetGo.
class Taker {
 public:
  static Result<std::unique_ptr<Taker>> Start(std::vector<std::string> words, double turn_ms) {
    std::array<int, 2> line;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line.data()) != 0) {
      return Status::IoError(fmt::format("socketpair: {}", std::strerror(errno)));
    }
    words.insert(words.end(), {"--turns", fmt::format("{},{}", line[1], turn_ms)});
    Result<ChildProcess> process =
        ChildProcess::Start(words, {}, ChildProcess::Streams::kNone, line[1]);
    close(line[1]);
    if (process.ok()) {
      return std::unique_ptr<Taker>(new Taker(std::move(process).value(), line[0]));
    }
    close(line[0]);
    return process.status();
  }
  ~Taker() { HangUp(); }
  Taker(const Taker&) = delete;
  Taker& operator=(const Taker&) = delete;

  // Waits until it stands still, or has nothing more to say: then it may have ended.
  void AwaitWord(const std::function<void()>& tick) {
    while (line_ >= 0 && !Interrupted()) {
      tick();
      (void)process_.WaitFor(0);  // takes what it complains of
      pollfd wait = {.fd = line_, .events = POLLIN, .revents = 0};
      if (poll(&wait, 1, kTickMs) <= 0) continue;
      char word = 0;
      if (recv(line_, &word, 1, 0) <= 0) {
        HangUp();
      } else {
        takes_turns_ = word == kTurnIsOver;
        process_.Stop();
        return;
      }
    }
    takes_turns_ = false;
  }
  void GoOn() {
    process_.Continue();
    if (line_ >= 0 && send(line_, &kGoOn, 1, MSG_NOSIGNAL) != 1) HangUp();
  }
  // It goes on without turns, to its end.
  const ChildProcess& Finish(const std::function<void()>& tick) {
    GoOn();
    HangUp();
    bool passed_on = false;
    while (!process_.WaitFor(kTickMs)) {
      if (Interrupted() && !std::exchange(passed_on, true)) process_.Interrupt();
      tick();
    }
    return process_;
  }

  bool takes_turns() const { return takes_turns_; }
  bool hung_up() const { return line_ < 0; }

 private:
  Taker(ChildProcess process, int line) : process_(std::move(process)), line_(line) {}
  void HangUp() {
    if (line_ >= 0) close(line_);
    line_ = -1;
  }

  ChildProcess process_;
  int line_;
  bool takes_turns_ = false;
};

}  // namespace

Result<std::array<std::optional<ChildRun>, 2>> RunInTurns(
    const std::array<PairedChild, 2>& children, size_t first, double turn_ms,
    const std::function<void()>& tick) {
  std::array<std::unique_ptr<Taker>, 2> takers;
  bool whole = true;  // nobody has failed
  for (const size_t side : {first, 1 - first}) {
    if (!whole) break;
    ASSIGN_OR_RETURN(takers[side], Taker::Start(children[side].words, turn_ms));
    takers[side]->AwaitWord(tick);
    whole = !takers[side]->hung_up();
  }
  for (size_t turn = 0; whole && (takers[0]->takes_turns() || takers[1]->takes_turns()); ++turn) {
    const size_t side = turn % 4 == 0 || turn % 4 == 3 ? first : 1 - first;
    if (!takers[side]->takes_turns()) continue;
    takers[side]->GoOn();
    takers[side]->AwaitWord(tick);
    whole = !takers[side]->hung_up();
  }
  std::array<std::optional<ChildRun>, 2> runs;
  for (const size_t side : {first, 1 - first}) {
    // Of a pair that one side has failed, the other is worth nothing.
    if (takers[side] == nullptr || (!whole && !takers[side]->hung_up())) continue;
    runs[side] = RunOf(takers[side]->Finish(tick), children[side].folder);
  }
  return runs;
}

}  // namespace fencepost
