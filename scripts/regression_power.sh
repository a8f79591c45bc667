#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Does `fencepost bench --against` cry wolf, and does it find a slowdown of 5 %? The build runs beside
# itself: with nothing changed, and with one cell slowed down on purpose (fencepost.spin_ns: every call
# of the engine spins 5 % of what an operation takes, measured first). 200 suites of 15 to 30 pairs,
# end to end, would take a day; so a pool of pairs is measured, and suites are drawn from it by whole
# pairs (`fencepost resample`), which the output says. The pool cut into successive suites, as far as
# it goes, and a few benches end to end with their exit codes stand beside that.
#
# Writes into --out, which can be gone on with: whole batches are kept, and so is the measured spin.
# Nothing else should run on the machine meanwhile.
#
# Usage: scripts/regression_power.sh [--minutes N] [--pairs N] [--milliseconds N] [--whole N] [--out FOLDER]
#   --minutes N       stop measuring pairs after so long; run it again to go on (default 60)
#   --pairs N         pairs of each pool (default 200)
#   --milliseconds N  length of a run (default 500)
#   --whole N         benches end to end: N with nothing changed, N of one slowed cell (default 2)
#   --out FOLDER      default results/regression-power

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local minutes=60 pairs=200 milliseconds=500 whole=2 out=results/regression-power
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) print_help && exit 0 ;;
      --minutes | --pairs | --milliseconds | --whole) take_count "$1" "${2:-}" $# ;;
      --out)
        need_value "$1" $#
        out=$2
        ;;
      *) unknown_argument "$1" ;;
    esac
    shift 2
  done
  out=$(realpath -m "$out")
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost
  "$PYTHON" scripts/regression_power.py build/release/harness/fencepost "$out" "$minutes" "$pairs" \
    "$milliseconds" "$whole"
}

main "$@"
