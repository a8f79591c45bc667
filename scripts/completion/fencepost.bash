# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Bash completion for `fencepost`. Load it from a shell, or from ~/.bashrc:
#
#     source scripts/completion/fencepost.bash
#
# Commands and flags are read from the program's own --help, engines from `fencepost engines
# --names`: nothing is listed twice. Each is asked once a shell and remembered.

declare -gA _fencepost_said=()

# _fencepost_ask ARGUMENT...: the program's output, from memory the second time, in `reply`.
_fencepost_ask() {
  if [ -z "${_fencepost_said[$*]+set}" ]; then
    _fencepost_said[$*]=$("$program" "$@" 2>/dev/null </dev/null)
  fi
  reply=${_fencepost_said[$*]}
}

# The names in the "Subcommands:" section of CLI11's help: indented by two, one a line.
_fencepost_commands() {
  _fencepost_ask --help
  awk '/^[A-Za-z]/ {on = /^Subcommands:/} on && /^  [a-z]/ {print $1}' <<<"$reply"
}

# The flags that `fencepost COMMAND --help` lists.
_fencepost_flags() {
  _fencepost_ask "$@" --help
  grep -oE '^ +-[^ ]+' <<<"$reply" | tr -s ', ' '\n' | grep -E '^--?[A-Za-z]'
}

# Completes the last part of a comma-separated list, so that `--engines cmap,r<TAB>` works.
_fencepost_list() {
  local done_part=
  [[ $word != *,* ]] || done_part=${word%,*},
  mapfile -t COMPREPLY < <(compgen -P "$done_part" -W "$1" -- "${word##*,}")
}

_fencepost() {
  local program=$1 word=$2 before=$3 reply command='' argument
  for argument in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $argument == -* ]] || { command=$argument && break; }
  done
  COMPREPLY=()

  case $before in
    --engines)
      _fencepost_ask engines --names
      _fencepost_list "$reply"
      return
      ;;
    -P | --workloads | --out | --trace | -*file | -*path)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    -p | -threads | --threads | -target | --target | --records | --seconds) return ;;
  esac

  if [ -z "$command" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_fencepost_commands) $(_fencepost_flags)" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_fencepost_flags "$command")" -- "$word")
  elif [[ $command =~ ^(load|run|engines|crash)$ ]]; then
    _fencepost_ask engines --names
    mapfile -t COMPREPLY < <(compgen -W "$reply" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}

complete -F _fencepost fencepost
