#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The performance story of chapter 1 of Programming Persistent Memory (Scargall, 2020) on this
# machine: the pyramid of memory and storage, what a get and a put take on their way, their latency
# by engine, the size of the same program, and the chapter's claims held against what was measured.
# Writes results/book/: CSV files, figures/ (PNG and SVG), book.html. About 12 minutes; a part that is
# there already, from the same programs and settings, is kept, so that a run that was interrupted goes on.
#
# Usage: scripts/reproduce_book.sh [--quick] [--fresh] [--out FOLDER]
#   --quick        fewer sizes and shorter runs: a minute and a half
#   --fresh        measure everything again
#   --out FOLDER   instead of results/book

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local out=results/book settings=full fresh=no
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) settings=quick ;;
      --fresh) fresh=yes ;;
      --out)
        need_value "$1" $#
        [ -n "$2" ] || die "--out '': must name a folder"
        out=$(realpath -m "$2")
        shift
        ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done
  cd "$FENCEPOST_ROOT"
  trap 'exit 130' INT TERM
  step "build"
  scripts/build.sh --release --target fencepost --target fencepost_book --target fencepost_paths
  "$PYTHON" scripts/book.py build/release "$out" "$settings" "$fresh"
  step "figures and page"
  plots/book.py "$out"
  step_done
  say "page:    $out/book.html"
  say "figures: $out/figures"
}

main "$@"
