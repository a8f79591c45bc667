#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What survives: each engine in each of its classes, killed and under power loss; as the Markdown
# table of docs/survival.md. Findings follow below it, each with the command that shows it again.
#
# Usage: scripts/recovery_table.sh [--operations N] [--rounds N] [--power-cuts N]
#   --operations N   of the workload crash-mixed that is recorded and crashed everywhere (default 50)
#   --rounds N       runs that are killed, each of 2000 operations (default 50)
#   --power-cuts N   also: runs of as many operations in a virtual machine that is ended (docs/vm.md)

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local operations=50 rounds=50 power_cuts=0
  take_counts "--operations --rounds --power-cuts" "$@"
  cd "$FENCEPOST_ROOT"
  scripts/build.sh --release --target fencepost --target pmemcheck_tool
  "$PYTHON" scripts/recovery_table.py build/release/harness/fencepost "$operations" "$rounds" \
    "$power_cuts"
}

main "$@"
