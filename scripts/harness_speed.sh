#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the harness itself costs: the targets that the driver is held to, each with the figure that
# was measured now. Medians of several runs on blackhole; nothing fails, a target is only printed.
#
# Usage: scripts/harness_speed.sh [--rounds N]
#   --rounds N   runs of each line (default 5)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# run_blackhole NAME COMMAND [argument]...: keeps the run's summaries for the table.
run_blackhole() {
  local name=$1 command=$2
  shift 2
  "$FENCEPOST_ROOT/build/release/harness/fencepost" "$command" blackhole --json --quiet \
    --results "$data/results" "$@" >>"$data/$name.json"
}

micro() {
  "$FENCEPOST_ROOT/build/release/bench/$1" --benchmark_filter="$2" --benchmark_format=json \
    --benchmark_repetitions="$rounds" --benchmark_min_time=0.1 >"$data/$1.json" 2>/dev/null
}

main() {
  local rounds=5 data round workloads=$FENCEPOST_ROOT/workloads
  take_counts "--rounds" "$@"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost --target histogram_bench --target distributions_bench
  data=$(mktemp -d)
  # shellcheck disable=SC2064 # `data` is local: expand it now
  trap "rm -rf '$data'" EXIT
  # Whole traces ahead of the clock: a pause to write more would be shared out unequally.
  local c=(run -P "$workloads/workloadc" -p recordcount=100000 -p fencepost.verify=off
    -p fencepost.trace_bytes=256M)
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    run_blackhole c1 "${c[@]}" -p operationcount=10000000
    run_blackhole c2 "${c[@]}" -p operationcount=20000000 -threads 2
    run_blackhole a run -P "$workloads/workloada" -p recordcount=100000 \
      -p operationcount=3000000 -p fencepost.verify=full
    run_blackhole load load -P "$workloads/workloada" -p recordcount=1000000
  done
  micro histogram_bench 'Record'
  micro distributions_bench 'zipfian'
  "$PYTHON" scripts/harness_speed_table.py "$data"
}

main "$@"
