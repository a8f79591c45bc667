// SPDX-License-Identifier: BSD-3-Clause
#include "harness/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "harness/clock.h"

namespace fencepost {
namespace {

constexpr double kInPlacePeriodS = 0.2;
constexpr double kLinesPeriodS = 5;

// Cuts at the width of the terminal: a line that wraps cannot be redrawn in place.
size_t TerminalColumns(std::FILE* out) {
  constexpr size_t kUsual = 80;
  winsize size{};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

}  // namespace

ProgressMode ProgressModeFor(std::FILE* out, bool quiet) {
  if (quiet) return ProgressMode::kQuiet;
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return isatty(fileno(out)) == 1 && !dumb ? ProgressMode::kInPlace : ProgressMode::kLines;
}

std::string FormatDuration(double duration_s) {
  // Clamped, so that the estimate of a standstill does not overflow.
  constexpr double kLongestS = 999.0 * 3600;
  const long total_s = std::lround(std::clamp(duration_s, 0.0, kLongestS));
  if (total_s < 60) return fmt::format("{} s", total_s);
  if (total_s < 3600) return fmt::format("{} min {:02} s", total_s / 60, total_s % 60);
  return fmt::format("{} h {:02} min", total_s / 3600, total_s % 3600 / 60);
}

Progress::Progress(std::FILE* out, ProgressMode mode)
    : Progress(out, mode, [] { return static_cast<double>(Clock::SystemNs()) * 1e-9; }) {}

Progress::Progress(std::FILE* out, ProgressMode mode, std::function<double()> now_s)
    : out_(out),
      mode_(mode),
      now_s_(std::move(now_s)),
      start_s_(now_s_()),
      next_draw_s_(start_s_) {}

Progress::~Progress() { Clear(); }

void Progress::Update(double fraction, std::string_view what, std::optional<double> left_s) {
  if (mode_ == ProgressMode::kQuiet) return;
  const double now_s = now_s_();
  if (now_s < next_draw_s_) return;
  next_draw_s_ = now_s + (mode_ == ProgressMode::kInPlace ? kInPlacePeriodS : kLinesPeriodS);
  fraction = std::clamp(fraction, 0.0, 1.0);
  const double elapsed_s = now_s - start_s_;
  line_ = fmt::format("{:3.0f}%", std::floor(fraction * 100));
  if (!left_s && fraction > 0) left_s = elapsed_s * (1 - fraction) / fraction;
  if (left_s) line_ += fmt::format(", {} left", FormatDuration(*left_s));
  line_ += fmt::format(": {}", what);
  Draw();
}

void Progress::Print(std::string_view line) {
  if (mode_ == ProgressMode::kQuiet) return;
  const bool redraw = is_shown_;
  Clear();
  fmt::print(out_, "{}\n", line);
  if (redraw) Draw();
  std::fflush(out_);
}

void Progress::Finish(std::string_view line) {
  Clear();
  if (mode_ != ProgressMode::kQuiet) fmt::print(out_, "{}\n", line);
  std::fflush(out_);
  mode_ = ProgressMode::kQuiet;
}

void Progress::Draw() {
  if (mode_ == ProgressMode::kInPlace) {
    // \033[K erases what a longer line before left behind.
    fmt::print(out_, "\r{}\033[K", std::string_view(line_).substr(0, TerminalColumns(out_) - 1));
    is_shown_ = true;
  } else {
    fmt::print(out_, "{}\n", line_);
  }
  std::fflush(out_);
}

void Progress::Clear() {
  if (!is_shown_) return;
  fmt::print(out_, "\r\033[K");
  std::fflush(out_);
  is_shown_ = false;
}

}  // namespace fencepost
