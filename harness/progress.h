// SPDX-License-Identifier: BSD-3-Clause
// The progress line: what runs, how far it is, how long it still takes.
//
// On a terminal one line is redrawn in place, several times a second; elsewhere a plain line
// appears every few seconds; when quiet, nothing does.
//
// Threads: one owner. Update() is cheap enough to be called often, but not from a measured thread.
// Not covered: others who write to the same stream; what they write goes through Print().
#ifndef FENCEPOST_HARNESS_PROGRESS_H_
#define FENCEPOST_HARNESS_PROGRESS_H_

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fencepost {

enum class ProgressMode : unsigned char { kQuiet, kLines, kInPlace };

// kInPlace if `out` is a terminal that can do it, else kLines; kQuiet if `quiet`.
ProgressMode ProgressModeFor(std::FILE* out, bool quiet);

// "8 s", "3 min 20 s", "2 h 05 min". 0 or more.
std::string FormatDuration(double duration_s);

class Progress {
 public:
  // `out` must outlive it. `now_s` is a clock that does not run backwards; the tests set it.
  Progress(std::FILE* out, ProgressMode mode);
  Progress(std::FILE* out, ProgressMode mode, std::function<double()> now_s);
  // Clears the line, if Finish() was not called.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` of all the work is done, 0..1; `what` is running. Draws it if it is time to. The
  // time left is `left_s`; where that is not given that of the same rate as so far, and not shown
  // before anything is done.
  void Update(double fraction, std::string_view what, std::optional<double> left_s = {});

  // A line of its own that stays, above the progress line. Printed in every mode but kQuiet.
  void Print(std::string_view line);

  // The last line; it stays. Nothing is drawn after it.
  void Finish(std::string_view line);

  // Takes the line away; the next Update draws it again.
  void Clear();

 private:
  void Draw();

  std::FILE* out_;
  ProgressMode mode_;
  std::function<double()> now_s_;
  double start_s_;
  double next_draw_s_;
  std::string line_;       // what Draw() would show
  bool is_shown_ = false;  // a line without its end is on the terminal
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_PROGRESS_H_
