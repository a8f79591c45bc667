#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The documentation as HTML: README.md, and every page and file of the tree that it leads to, in
# the same folders. Opens without a server, loads nothing from the network.
#
# Usage: scripts/docs.sh [--out FOLDER]
#   --out FOLDER   instead of build/docs

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local out=build/docs
  cd "$FENCEPOST_ROOT"
  while [ $# -gt 0 ]; do
    case $1 in
      --out)
        need_value "$1" $#
        out=$2
        shift
        ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done
  "$PYTHON" -c 'import markdown_it' 2>/dev/null ||
    die "there is no python3-markdown-it (scripts/setup.sh dev)"
  "$PYTHON" scripts/docs.py . "$out"
}

main "$@"
