#!/usr/bin/env bash
# under_systemd.sh ROOT NEXT.deb: boots the Debian in ROOT, where rollbackd is installed, with its own systemd in
# namespaces of their own, and looks at the service there. 77: this machine does not let one boot. There is no
# database, so that the daemon says that it is not ready.
# shellcheck disable=SC2016 # the inner shells are the ones to expand
set -euo pipefail

tries=0
root="$1"
next="$2"
console="$root.console"
claims=0
manager=""
cgroup=""

finish() {
  [[ -z "$manager" ]] || kill -KILL "$manager" 2>/dev/null || true
  rmdir "$root/.outside" 2>/dev/null || true
  # What was killed takes a moment to be gone.
  for ((tries = 0; tries < 50; tries++)); do
    [[ -n "$cgroup" && -d "$cgroup" ]] || break
    find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    sleep 0.1
  done
}
trap finish EXIT
cannot() {
  echo "skipped: no systemd can be booted here: $1"
  exit 77
}

# A control group of its own, which the systemd in there takes for the root of all.
own_cgroup() {
  local hierarchy own
  hierarchy="$(findmnt -n -t cgroup2 -o TARGET | head -1)"
  own="$(sed -n 's/^0:://p' /proc/self/cgroup)"
  [[ -n "$hierarchy" && -n "$own" ]] || cannot "there are no control groups of version 2"
  cgroup="$hierarchy${own%/}/rollbackd-package-$$"
  mkdir "$cgroup" 2>/dev/null || {
    cgroup=""
    cannot "no control group can be made"
  }
}

boot() {
  own_cgroup
  : >"$console"
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec unshare --fork --pid --mount --uts --ipc --net --cgroup --kill-child=KILL bash -c '
      set -e
      root="$1"
      mount --make-rprivate /
      mount --bind "$root" "$root"
      # What is mounted below it stays outside.
      mount -t proc proc "$root/proc"
      mount -t tmpfs tmpfs "$root/run"
      mount -t tmpfs tmpfs "$root/dev"
      for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        IFS=: read -r name major minor <<<"$device"
        mknod -m 666 "$root/dev/$name" c "$major" "$minor"
      done
      ln -s pts/ptmx "$root/dev/ptmx"
      mkdir "$root/dev/pts" "$root/dev/shm"
      touch "$root/dev/console"
      mount --bind "$root.console" "$root/dev/console"
      mount -t sysfs -o ro sysfs "$root/sys"
      mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
      cd "$root"
      mkdir -p .outside
      pivot_root . .outside
      umount -l /.outside
      mount --make-rshared /  # as nspawn does: credentials arrive by propagation
      exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target
    ' boot "$root" >>"$console.log" 2>&1
  ) &
  manager=$!
  disown # its end is no news
}

inside() {
  nsenter -t "$(pgrep -P "$manager" | head -1)" -m -p -u -n -C -i -- env -i LC_ALL=C.UTF-8 SYSTEMD_COLORS=0 \
    DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# within <seconds> <command>…: until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}
is_up() { [[ "$(inside systemctl is-system-running 2>/dev/null)" =~ ^(running|degraded)$ ]]; }
shows() { inside systemctl show rollbackd -p "$1" --value; }
is() { [[ "$(shows "$1")" == "$2" ]]; }
status_has() { [[ "$(shows StatusText)" == *"$1"* ]]; }
# What the service has said since it was started last.
logged() {
  inside journalctl -q --no-pager "${@:2}" "_SYSTEMD_INVOCATION_ID=$(shows InvocationID)" | grep -qe "$1"
}

claim() {
  local what="$1"
  shift
  if ! "$@"; then
    printf 'FAILED  %s\n        %s\n' "$what" "$*" >&2
    inside systemctl status rollbackd --no-pager -l >&2 || true
    exit 1
  fi
  printf 'ok      %s\n' "$what"
  claims=$((claims + 1))
}

# drop_in <lines>: of the unit's section Service, until the next one.
drop_in() {
  inside sh -c 'mkdir -p /run/systemd/system/rollbackd.service.d
    printf "[Service]\n%b\n" "$1" >/run/systemd/system/rollbackd.service.d/test.conf
    systemctl daemon-reload; systemctl reset-failed rollbackd 2>/dev/null || true' sh "$1"
}
config() { inside sh -c 'printf "%b\n" "$1" >/etc/rollbackd/rollbackd.yaml' sh "$1"; }
refuses_to_start() { ! inside systemctl start rollbackd 2>/dev/null; }

boot
within 30 is_up || cannot "it did not come up"
cp "$next" "$root/next.deb"

config 'log: {format: journald}'
claim "it starts, and says so itself (Type=notify)" inside systemctl start rollbackd
claim "it runs as its own user" [ "$(inside ps -o user= -p "$(shows MainPID)" | tr -d ' ')" = rollbackd ]
claim "its status says in one line what is wrong" within 10 logged 'event=database_unreachable'
claim "which is the database" within 10 status_has 'not ready: database: connection to server'
claim "the journal has it as a warning" within 10 logged 'event=database_unreachable' -p warning..warning
pid="$(shows MainPID)"
config 'log: {format: journald}\nmode: ask'
claim "it can be reloaded" inside systemctl reload rollbackd
claim "and takes over what has changed" within 5 logged 'event=config_reloaded changed=mode'
config 'mode: sometimes'
claim "a reload of a bad file is answered" inside systemctl reload rollbackd
claim "is said" within 5 logged 'event=config_not_reloaded'
claim "and stops nothing" is MainPID "$pid"
claim "it stops at once when no deploy runs" inside timeout 20 systemctl stop rollbackd
claim "and well" is Result success

claim "with a bad file it does not start" refuses_to_start
claim "78, and systemd does not try again" is ExecMainStatus 78
claim "the status has the mistake with its place" \
  is StatusText '/etc/rollbackd/rollbackd.yaml:1:7: mode is "sometimes", expected auto, ask or shadow'
claim "not again" is NRestarts 0

config 'database: {password_file: /run/credentials/rollbackd.service/pg_password}'
drop_in ''
claim "a credential that the unit does not load is missing" refuses_to_start
claim "which is 78, too" is ExecMainStatus 78
claim "and named" status_has 'pg_password", which cannot be read (Permission denied)'
inside sh -c 'mkdir -p /etc/rollbackd/credentials; umask 077; echo secret >/etc/rollbackd/credentials/pg_password'
drop_in 'LoadCredential=pg_password:/etc/rollbackd/credentials/pg_password'
claim "one that it loads is read, from a file that only root can read" inside systemctl start rollbackd
inside systemctl stop rollbackd
drop_in 'LoadCredential=pg_password:/etc/rollbackd/credentials/absent'
claim "one whose file is not there is systemd's to refuse" refuses_to_start
claim "as 243" is ExecMainStatus 243
inside systemctl stop rollbackd

config 'mode: ask'
drop_in 'ExecStart=\nExecStart=/usr/bin/rollbackd run --confg /etc/rollbackd/rollbackd.yaml'
claim "a unit that calls it wrongly does not start it" refuses_to_start
claim "2, and systemd does not try again" is ExecMainStatus 2
claim "not either" is NRestarts 0
claim "the journal says what was wrong" logged 'confg'

drop_in 'WatchdogSec=2s'
inside systemctl start rollbackd
sleep 5
claim "a daemon that works is left alone by the watchdog" is NRestarts 0
pid="$(shows MainPID)"
inside kill -STOP "$pid"
restarted() { [[ "$(shows NRestarts)" == 1 && "$(shows ActiveState)" == active ]]; }
claim "one that is stuck is ended and started again" within 15 restarted

pid="$(shows MainPID)"
claim "an upgrade installs while it runs" inside dpkg --force-confold -i /next.deb
another() { [[ "$(shows MainPID)" != "$pid" && "$(shows ActiveState)" == active ]]; }
claim "and restarts it" within 15 another
claim "a removal works while it runs" inside dpkg -r rollbackd
claim "and stops it" [ -z "$(inside pgrep -x rollbackd)" ]
inside dpkg --force-confold -i /next.deb >/dev/null
claim "what is installed again is not started" is ActiveState inactive
drop_in ''
rm -f "$root/next.deb"
echo "$claims claims hold under a systemd of its own ($(inside systemctl --version | head -1))"
