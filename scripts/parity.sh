#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Does the harness cost anything? Runs rocksdb and lmdb under Fencepost and under YCSB-cpp (which
# is not part of this project: YCSB_CPP names a program built with its rocksdb and lmdb bindings),
# in turn, at the same settings, and prints medians and their ratio.
#
# The settings: 1 thread, Snappy, 8 MiB block cache, no bloom filter, no sync, YCSB's update (read,
# change one field, write back). Each run loads into an empty folder of one disk. Values are
# 10 x 100 bytes; YCSB-cpp also stores each field's name and two lengths, so that Fencepost's are
# made 10 x 114: the stores hold the same 1,140 bytes. Verification, which YCSB-cpp lacks, is off.
#
# Usage: YCSB_CPP=path/to/ycsb scripts/parity.sh [--rounds N] [--records N] [--operations N]
#   --rounds N       runs of each program in each cell (default 5)
#   --records N      records loaded (default 200000)
#   --operations N   operations measured (default 400000)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FENCEPOST=$FENCEPOST_ROOT/build/release/harness/fencepost

# run_fencepost ENGINE WORKLOAD: operations a second of the run phase.
run_fencepost() {
  local settings=(-p fieldlength=114 -p fencepost.verify=off -p fencepost.update=rmw
    -p engine.cache_bytes=8388608 -p "engine.path=$data/fencepost")
  case $1 in
    rocksdb) settings+=(-p engine.durability=prefix
      -p rocksdb.compression=snappy -p rocksdb.bloom_bits=0) ;;
    lmdb) settings+=(-p engine.durability=process-crash) ;;
  esac
  "$FENCEPOST" run "$1" -load -run --results "$data/results" -P "$FENCEPOST_ROOT/workloads/workload$2" "${common[@]}" \
    "${settings[@]}" >"$data/log" 2>&1 || failed "$FENCEPOST" "$1" "$2"
  awk -F', *' '/^\[OVERALL\], Throughput/ {last = $3} END {print last}' "$data/log"
}

# run_ycsb_cpp ENGINE WORKLOAD: the same of YCSB-cpp.
run_ycsb_cpp() {
  local settings=(-p fieldlength=100)
  case $1 in
    rocksdb) settings+=(-p "rocksdb.dbname=$data/ycsb-cpp" -p rocksdb.sync=false
      -p rocksdb.compression=snappy -p rocksdb.cache_size=8388608 -p rocksdb.bloom_bits=0) ;;
    lmdb) settings+=(-p "lmdb.dbpath=$data/ycsb-cpp" -p lmdb.nosync=true
      -p lmdb.mapsize=4294967296) ;;
  esac
  "$YCSB_CPP" -load -run -db "$1" -P "$FENCEPOST_ROOT/workloads/workload$2" "${common[@]}" \
    "${settings[@]}" >"$data/log" 2>&1 || failed "$YCSB_CPP" "$1" "$2"
  awk -F': *' '/^Run throughput/ {print $2}' "$data/log"
}

failed() {
  tail -n 5 "$data/log" >&2
  die "$1 failed on $2, workload $3 (its last lines are above)"
}

# measure PROGRAM ENGINE WORKLOAD: one run in an empty folder; its figure goes to a file.
measure() {
  local ops_per_s
  rm -rf "$data/fencepost" "$data/ycsb-cpp"
  ops_per_s=$("run_$1" "$2" "$3")
  [[ $ops_per_s =~ ^[0-9.]+(e\+?[0-9]+)?$ ]] || die "$1 on $2, workload $3: no throughput in its output"
  echo "$ops_per_s" >>"$data/$1-$2-$3"
  rm -rf "$data/fencepost" "$data/ycsb-cpp"
  printf '  %-9s %-8s workload %s: %.0f ops/s\n' "$1" "$2" "$3" "$ops_per_s"
}

median() {
  sort -g "$1" | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2}'
}

print_table() {
  local engine workload ours theirs
  printf '\n%-8s %-8s %17s %17s %6s\n' engine workload fencepost_ops_s ycsb_cpp_ops_s ratio
  for engine in rocksdb lmdb; do
    for workload in a c; do
      ours=$(median "$data/fencepost-$engine-$workload")
      theirs=$(median "$data/ycsb_cpp-$engine-$workload")
      awk -v e=$engine -v w=$workload -v o="$ours" -v t="$theirs" \
        'BEGIN {printf "%-8s %-8s %17.0f %17.0f %6.2f\n", e, w, o, t, o / t}'
    done
  done
  say "medians of $rounds; a ratio of at least 1 means that the harness costs nothing"
}

main() {
  local rounds=5 records=200000 operations=400000 data cache common round engine workload
  take_counts "--rounds --records --operations" "$@"
  if [ -z "${YCSB_CPP:-}" ]; then
    say "not measured: YCSB_CPP is not set"
    exit 0
  fi
  { [ -f "$YCSB_CPP" ] && [ -x "$YCSB_CPP" ]; } || die "YCSB_CPP=$YCSB_CPP is no program"
  YCSB_CPP=$(realpath "$YCSB_CPP")

  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/fencepost
  mkdir -p "$cache"
  data=$(mktemp -d "$cache/parity.XXXXXX")
  # shellcheck disable=SC2064 # `data` is local: expand it now
  trap "rm -rf '$data'" EXIT
  trap 'exit 130' INT TERM
  common=(-threads 1 -p "recordcount=$records" -p "operationcount=$operations" -p fieldcount=10)

  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for engine in rocksdb lmdb; do
      for workload in a c; do
        measure fencepost $engine $workload
        measure ycsb_cpp $engine $workload
      done
    done
  done
  print_table
}

main "$@"
