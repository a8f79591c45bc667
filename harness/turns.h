// SPDX-License-Identifier: BSD-3-Clause
// Turns: two runs that are compared execute in slices of some milliseconds, one at a time, so that
// whatever else the machine does meets both alike. Whoever started them says whose turn it is
// (commands/paired_children.h).
//
// The line between the two is a stream socket with a byte for each message.
// Threads: one at a time.
#ifndef FENCEPOST_HARNESS_TURNS_H_
#define FENCEPOST_HARNESS_TURNS_H_

#include <string>

#include "engines/status.h"

namespace fencepost {

// The messages. A run says that it stands still, and goes on when it is told to.
inline constexpr char kTurnIsOver = 't', kRunIsOver = 'e', kGoOn = 'g';

// The run's side.
class TurnTaker {
 public:
  // `words`: "FD,MS", the descriptor of the line and the length of a turn.
  static Result<TurnTaker> Parse(const std::string& words);
  TurnTaker(TurnTaker&& other) noexcept;
  TurnTaker& operator=(TurnTaker&&) = delete;
  ~TurnTaker();

  double turn_s() const { return turn_s_; }
  // Says that the turn is over, and waits for the next. At once if nobody gives turns any more; if
  // that is because the process that did has ended, this one is interrupted.
  void Await() { Say(kTurnIsOver); }
  // Says that nothing is left to take turns for, and waits until what comes then may be done.
  void End() { Say(kRunIsOver); }

 private:
  TurnTaker(int line, double turn_s, int giver) : line_(line), turn_s_(turn_s), giver_(giver) {}
  void Say(char message);

  int line_;  // -1: nobody is there
  const double turn_s_;
  const int giver_;  // its process
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_TURNS_H_
