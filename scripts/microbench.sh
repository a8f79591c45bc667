#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds and runs the Google Benchmark programs that live beside the code, one after the other,
# writes JSON for each into results/microbench-TIME/ and prints a table of medians.
#
# Usage: scripts/microbench.sh [--filter REGEX] [--repetitions N] [--seconds S]
#   --filter REGEX   only benchmarks whose name matches
#   --repetitions N  runs of each, of which the median is shown (default 5)
#   --seconds S      least time of one run (default 0.1)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local filter=. repetitions=5 seconds=0.1 out program programs number=0
  while [ $# -gt 0 ]; do
    case $1 in
      --filter | --repetitions | --seconds)
        need_value "$1" $#
        declare "${1#--}=$2"
        shift
        ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done
  [[ $repetitions =~ ^[1-9][0-9]*$ ]] || die "--repetitions $repetitions: must be a count from 1"
  [[ $seconds =~ ^[0-9]*\.?[0-9]+$ ]] || die "--seconds $seconds: must be a number"

  cd "$FENCEPOST_ROOT"
  trap 'exit 130' INT TERM
  step "build"
  scripts/build.sh --release --target benches
  mapfile -t programs < <(find build/release/bench -maxdepth 1 -type f -executable 2>/dev/null | sort)
  [ ${#programs[@]} -gt 0 ] || die "there is no benchmark program in build/release/bench"

  step "bench"
  out=results/microbench-$(utc_stamp)
  mkdir -p "$out"
  for program in "${programs[@]}"; do
    number=$((number + 1))
    say "[$number/${#programs[@]}] $(basename "$program")"
    # A filter that fits none of this program's benchmarks is no failure: another's may fit.
    "$program" --benchmark_filter="$filter" --benchmark_repetitions="$repetitions" \
      --benchmark_min_time="$seconds" --benchmark_report_aggregates_only=true \
      --benchmark_out="$out/$(basename "$program").json" --benchmark_out_format=json >/dev/null
  done
  step_done
  printf '\n'
  "$PYTHON" scripts/microbench_table.py "$out"
  say "results: $out"
}

main "$@"
