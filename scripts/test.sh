#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Sets up, builds with warnings as errors, and runs the tests. The last line is always
# "N passed, N failed", alone, counted over all steps; a step that fails outside of a test (a
# build, or no test found) counts as one failed. Exit code 1 if anything failed.
#
# Usage: scripts/test.sh [STEP]... [--filter REGEX] [--no-setup]
# With no STEP: --fast --slow --crash, --sanitize address,undefined and --sanitize thread.
#   --fast            unit tests, linters, tests of the scripts and of the Python
#   --slow            tests that take minutes
#   --crash           the bounded set of crash tests
#   --sanitize KINDS  address,undefined: the unit tests, with clang++ where it is installed (with no
#                     STEP: without the harness's and the sweeps); thread: the tests that run threads
#   --tidy            clang-tidy over all C++ (many minutes)
#   --filter REGEX    only tests whose name matches
#   --no-setup        install nothing

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Tests with one of these in their name run threads of their own: ThreadSanitizer runs these.
THREADED='[Tt]hread|[Cc]oncurren|[Pp]arallel'

filter=
asked=yes       # whether the steps were asked for by name; if not, one without tests is passed over
reports=()      # JUnit files, one a ctest run
broken_steps=() # steps that failed outside of a test
launcher=()     # what ctest is started with
summarized=no

# Prints the sum and ends the script. Runs on every exit once the arguments are read.
summarize() {
  local status=$?
  [ $summarized = no ] || return
  summarized=yes
  if ((status != 0)); then broken_steps+=("${step_name:-test.sh} (ended with $status)"); fi
  step_done
  printf '\ntotal: %d s\n' $SECONDS
  if [ -x "$PYTHON" ]; then
    "$PYTHON" "$FENCEPOST_ROOT/scripts/test_summary.py" "${reports[@]}" \
      "${broken_steps[@]/#/--broken=}" || status=$((status == 0 ? 1 : status))
  else
    warn "no $PYTHON: nothing was tested"
    say "0 passed, 1 failed"
  fi
  exit $status
}

# ctest_run LABEL DIR [ctest argument]...: runs the label's tests of one build directory.
ctest_run() {
  local label=$1 dir=$2
  shift 2
  local report=$dir/junit-$label.xml
  local command=("${launcher[@]}" ctest --test-dir "$dir" -L "^$label\$" "$@")
  [ -z "$filter" ] || command+=(-R "$filter")
  if [ $asked = no ] && "${command[@]}" -N | grep -q '^Total Tests: 0$'; then
    say "there are no such tests"
    return
  fi
  command+=(-j "$(nproc)" --output-on-failure --output-junit "$(realpath -m "$report")")
  rm -f "$report"
  # The "Start" lines double the log and say nothing.
  "${command[@]}" --no-tests=error | grep --line-buffered -Ev '^ +Start +[0-9]+:' || true
  if [ -f "$report" ]; then reports+=("$report"); else broken_steps+=("ctest $label in $dir"); fi
}

# build ARGUMENT...: false, and noted, when it fails.
build() {
  scripts/build.sh --werror "$@" || {
    broken_steps+=("build $*")
    return 1
  }
}

run_labels() {
  local label
  local how=()
  [ -z "${CI:-}" ] || how=(--batches)
  step "build"
  build --release "${how[@]}" || return 0
  for label in "$@"; do
    step "tests: $label"
    ctest_run "$label" build/release
  done
}

# Sets `launcher` to what a sanitized program must be started with; false where it cannot run at
# all: a sanitizer reserves fixed addresses, which some kernels' address randomization takes.
find_launcher() {
  local probe found=yes
  probe=$(mktemp -d)
  echo 'int main() { return 0; }' >"$probe/probe.cc"
  "$(sanitizer_compiler "$1")" "-fsanitize=$1" -o "$probe/probe" "$probe/probe.cc"
  if ! "$probe/probe" 2>/dev/null; then
    launcher=(setarch -R) # inherited by all that ctest starts
    "${launcher[@]}" "$probe/probe" 2>/dev/null || found=no
  fi
  rm -r "$probe"
  [ $found = yes ]
}

# The programs with a test that THREADED fits and that do use threads, one a line; a test's name may
# stand on the next line. Neither those of label slow nor RocksDB's: their tests are not run. Nor the
# tracer's: a sanitized build has none. Nor those of planted bugs, which are not to be mended.
threaded_programs() {
  grep -rlzP --include='*_test.cc' "(?m)^TEST\w*\([^)]*($THREADED)" engines workloads harness |
    xargs -r grep -lE '^#include <(thread|mutex)>' |
    grep -vE '_growth_test|rocksdb|call_tracer|/canary_' | xargs -r -n 1 basename -s .cc
}

run_sanitizer() {
  local kinds=$1 dir=build/sanitize-${1/,/-} supp=$FENCEPOST_ROOT/scripts/sanitizers
  local targets=(tests fencepost) only=() label=fast
  # By default left out: what handles no raw memory, which takes as long to compile as all the rest, and the sweeps.
  if [ $asked = no ]; then targets=(tests_core) label=core; fi
  if [ "$kinds" = thread ]; then
    mapfile -t targets < <(threaded_programs)
    label=fast
    if [ ${#targets[@]} -eq 0 ] && [ $asked = no ]; then
      say "no test has $THREADED in its name"
      return
    fi
    # Debian's librocksdb is not instrumented and hands strings between threads: each is reported.
    [ -n "$filter" ] || only=(-R "$THREADED" -E '[Rr]ocksdb')
  fi
  step "build with -fsanitize=$kinds"
  if ! find_launcher "$kinds"; then
    say "skipped: -fsanitize=$kinds (its programs do not start on this kernel)"
    launcher=()
    return
  fi
  if build --sanitize "$kinds" "${targets[@]/#/--target=}"; then
    step "tests: $label, -fsanitize=$kinds"
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export LSAN_OPTIONS=print_suppressions=0:suppressions=$supp/leak.supp
    export UBSAN_OPTIONS=print_stacktrace=1
    # Locks that libpmemobj takes are not seen, those that it gives back through libc are.
    export TSAN_OPTIONS=second_deadlock_stack=1:report_mutex_bugs=0:suppressions=$supp/thread.supp
    ctest_run "$label" "$dir" "${only[@]}"
  fi
  launcher=()
}

# Every source that the release build compiles; a finding is an error.
run_clang_tidy() {
  local files
  step "clang-tidy"
  command -v clang-tidy >/dev/null || die "there is no clang-tidy (scripts/setup.sh dev)"
  build --release || return 0
  mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)".*/\1/p' build/release/compile_commands.json)
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" \
    clang-tidy -p build/release --quiet --warnings-as-errors='*' ||
    broken_steps+=("clang-tidy")
}

main() {
  local labels=() kinds=() setup=yes tidy=no kind
  while [ $# -gt 0 ]; do
    case $1 in
      --fast | --slow | --crash) labels+=("${1#--}") ;;
      --sanitize)
        need_value "$1" $#
        case $2 in
          address,undefined | thread) kinds+=("$2") ;;
          *) die "--sanitize $2: KINDS is address,undefined or thread" ;;
        esac
        shift
        ;;
      --tidy) tidy=yes ;;
      --filter)
        need_value "$1" $#
        filter=$2
        shift
        ;;
      --no-setup) setup=no ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done
  if [ "${#labels[@]}${#kinds[@]}$tidy" = 00no ]; then
    asked=no
    labels=(fast slow crash)
    kinds=("address,undefined" thread)
  fi

  cd "$FENCEPOST_ROOT"
  trap summarize EXIT
  trap 'exit 130' INT TERM
  if [ $setup = yes ]; then
    step "setup"
    scripts/setup.sh dev
    # Virtual machines are for those who ask for them, and for CI; without, their tests are skipped.
    [ -z "${CI:-}" ] || scripts/setup.sh dev --vm || warn "no virtual machines (the reason is above)"
  fi
  [ ${#labels[@]} -eq 0 ] || run_labels "${labels[@]}"
  [ $tidy = no ] || run_clang_tidy
  for kind in "${kinds[@]}"; do run_sanitizer "$kind"; done
}

main "$@"
