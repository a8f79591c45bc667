#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs the Debian packages that Fencepost is built from. Idempotent: where every package is
# there already, nothing happens and no network is touched. As root it calls apt-get, otherwise
# sudo; where there is no sudo it prints the command and exits 2.
#
# Tested on Debian 12. Debian 13 and Ubuntu 24.04 go by package name only: untested.
#
# Usage: scripts/setup.sh [run|dev] [--vm] [--slurm] [--print]
#   run       what building and quickstart need (the default)
#   dev       that, and what scripts/test.sh and the linters need
#   --vm      also what `fencepost vm` needs: QEMU, makers of file systems, and the distribution's
#             kernel, downloaded into ~/.cache/fencepost/vm and not installed
#   --slurm   also a Slurm, for `fencepost campaign` and scripts/slurm_local.sh; its daemons are not
#             started, neither now nor at boot
#   --print   print the command for a machine with nothing installed, and do nothing
#
# FENCEPOST_OS_RELEASE names another file than /etc/os-release (for the tests).

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUN_PACKAGES=(
  git g++ cmake ninja-build pkgconf
  libpmem-dev libpmemobj-dev libpmempool-dev librocksdb-dev liblmdb-dev
  libcli11-dev libfmt-dev libtomlplusplus-dev libxxhash-dev libzydis-dev nlohmann-json3-dev
  zlib1g-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3 python3-jsonschema python3-matplotlib python3-pandas
  valgrind sqlite3
)
DEV_PACKAGES=(
  ccache clang libclang-rt-dev clang-format-14 clang-tidy
  shellcheck black flake8 mypy chromium python3-markdown-it
)
VM_PACKAGES=(
  qemu-system-x86 ndctl kmod e2fsprogs xfsprogs btrfs-progs xz-utils
)
SLURM_PACKAGES=(slurm-wlm munge)
# What their packages would start at once and at every boot.
SLURM_SERVICES=(munge slurmctld slurmd)
# Depends on the newest kernel.
KERNEL_PACKAGE=linux-image-amd64

# What has another name on another system: SYSTEM PACKAGE NAME-THERE, "-" for none. What needs an
# absent tool is skipped, and says so.
RENAMES="
debian-13 clang-format-14 -
ubuntu-24.04 chromium -
ubuntu-24.04 linux-image-amd64 linux-image-generic
"

# Sets `system` ("debian-12"), or dies with what is needed on one that we do not know.
find_system() {
  local file=${FENCEPOST_OS_RELEASE:-/etc/os-release} id version name
  [ -r "$file" ] || die "cannot read $file to tell which system this is"
  id=$(os_release_field ID "$file")
  version=$(os_release_field VERSION_ID "$file")
  name=$(os_release_field PRETTY_NAME "$file")
  system=$id-$version
  case $system in
    debian-12) ;;
    debian-13 | ubuntu-24.04) warn "$name is untested: packages are chosen by name only" ;;
    *) die "'$name' is not Debian 12, Debian 13 or Ubuntu 24.04; install by hand (then use" \
      "--no-setup): g++ 12 or later, CMake 3.22, Ninja, pkg-config, PMDK, RocksDB, LMDB, CLI11," \
      "fmt, toml++, xxHash, nlohmann-json, zlib, GoogleTest, Google Benchmark, and for" \
      "/usr/bin/python3 matplotlib, pandas, jsonschema" ;;
  esac
}

os_release_field() { sed -n "s/^$1=//p" "$2" | tr -d '"'; }

# The names in "$@", as this system calls them, one a line.
translate() {
  local package there
  for package in "$@"; do
    there=$(awk -v s="$system" -v p="$package" '$1 == s && $2 == p {print $3}' <<<"$RENAMES")
    [ "$there" = - ] || echo "${there:-$package}"
  done
}

# Those of "$@" that are not installed, one a line.
missing() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null |
    sed -n 's/^.i //p')
  printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$installed") || true
}

apt_line() {
  echo "apt-get update && DEBIAN_FRONTEND=noninteractive" \
    "apt-get install -y --no-install-recommends $*"
}

# as_root COMMAND...: runs it as root, without a question where nobody could answer.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

install_packages() {
  local wait_for_lock=(-o DPkg::Lock::Timeout=300) retry=(-o Acquire::Retries=3) unsynced=()
  # A machine that is thrown away need not sync each file that it unpacks.
  [ -z "${CI:-}" ] || unsynced=(-o DPkg::Options::=--force-unsafe-io)
  if [ "$(id -u)" != 0 ] && ! { command -v sudo >/dev/null && as_root true; }; then
    warn "$# packages are missing and this is neither root nor sudo; as root, run:"
    printf '  %s\n' "$(apt_line "$@")" >&2
    exit 2
  fi
  say "installing $# packages: $*"
  as_root apt-get "${retry[@]}" "${wait_for_lock[@]}" update ||
    die "apt-get update failed (its message is above)"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "${retry[@]}" "${wait_for_lock[@]}" \
    "${unsynced[@]}" install -y --no-install-recommends "$@" </dev/null ||
    die "apt-get install failed (its message is above)"
}

# Packages start their daemons as they are installed, unless a policy says no (101: forbidden by
# policy, invoke-rc.d(8)).
install_without_daemons() {
  local policy=/usr/sbin/policy-rc.d ours=no service
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  # In a shell of its own: what it exits with, the policy must go.
  local code=0
  (install_packages "$@") || code=$?
  [ "$ours" = no ] || as_root rm -f "$policy"
  [ "$code" = 0 ] || exit "$code"
  for service in "${SLURM_SERVICES[@]}"; do
    command -v systemctl >/dev/null || break
    as_root systemctl disable "$service" >/dev/null 2>&1 || true
  done
}

# The kernel that guests boot, as a package beside which `fencepost vm` unpacks it.
download_kernel() {
  local folder=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/fencepost/vm package
  mkdir -p "$folder"
  if compgen -G "$folder/linux-image-*.deb" >/dev/null; then
    say "the kernel of guests is there: $folder"
    return
  fi
  package=$(apt-cache depends "$(translate "$KERNEL_PACKAGE")" |
    sed -n '/^ *Depends: linux-image-[0-9]/{s/.* //p;q}')
  [ -n "$package" ] || die "apt-cache knows no kernel that $KERNEL_PACKAGE depends on (apt-get update?)"
  say "downloading $package"
  (cd "$folder" && apt-get download "$package") ||
    die "apt-get download $package failed (its message is above)"
}

main() {
  local kind=run vm=no slurm=no print=no packages absent
  while [ $# -gt 0 ]; do
    case $1 in
      run | dev) kind=$1 ;;
      --vm) vm=yes ;;
      --slurm) slurm=yes ;;
      --print) print=yes ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done

  find_system
  packages=("${RUN_PACKAGES[@]}")
  [ "$kind" = run ] || packages+=("${DEV_PACKAGES[@]}")
  [ "$vm" = no ] || packages+=("${VM_PACKAGES[@]}")
  [ "$slurm" = no ] || packages+=("${SLURM_PACKAGES[@]}")
  mapfile -t packages < <(translate "${packages[@]}")
  if [ "$print" = yes ]; then
    apt_line "${packages[@]}"
    exit 0
  fi

  command -v dpkg-query >/dev/null || die "there is no dpkg-query: is this really $system?"
  mapfile -t absent < <(missing "${packages[@]}")
  if [ ${#absent[@]} -eq 0 ]; then
    say "setup $kind: all ${#packages[@]} packages are installed"
  else
    if [ "$slurm" = no ]; then
      install_packages "${absent[@]}"
    else
      install_without_daemons "${absent[@]}"
    fi
    say "setup $kind: done"
  fi
  [ "$vm" = no ] || download_kernel
}

main "$@"
