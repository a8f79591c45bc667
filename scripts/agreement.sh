#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Models of file systems beside the file systems: each engine and setting, crashed in images of a
# real disk (fencepost vm images) and in the model (fencepost crash --fs). Writes the table with its
# disagreements; exit code 1 if the real file system lost what the model says it cannot.
#
# Usage: scripts/agreement.sh [--operations N] [--images N] [--fs NAMES] [--out FILE]
#   --operations N   of the workload crash-mixed (default 50)
#   --images N       of each engine, setting and file system (default 300)
#   --fs NAMES       with commas between them (default ext4,xfs,btrfs)
#   --out FILE       default docs/agreement.md

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local operations=50 images=300 systems=ext4,xfs,btrfs out=docs/agreement.md
  while [ $# -gt 0 ]; do
    case $1 in
      --operations | --images)
        take_count "$1" "${2:-}" $#
        shift
        ;;
      --fs | --out)
        need_value "$1" $#
        if [ "$1" = --fs ]; then systems=$2; else out=$2; fi
        shift
        ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost
  "$PYTHON" scripts/agreement.py build/release/harness/fencepost "$operations" "$images" \
    "$systems" "$out"
}

main "$@"
