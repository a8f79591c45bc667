#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# cmap beside pmemkv's cmap, through the same driver, in turn: insert, overwrite, get, get of absent
# keys, delete. Where libpmemkv is not installed, cmap alone, beside the figures that its engine
# README quotes. Values are not verified; times are less the floor of the harness.
#
# Usage: scripts/cmap_speed.sh [--rounds N] [--records N] [--threads N] [--value-bytes N]
#   --rounds N        runs of each, in turn; medians are printed (default 3)
#   --records N       pairs, with keys of 16 bytes (default 1000000)
#   --threads N       client threads (default 1)
#   --value-bytes N   of each value (default 100)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FENCEPOST=$FENCEPOST_ROOT/build/release/harness/fencepost

# measure ENGINE OPERATION PROPERTY...: loads, runs the operation, keeps both summaries.
measure() {
  local engine=$1 operation=$2
  shift 2
  "$FENCEPOST" run "$engine" --load --json --quiet --results "$data/results" --placement tmpfs \
    --scratch "cmap-speed-$$" --threads "$threads" -p "recordcount=$records" \
    -p "operationcount=$records" -p fieldcount=1 -p "fieldlength=$value_bytes" \
    -p insertorder=ordered -p zeropadding=12 -p fencepost.verify=off \
    -p fencepost.update=blind -p requestdistribution=uniform "$@" \
    >>"$data/$engine-$operation.json" || die "$engine failed at $operation"
}

main() {
  local rounds=3 records=1000000 threads=1 value_bytes=100 data round engine engines=(cmap)
  take_counts "--rounds --records --threads --value-bytes" "$@"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost
  if "$FENCEPOST" engines --names | grep -qx pmemkv; then
    engines+=(pmemkv)
  else
    say "pmemkv: not measured (libpmemkv not found)"
  fi
  data=$(mktemp -d)
  # shellcheck disable=SC2064 # `data` is local: expand it now
  trap "rm -rf '$data'" EXIT
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for engine in "${engines[@]}"; do
      measure "$engine" overwrite -p readproportion=0 -p updateproportion=1
      measure "$engine" get -p readproportion=1 -p updateproportion=0
      measure "$engine" miss -p readproportion=0 -p updateproportion=0 -p fencepost.missproportion=1
      measure "$engine" delete -p readproportion=0 -p updateproportion=0 \
        -p fencepost.deleteproportion=1 -p requestdistribution=sequential
    done
  done
  "$PYTHON" scripts/cmap_speed_table.py "$data" "${engines[@]}"
}

main "$@"
