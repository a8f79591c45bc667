#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# How fast crashes are explored: recoveries of cmap a second, each with a check of every pair and of
# every allocation, by strategy; that memory follows what is dirty, not how many states are tried;
# what a campaign costs that leaves out no state that recovery can tell apart; and the same of engines
# that keep their data in files. Nothing fails:
# each target is printed beside what was measured.
#
# Usage: scripts/crash_speed.sh [--rounds N] [--operations N]
#   --rounds N       explorations a line, of which the median is shown (default 3)
#   --operations N   of the workload crash-mixed that is recorded (default 50)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local rounds=3 operations=50
  take_counts "--rounds --operations" "$@"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost --target pmemcheck_tool
  "$PYTHON" scripts/crash_speed.py build/release/harness/fencepost "$rounds" "$operations"
}

main "$@"
