#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The score of the crash tester against stores with known bugs: what was caught, how fast, after how
# many operations, and whether a correct store was accused. Exit code 1 unless every bug is caught and
# no control is.
#
# Usage: scripts/corpus.sh [--only REGEX] [--seconds N] [--json FILE] [--no-build]
#   --only REGEX   only the canaries whose STRUCTURE/BUG fits
#   --seconds N    what one bug may take (default 60)
#   --json FILE    write the score there too
#   --no-build     use build/release as it is

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local build=yes words=()
  while [ $# -gt 0 ]; do
    case $1 in
      --only | --seconds | --json)
        need_value "$1" $#
        words+=("$1" "$2")
        shift
        ;;
      --no-build) build=no ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done
  cd "$FENCEPOST_ROOT"
  [ $build = no ] || scripts/build.sh --target fencepost --target pmemcheck_tool
  "$PYTHON" scripts/corpus.py build/release/harness/fencepost "${words[@]}"
}

main "$@"
