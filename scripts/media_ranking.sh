#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Which ranking of engines swaps when the persistent memory is Optane and not DRAM: the median read of
# each engine from memory, cmap's on DRAM (measured) and on Optane (modelled: delays injected).
#
# Usage: scripts/media_ranking.sh [--rounds N] [--records N]
#   --rounds N    runs of each, in turn, of which the median is shown (default 3)
#   --records N   loaded, by value size (default 20000)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local rounds=3 records=20000
  take_counts "--rounds --records" "$@"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost
  "$PYTHON" scripts/media_ranking.py build/release/harness/fencepost "$rounds" "$records"
}

main "$@"
