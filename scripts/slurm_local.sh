#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A real Slurm on this machine, for tests of campaigns: munge, the controller and several nodes, in
# a folder and on ports of its own, beside whatever else is installed. It stops what it started.
#
# Usage: scripts/slurm_local.sh start [--nodes N]   starts it (2 nodes of one CPU) and waits for it
#        scripts/slurm_local.sh status              what its nodes are at; exit code 1: not started
#        scripts/slurm_local.sh run -- COMMAND...   runs a command whose sbatch and squeue are of it
#        scripts/slurm_local.sh kill-node NAME      kills a node with all that runs on it, as a
#                                                   power cut would
#        scripts/slurm_local.sh stop
#
# FENCEPOST_SLURM names another folder than /tmp/fencepost-slurm-UID: two of them can run at once.
# Each node is a slurmd with a name and a port of its own, which Debian's build can do; there is no
# accounting database, and no cgroups are used. Debian 12's packages: scripts/setup.sh --slurm.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FOLDER=${FENCEPOST_SLURM:-/tmp/fencepost-slurm-$(id -u)}

need() {
  local program
  for program in munged slurmctld slurmd sbatch; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null ||
      die "there is no $program here (scripts/setup.sh --slurm)"
  done
  PATH=$PATH:/usr/sbin
}

# COUNT ports that nobody listens on.
free_ports() {
  "$PYTHON" -c '
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))' "$1"
}

write_configuration() {
  local nodes=$1 host ports node
  host=$(hostname -s)
  read -ra ports <<<"$(free_ports $((nodes + 1)))"
  cat >"$FOLDER/slurm.conf" <<END
ClusterName=fencepost
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$FOLDER/munge/socket
CredType=cred/munge
StateSaveLocation=$FOLDER/state
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdPidFile=$FOLDER/%n.pid
SlurmdLogFile=$FOLDER/%n.log
SlurmdSpoolDir=$FOLDER/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0
MpiDefault=none
ReturnToService=2
SlurmdTimeout=6
InactiveLimit=0
KillWait=2
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
END
  for ((node = 1; node <= nodes; node++)); do
    echo "NodeName=node$node NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[$node]} CPUs=1"
  done >>"$FOLDER/slurm.conf"
  echo "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP" >>"$FOLDER/slurm.conf"
}

start_munge() {
  mkdir -m 711 "$FOLDER/munge"
  (umask 077 && head -c 128 /dev/urandom >"$FOLDER/munge/key")
  munged --force --key-file="$FOLDER/munge/key" --socket="$FOLDER/munge/socket" \
    --pid-file="$FOLDER/munge.pid" --log-file="$FOLDER/munge.log" --seed-file="$FOLDER/munge/seed" \
    >"$FOLDER/munge.out" 2>&1 || die "munged does not start: $(tail -n 1 "$FOLDER/munge.out")"
}

start_node() {
  slurmd -N "$1" -f "$FOLDER/slurm.conf" >"$FOLDER/$1.out" 2>&1 ||
    die "slurmd of $1 does not start: $(tail -n 1 "$FOLDER/$1.out" "$FOLDER/$1.log")"
}

start() {
  local nodes=2 node
  while [ $# -gt 0 ]; do
    case $1 in
      --nodes)
        need_value "$1" $#
        nodes=$2
        shift
        ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done
  [[ $nodes =~ ^[1-9][0-9]?$ ]] || die "--nodes $nodes: must be from 1 to 99"
  need
  mkdir -m 755 "$FOLDER" 2>/dev/null || die "$FOLDER is there: it runs already, or was not stopped"
  trap 'stop >/dev/null 2>&1' ERR EXIT
  write_configuration "$nodes"
  mkdir "$FOLDER/state"
  start_munge
  slurmctld -f "$FOLDER/slurm.conf" >"$FOLDER/slurmctld.out" 2>&1 ||
    die "slurmctld does not start: $(tail -n 1 "$FOLDER/slurmctld.out" "$FOLDER/slurmctld.log")"
  for ((node = 1; node <= nodes; node++)); do start_node "node$node"; done
  export SLURM_CONF=$FOLDER/slurm.conf
  for ((node = 0; node < 300; node++)); do
    if [ "$(sinfo --noheader --Node --states=idle 2>/dev/null | wc -l)" = "$nodes" ]; then
      trap - ERR EXIT
      say "Slurm with $nodes nodes in $FOLDER"
      return
    fi
    sleep 0.1
  done
  die "the nodes are not ready after 30 s: $(tail -n 1 "$FOLDER/slurmctld.log")"
}

# The daemons of a node, and all that runs on it: its slurmd, and who listens in its spool folder
# (the keeper of each job), with all that they have started.
processes_of() {
  "$PYTHON" -c '
import os, sys
from pathlib import Path

spool, pid_file = sys.argv[1] + "/", Path(sys.argv[2])
sockets = {
    f"socket:[{words[6]}]"
    for words in map(str.split, Path("/proc/net/unix").read_text().splitlines())
    if len(words) > 7 and words[7].startswith(spool)
}
children, found = {}, set()
for entry in Path("/proc").iterdir():
    if not entry.name.isdigit():
        continue
    try:
        stat = (entry / "stat").read_text().rpartition(")")[2].split()
        children.setdefault(int(stat[1]), set()).add(int(entry.name))
        if any(os.readlink(fd) in sockets for fd in (entry / "fd").iterdir()):
            found.add(int(entry.name))
    except OSError:
        continue
if pid_file.exists():
    found.add(int(pid_file.read_text()))
while more := set().union(*(children.get(pid, set()) for pid in found)) - found:
    found |= more
print(*found)' "$FOLDER/spool-$1" "$FOLDER/$1.pid"
}

kill_node() {
  local name=$1 pids
  [ -e "$FOLDER/spool-$name" ] || die "there is no $name (scripts/slurm_local.sh status)"
  pids=$(processes_of "$name")
  # shellcheck disable=SC2086 # several of them
  [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
  rm -f "$FOLDER/$name.pid"
}

# Ends the process of a pid file, and waits for that.
end_daemon() {
  local pid turn
  pid=$(cat "$1" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || return 0
  for ((turn = 0; turn < 100; turn++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

stop() {
  local spool
  [ -d "$FOLDER" ] || die "there is none in $FOLDER"
  for spool in "$FOLDER"/spool-*; do
    [ ! -e "$spool" ] || kill_node "${spool##*/spool-}"
  done
  end_daemon "$FOLDER/slurmctld.pid"
  end_daemon "$FOLDER/munge.pid"
  rm -rf "$FOLDER"
}

main() {
  local what=${1:-}
  [ $# -eq 0 ] || shift
  case $what in
    start) start "$@" ;;
    stop) stop ;;
    status)
      [ -e "$FOLDER/slurm.conf" ] || { say "not started" && exit 1; }
      SLURM_CONF=$FOLDER/slurm.conf sinfo --Node
      ;;
    run)
      [ "${1:-}" != -- ] || shift
      [ $# -gt 0 ] || die "run needs a command"
      [ -e "$FOLDER/slurm.conf" ] || die "there is none in $FOLDER (scripts/slurm_local.sh start)"
      SLURM_CONF=$FOLDER/slurm.conf exec "$@"
      ;;
    kill-node)
      [ $# -eq 1 ] || die "kill-node needs a name"
      kill_node "$1"
      ;;
    -h | --help) print_help ;;
    "") die "needs a command: start, status, run, kill-node or stop (see --help)" ;;
    *) unknown_argument "$what" ;;
  esac
}

main "$@"
