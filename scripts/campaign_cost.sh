#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What dividing costs: explorations by one process (`fencepost crash --jobs 1`) against campaigns of
# 1 to 1,024 shards with one worker, what putting their parts together takes, and how many bytes
# they are. Writes campaign_cost.csv (columns: results/README.md) into FOLDER, a row as soon as it is
# measured; with --resume those that are there are not measured again. Nothing else should run on
# the machine meanwhile.
#
# Usage: scripts/campaign_cost.sh [--rounds N] [--sizes N] [--resume FOLDER]
#   --rounds N       of each, of which the medians are kept (default 3)
#   --sizes N        only the N smallest numbers of shards of the five (default 5)
#   --resume FOLDER  go on with a measurement that was stopped (default: results/campaign-cost-TIME)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local rounds=3 sizes=5 out=
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) print_help && exit 0 ;;
      --rounds | --sizes) take_count "$1" "${2:-}" $# ;;
      --resume)
        need_value "$1" $#
        [ -d "$2" ] || die "--resume $2: no such folder"
        out=$2
        ;;
      *) unknown_argument "$1" ;;
    esac
    shift 2
  done
  ((sizes <= 5)) || die "--sizes $sizes: there are 5"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost --target pmemcheck_tool
  [ -n "$out" ] || out=results/campaign-cost-$(utc_stamp)
  mkdir -p "$out"
  "$PYTHON" scripts/campaign_cost.py build/release/harness/fencepost "$out" "$rounds" "$sizes"
  plots/campaign_cost.py "$out"
}

main "$@"
