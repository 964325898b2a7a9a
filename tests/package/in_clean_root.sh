#!/usr/bin/env bash
# in_clean_root.sh FIRST.deb NEXT.deb: what happens to a machine on which rollbackd is installed, upgraded,
# removed and purged, tried in a Debian 12 of its own. Needs root and Debian's mirror. Behind ./dev package --test.
set -euo pipefail

if ((EUID != 0)); then
  echo "skipped: only root can make a clean root"
  exit 77
fi

work="$(mktemp -d "${TMPDIR:-/tmp}/rollbackd-package.XXXXXX")"
root="$work/root"
mkdir "$root"
finish() {
  local mounted
  for mounted in dev/pts dev proc sys; do
    mountpoint -q "$root/$mounted" && umount "$root/$mounted"
  done
  rm -rf --one-file-system "$work"
}
trap finish EXIT

claims=0
# claim <what> <command>…
claim() {
  local what="$1"
  shift
  if ! "$@" >"$work/said" 2>&1; then
    printf 'FAILED  %s\n        %s\n' "$what" "$*" >&2
    sed 's/^/        /' "$work/said" >&2
    exit 1
  fi
  printf 'ok      %s\n' "$what"
  claims=$((claims + 1))
}
is() { [[ "$1" == "$2" ]] || { printf 'is "%s", expected "%s"\n' "$1" "$2"; return 1; }; }
inside() { chroot "$root" env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
apt() { inside apt-get -y -q --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef "$@"; }
# Exit code of a command.
code() {
  local code=0
  "$@" >/dev/null 2>&1 || code=$?
  printf '%s' "$code"
}
mode() { inside stat -c '%U:%G %a' "$1"; }
unit() { inside systemctl is-enabled rollbackd.service || true; }
# Everything that is there but for what apt and dpkg keep about themselves.
files() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp -o -path ./var/cache \
    -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./run \) -prune -o -print | sort)
}

echo "==> a clean Debian 12 in $root"
# The mirrors and the proxies of this machine.
apt-config dump --format '%F "%v";%n' | grep -E '^Acquire::([A-Za-z]+::)?(Proxy|Check-)' >"$work/aptopt" || true
mapfile -t sources < <(find /etc/apt/sources.list.d /etc/apt/sources.list -type f \( -name 'debian*.sources' -o -name sources.list \) 2>/dev/null)
mmdebstrap --quiet --variant=minbase --mode=root --aptopt="$work/aptopt" --include=systemd,systemd-sysv --skip=cleanup/apt/lists \
  bookworm "$root" "${sources[@]}"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"

first="$(dpkg-deb -f "$1" Version)"
next="$(dpkg-deb -f "$2" Version)"
cp "$1" "$root/var/cache/first.deb"
cp "$2" "$root/var/cache/next.deb"
files >"$work/before"

echo "==> installed"
claim "version $first installs from nothing" apt install /var/cache/first.deb
claim "the programs run" inside rollbackd --version
claim "both of them" inside rollbackctl --version
claim "there is a user of its own, who cannot log in" is "$(inside getent passwd rollbackd | cut -d: -f7)" /usr/sbin/nologin
claim "the unit is there and not enabled" is "$(unit)" disabled
claim "nothing was started" is "$(find /proc/[0-9]*/exe -lname "$root/usr/bin/*" 2>/dev/null)" ""
claim "root writes the configuration, the daemon reads it" is "$(mode /etc/rollbackd/rollbackd.yaml)" "root:rollbackd 640"
claim "nobody else looks into its folder" is "$(mode /etc/rollbackd)" "root:rollbackd 750"
claim "the example is a valid configuration, as the daemon" \
  inside setpriv --reuid=rollbackd --regid=rollbackd --clear-groups rollbackd check-config --config /etc/rollbackd/rollbackd.yaml
claim "and unreadable for others: 78" is \
  "$(code inside setpriv --reuid=nobody --regid=nogroup --clear-groups rollbackd check-config --config /etc/rollbackd/rollbackd.yaml)" 78
claim "systemd finds no mistake in the unit" is "$(inside systemd-analyze verify --man=no rollbackd.service 2>&1)" ""
claim "its exposure is at most 1.5" inside systemd-analyze security --offline=true --threshold=15 rollbackd.service
claim "dpkg finds every file as it was packed" is "$(inside dpkg --verify rollbackd | grep -v '/usr/share/\(doc\|man\)' || true)" ""

echo "==> configured and upgraded"
echo '# mine' >>"$root/etc/rollbackd/rollbackd.yaml"
chmod 660 "$root/etc/rollbackd/rollbackd.yaml"
mkdir "$root/etc/rollbackd/credentials"
echo secret >"$root/etc/rollbackd/credentials/pg_password"
claim "it can be enabled" inside systemctl enable rollbackd.service
claim "version $next installs over it" apt install /var/cache/next.deb
claim "it is the later one" is "$(inside dpkg-query -s rollbackd | sed -n 's/^Version: //p')" "$next"
claim "the configuration is still the operator's" grep -q '^# mine$' "$root/etc/rollbackd/rollbackd.yaml"
claim "with the mode that the operator gave it" is "$(mode /etc/rollbackd/rollbackd.yaml | cut -d" " -f2)" 660
claim "it is still enabled" is "$(unit)" enabled

echo "==> started by systemd"
cp -p "$root/etc/rollbackd/rollbackd.yaml" "$work/mine.yaml"
booted=0
"$(dirname -- "${BASH_SOURCE[0]}")/under_systemd.sh" "$root" "$2" || booted=$?
((booted == 0 || booted == 77)) || exit 1
cp -p "$work/mine.yaml" "$root/etc/rollbackd/rollbackd.yaml"

echo "==> removed, and installed again"
claim "it can be removed" apt remove rollbackd
claim "the programs are gone" is "$(code inside which rollbackd rollbackctl)" 1
claim "the configuration stays" grep -q '^# mine$' "$root/etc/rollbackd/rollbackd.yaml"
claim "it can be installed again" apt install /var/cache/next.deb
claim "with the configuration of before" grep -q '^# mine$' "$root/etc/rollbackd/rollbackd.yaml"
claim "and enabled as before" is "$(unit)" enabled

echo "==> purged"
claim "it can be purged" apt purge rollbackd
claim "what is not ours stays: the operator's secrets" is "$(cat "$root/etc/rollbackd/credentials/pg_password")" secret
rm -r "$root/etc/rollbackd"
claim "the user stays, so that no other gets its files" inside getent passwd rollbackd
apt autoremove --purge >/dev/null
files | comm -13 "$work/before" - >"$work/left"
claim "nothing else is left" is "$(grep -v -e '^./etc/\(passwd\|group\|shadow\|gshadow\)-\?$' -e '^./etc/\.pwd\.lock$' \
  -e '^./var/lib/systemd/timers' "$work/left" || true)" ""

echo "$claims claims hold in a clean Debian 12"
if ((booted == 77)); then
  echo "Not tried, because no systemd could be booted: that the unit starts, is fed, reloads and stops, that credentials"
  echo "arrive, that an upgrade restarts it. tests/integration/operation_test.cpp plays systemd's part."
fi
