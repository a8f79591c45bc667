#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# How the cost of `fencepost crash cmap --strategy=reads` grows: campaigns of more operations (5, 10,
# 20, 40), larger values (16, 100, 400, 1000 bytes; 10 operations) and more threads (1 to 4; 12
# operations, 2 schedules), recoveries crashed in turn and not. Writes crash_cost.csv (columns:
# results/README.md) into results/crash-cost-TIME/, fits power laws to it (crash_cost_fit.csv), and
# draws both there, as PNG and SVG. Nothing else should run on the machine meanwhile.
#
# Usage: scripts/crash_cost.sh [--rounds N] [--sizes N] [--seconds S] [--resume FOLDER]
#   --rounds N    campaigns of each, of which the medians are drawn (default 1)
#   --sizes N     only the N smallest sizes of the four (default 4)
#   --seconds S   what a campaign may explore for (default 45); one that this ends is drawn hollow
#   --resume FOLDER  go on with a measurement that was stopped (default: results/crash-cost-TIME)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SIZES=4

main() {
  local rounds=1 sizes=$SIZES seconds=45 out=
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) print_help && exit 0 ;;
      --rounds | --sizes | --seconds) take_count "$1" "${2:-}" $# ;;
      --resume)
        need_value "$1" $#
        [ -d "$2" ] || die "--resume $2: no such folder"
        out=$2
        ;;
      *) unknown_argument "$1" ;;
    esac
    shift 2
  done
  ((sizes <= SIZES)) || die "--sizes $sizes: there are $SIZES"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost --target pmemcheck_tool
  [ -n "$out" ] || out=results/crash-cost-$(utc_stamp)
  mkdir -p "$out"
  "$PYTHON" scripts/crash_cost.py build/release/harness/fencepost "$out" "$rounds" "$sizes" "$seconds"
  "$PYTHON" scripts/crash_cost_fit.py "$out"
  plots/crash_cost.py "$out"
}

main "$@"
