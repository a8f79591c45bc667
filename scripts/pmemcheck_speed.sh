#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What pmemcheck costs: puts into a libpmemobj hash map under Valgrind with no tool, under pmemcheck,
# and under pmemcheck with a trace, in turn; then work of three sizes, which must cost in proportion.
# Nothing fails: each target is printed beside what was measured.
#
# Usage: scripts/pmemcheck_speed.sh [--rounds N] [--puts N]
#   --rounds N   runs of each line, of which the median is shown (default 3)
#   --puts N     puts; the cost of a run with none is taken off (default 200000)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local rounds=3 puts=200000
  take_counts "--rounds --puts" "$@"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost --target pmemcheck_tool --target pmemcheck_programs \
    --target pmemcheck_scaling
  "$PYTHON" scripts/pmemcheck_speed.py build/release "$rounds" "$puts"
}

main "$@"
