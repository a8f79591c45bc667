#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# From a fresh clone to a table and figures: sets up, builds Release, runs YCSB's workloads a, b,
# c, d and f on all four engines, and draws the results. Under 4 minutes after packages and build.
# Ctrl-C keeps what was measured until then.
#
# Usage: scripts/quickstart.sh [--quick] [--no-setup]
#   --quick      1 second a cell instead of 3
#   --no-setup   install nothing

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What is measured; the one place. The file engines also run on tmpfs, beside cmap, which isolates
# the software's share. Loads are relaxed: one Sync at their end, and the table says so.
bench() {
  build/release/harness/fencepost bench \
    --engines cmap,filestore,rocksdb,lmdb \
    --workloads workloads/workloada,workloads/workloadb,workloads/workloadc,workloads/workloadd,workloads/workloadf \
    --records 100000 --seconds "$seconds" --repeats 1 --relaxed-load --placements default,tmpfs --out "$out"
}

main() {
  local setup=yes seconds=3 out status=0 interrupted=no
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) seconds=1 ;;
      --no-setup) setup=no ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done

  cd "$FENCEPOST_ROOT"
  trap 'exit 130' INT TERM
  if [ $setup = yes ]; then
    step "setup"
    scripts/setup.sh run
  fi
  step "build"
  scripts/build.sh --release --target fencepost

  out=results/quickstart-$(utc_stamp)
  step "bench"
  # The program hears Ctrl-C itself, ends its run and writes what it has; then we go on to say so.
  trap 'interrupted=yes' INT TERM
  bench || status=$?
  [ $interrupted = no ] || status=130
  trap 'exit 130' INT TERM
  [ -d "$out" ] || exit "$status"

  step "figures"
  "$PYTHON" plots/plot.py "$out" || status=$((status == 0 ? 1 : status))
  step_done

  printf '\n'
  [ $status != 130 ] || say "interrupted: the results are partial and marked so"
  say "results: $out"
  say "table:   $out/table.txt"
  say "figures: $out/figures (throughput: $(first_of "$out/figures" 'throughput*.png'))"
  exit "$status"
}

# first_of DIR PATTERN...: the first file below DIR that matches the first pattern that any does.
first_of() {
  local dir=$1 pattern found
  shift
  for pattern in "$@"; do
    found=$(find "$dir" -name "$pattern" | sort | sed -n 1p)
    [ -z "$found" ] || { echo "$found" && return; }
  done
  echo none
}

main "$@"
