// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/paired_children.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include "harness/child_process.h"
#include "harness/interrupt.h"
#include "harness/turns.h"

namespace fencepost {
namespace {

constexpr int kTickMs = 200;
constexpr int kPatienceMs = 30'000;

// A run, and our end of its line. It stands still from a word of it that was awaited until GoOn.
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
      const bool ended = process_.WaitFor(0);  // takes what it complains of, too
      pollfd wait = {.fd = line_, .events = POLLIN, .revents = 0};
      char word = 0;
      if (poll(&wait, 1, ended ? 0 : kTickMs) > 0 && recv(line_, &word, 1, 0) == 1) {
        takes_turns_ = word == kTurnIsOver;
        process_.Stop();
        return;
      }
      // Another process may have the line still: of a script, say.
      if (ended || wait.revents != 0) HangUp();
    }
    takes_turns_ = false;
  }
  void GoOn() {
    process_.Continue();
    if (line_ >= 0 && send(line_, &kGoOn, 1, MSG_NOSIGNAL) != 1) HangUp();
  }
  // It is to end early, and to take its data with it.
  void Interrupt() {
    interrupted_ = true;
    process_.Interrupt();
    GoOn();
    HangUp();
  }
  // It goes on without turns, to its end.
  const ChildProcess& Finish(const std::function<void()>& tick) {
    GoOn();
    HangUp();
    int ticks_left = kPatienceMs / kTickMs;
    while (!process_.WaitFor(kTickMs)) {
      if (Interrupted() && !interrupted_) Interrupt();
      // That nobody waits for: something is wrong with it.
      if (interrupted_ && --ticks_left == 0) process_.Kill();
      tick();
    }
    return process_;
  }

  bool takes_turns() const { return takes_turns_; }
  bool hung_up() const { return line_ < 0; }
  bool interrupted() const { return interrupted_; }

 private:
  Taker(ChildProcess process, int line) : process_(std::move(process)), line_(line) {}
  void HangUp() {
    if (line_ >= 0) close(line_);
    line_ = -1;
  }

  ChildProcess process_;
  int line_;
  bool takes_turns_ = false;
  bool interrupted_ = false;  // by Interrupt()
};

}  // namespace

Result<std::array<std::optional<ChildRun>, 2>> RunInTurns(
    const std::array<PairedChild, 2>& children, size_t first, double turn_ms,
    const std::function<void()>& tick) {
  std::array<std::unique_ptr<Taker>, 2> takers;
  const auto end_early = [&] {
    for (const auto& taker : takers) {
      if (taker != nullptr && !taker->hung_up()) taker->Interrupt();
    }
  };
  bool whole = true;  // nobody has failed
  for (const size_t side : {first, 1 - first}) {
    if (!whole || Interrupted()) break;
    Result<std::unique_ptr<Taker>> started = Taker::Start(children[side].words, turn_ms);
    if (!started.ok()) {
      end_early();
      if (takers[first] != nullptr) takers[first]->Finish(tick);
      return started.status();
    }
    takers[side] = std::move(*started);
    takers[side]->AwaitWord(tick);
    whole = !takers[side]->hung_up();
  }
  std::array<std::chrono::nanoseconds, 2> had{};
  const auto takes_turns = [&](size_t side) {
    return takers[side] != nullptr && takers[side]->takes_turns();
  };
  while (whole && !Interrupted() && (takes_turns(0) || takes_turns(1))) {
    size_t side = had[1 - first] < had[first] ? 1 - first : first;
    if (!takes_turns(side)) side = 1 - side;
    const auto begin = std::chrono::steady_clock::now();
    takers[side]->GoOn();
    takers[side]->AwaitWord(tick);
    had[side] += std::chrono::steady_clock::now() - begin;
    whole = !takers[side]->hung_up();
  }
  if (!whole || Interrupted()) end_early();
  std::array<std::optional<ChildRun>, 2> runs;
  for (const size_t side : {first, 1 - first}) {
    if (takers[side] == nullptr) continue;
    const bool failed = takers[side]->hung_up() && !takers[side]->interrupted();
    ChildRun run = RunOf(takers[side]->Finish(tick), children[side].folder);
    // Of a pair that one side has failed, the other is worth nothing.
    if (whole || failed) runs[side] = std::move(run);
  }
  return runs;
}

}  // namespace fencepost
