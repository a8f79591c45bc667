#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# cmap, crashed in every state that recovery can tell apart: a campaign for each kind of operation,
# for growth, and for two threads, recoveries crashed in turn. Exit code 1 unless each is proved.
#
# Usage: scripts/prove_cmap.sh [--operations N] [--schedules K] [--depth D] [--seconds S]
#   --operations N   of each campaign (default 50)
#   --schedules K    of two threads (default 20)
#   --depth D        2 (default): recoveries are crashed in turn; 1: they are not
#   --seconds S      for each campaign at most (default 600); what is not done by then is "incomplete"

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local operations=50 schedules=20 depth=2 seconds=600
  take_counts "--operations --schedules --depth --seconds" "$@"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost --target pmemcheck_tool
  "$PYTHON" scripts/prove_cmap.py build/release/harness/fencepost "$operations" \
    "$schedules" "$depth" "$seconds"
}

main "$@"
