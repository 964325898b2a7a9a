# What ./dev needs on Debian 12, and how it gets there. Read by ./dev; not to be run.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, log and erase are dev's

# The only list of packages there is.
declare -A packages=(
  [build]="g++ cmake ninja-build ccache pkgconf python3
           libpqxx-dev libpq-dev libboost1.81-dev libsimdjson-dev nlohmann-json3-dev libspdlog-dev
           libfmt-dev prometheus-cpp-dev zlib1g-dev libyaml-cpp-dev libcli11-dev libcurl4-openssl-dev
           libssl-dev doctest-dev libbenchmark-dev"
  [demo]="postgresql-15"
  [test]="postgresql-15 openssl libevent-2.1-7 libc-ares2 spin shellcheck python3-yaml jq curl
          mandoc zsh fish"
  [bench]="wrk hey"
  [model]="spin gcc python3"
  [fuzz]="clang-14 libclang-rt-14-dev"
  [package]="debhelper dpkg-dev fakeroot lintian mmdebstrap"
  [lint]="clang-14 clang-tidy-14 clang-format-14 shellcheck"
)

as_root=()

need_root() {
  if ((EUID == 0)); then
    return
  fi
  if ! command -v sudo >/dev/null; then
    fail "packages are missing and only root may install them: $*" "As root: ./dev setup, then this again."
  fi
  as_root=(sudo)
  if ! sudo -n true 2>/dev/null; then
    say "setup: sudo asks for your password, to install packages"
    sudo true || fail "without root nothing can be installed" "As root: ./dev setup, then this again."
  fi
}

# Reads apt's output: its status lines become one line of progress, all else goes to the log.
apt_progress() {
  local line kind percent text shown=-1
  while IFS= read -r line; do
    case "$line" in
      dlstatus:* | pmstatus:*)
        IFS=: read -r kind _ percent text <<<"$line"
        percent="${percent%%.*}"
        if [[ "$kind" == dlstatus ]]; then
          text="downloading"
        else
          text="${text:0:60}"
        fi
        if [[ -n "$erase" ]]; then
          printf '%s    %3s %%  %s' "$erase" "$percent" "$text"
        elif [[ "$kind" == pmstatus ]] && ((percent / 25 > shown)); then
          shown=$((percent / 25))
          printf '    %s %% installed\n' "$percent"
        fi
        ;;
      *"Waiting for cache lock"*)
        printf '%s    waiting: another program installs packages (%s)' "$erase" "${line##*held by }"
        [[ -n "$erase" ]] || printf '\n'
        ;;
      *) printf '%s\n' "$line" >>"$log" ;;
    esac
  done
  printf '%s' "$erase"
}

# apt <arguments of apt-get>…: fails if apt-get does. No package is ever removed for one of ours. The status
# gets a descriptor of its own, made inside sudo, which closes all others: apt closes the one it reports
# on before it runs dpkg, and package scripts need their standard output.
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 LC_ALL=C.UTF-8 \
    sh -c 'exec 9>&1; exec apt-get "$@"' apt \
    -y -q --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o APT::Status-Fd=9 "$@" 2>&1 </dev/null |
    apt_progress
}

missing_packages() {
  local group installed package
  local -a wanted=()
  for group in "$@"; do
    read -r -d '' -a wanted < <(printf '%s %s\0' "${wanted[*]}" "${packages[$group]}")
  done
  installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "${wanted[@]}" 2>/dev/null || true)"
  for package in "${wanted[@]}"; do
    if [[ "$installed" != *" installed=$package "* ]]; then
      printf '%s ' "$package"
    fi
  done
}

refuse_old_boost() {
  local old
  old="$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'libboost1.*-dev' 2>/dev/null |
    sed -n 's/^installed \(libboost1\.[0-9]*-dev\)$/\1/p' | grep -v '1\.81' || true)"
  if [[ -n "$old" ]]; then
    fail "$old is installed, and Debian does not let it live beside libboost1.81-dev, which rollbackd needs (Asio and Beast of 1.81)." \
      "If you can spare it: apt-get remove $old, then again. Else build in a container: debian:12."
  fi
}

# A cluster of the machine's own would start with the package and take port 5432. The tests and the
# demo make private ones.
no_default_cluster() {
  local conf=/etc/postgresql-common/createcluster.conf
  if [[ ! -e "$conf" ]]; then
    say "setup: PostgreSQL comes without a running server ($conf: create_main_cluster = false)"
    "${as_root[@]}" mkdir -p /etc/postgresql-common
    printf '# Written by ./dev setup of rollbackd: its tests start private servers.\n%s\n' \
      'create_main_cluster = false' | "${as_root[@]}" tee "$conf" >/dev/null
  elif ! grep -Eq '^[[:space:]]*create_main_cluster[[:space:]]*=?[[:space:]]*false' "$conf"; then
    say "setup: PostgreSQL will make and start its usual cluster 15/main, as your $conf says"
  fi
}

# Takes programs out of a package, without what would be installed and started with it.
# get_programs <package> <what for> <path in the package>…
get_programs() {
  local package="$1" why="$2" path
  local -a wanted=()
  shift 2
  for path in "$@"; do
    if ! command -v "${path##*/}" >/dev/null && [[ ! -x "build/tools/${path##*/}" ]]; then
      wanted+=("./$path")
    fi
  done
  ((${#wanted[@]} > 0)) || return 0
  say "setup: taking ${wanted[*]##*/} out of Debian's package $package (nothing is installed or started), $why"
  local folder="$root/build/tools/download"
  mkdir -p "$folder"
  if ! (cd "$folder" && apt-get -q download "$package" >>"$log" 2>&1); then
    as_root=()
    need_root "$package"
    apt update || true
    (cd "$folder" && apt-get -q download "$package" >>"$log" 2>&1) ||
      fail_with_log "$package could not be downloaded" "Check the network and /etc/apt/sources.list*."
  fi
  dpkg-deb --fsys-tarfile "$folder/${package}"_*.deb | tar -x -C "$folder" "${wanted[@]}"
  for path in "${wanted[@]}"; do
    mv "$folder/$path" build/tools/
  done
  rm -rf "$folder"
}

# Chromium, for the one test that asks from a page. Its 400 MB are worth no failure: without it that test is
# skipped, and says so.
get_browser() {
  if command -v chromium >/dev/null; then
    return
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    say "setup: only root could install chromium; the test with a real browser will be skipped"
    return
  fi
  need_root chromium
  say "setup: installing chromium, once, for the test with a real browser"
  apt install chromium ||
    say "setup: apt-get could not install chromium; the test with a real browser will be skipped"
}
# get_program <name> <package> <path in the package> <what for>
get_program() { get_programs "$2" "$4" "$3"; }

# Debian's Alertmanager does not start without its templates, which it looks for in one place only.
alertmanager_templates() {
  local folder=usr/share/prometheus/alertmanager template
  if [[ -e "/$folder/default.tmpl" ]]; then
    return
  fi
  get_programs prometheus-alertmanager "its templates" "$folder/default.tmpl" "$folder/email.tmpl"
  as_root=()
  need_root "the templates of Alertmanager"
  for template in default.tmpl email.tmpl; do
    "${as_root[@]}" install -D -m 644 "build/tools/$template" "/$folder/$template"
  done
}

# What the tests talk to and no package list names.
get_test_programs() {
  get_programs prometheus "for the tests of metrics, alerts and dashboards" usr/bin/promtool usr/bin/prometheus
  get_programs prometheus-alertmanager "for the tests of metrics and alerts" \
    usr/bin/amtool usr/bin/prometheus-alertmanager
  alertmanager_templates
  get_program pgbouncer pgbouncer usr/sbin/pgbouncer "for the tests with a pooler in between"
  tests/support/github/openapi/setup.sh
  tests/support/clients/setup.sh
  get_browser
  tests/support/discord/setup.sh
  tests/support/grafana/setup.sh
}

# get_packages <group>…
get_packages() {
  local missing group
  for group in "$@"; do
    [[ -n "${packages[$group]:-}" ]] || fail "there is no group of packages '$group'" "Groups: build, demo, test, bench, model, fuzz, lint, package"
  done
  command -v dpkg-query >/dev/null ||
    fail "this is not Debian: ./dev knows the packages of Debian 12 only" \
      "Run it in a container (debian:12), or install the same libraries your way and use CMake's preset 'release'."
  missing="$(missing_packages "$@")"
  if [[ -n "$missing" ]]; then
    install_packages "$missing"
    missing="$(missing_packages "$@")"
    [[ -z "$missing" ]] || fail_with_log "apt-get was content, but still missing: $missing" "Look at its words above."
  fi
}

setup() {
  get_packages "$@"
  if [[ " $* " == *" test "* ]]; then
    get_test_programs
  fi
}

# setup_beside <a command of dev's>…: what the tests need is fetched while the command compiles: one waits for the
# network, the other for the processor. Not where sudo may ask for a password, which has to be alone on the terminal.
setup_beside() {
  get_packages build test
  if ((EUID != 0)) && ! sudo -n true 2>/dev/null; then
    get_test_programs
    "$@"
    return
  fi
  local fetched="$root/build/setup.log" fetching
  mkdir -p build
  log="$fetched.words" erase="" get_test_programs >"$fetched" 2>&1 &
  fetching=$!
  trap 'wait' EXIT # also when the command fails: apt and npm are not left to themselves
  "$@"
  trap - EXIT
  if ! wait "$fetching"; then
    cat "$fetched" >&2
    exit 1
  fi
  cat "$fetched"
}

install_packages() {
  local -a wanted
  read -r -a wanted <<<"$1"
  mkdir -p build
  : >"$log"
  if [[ "$1" == *libboost1.81-dev* ]]; then
    refuse_old_boost
  fi
  need_root "${wanted[@]}"
  say "setup: installing ${#wanted[@]} Debian packages, once: ${wanted[*]}"
  apt update || say "setup: the package lists could not be renewed; going on with those that are here"
  if [[ "$1" == *postgresql-15* ]]; then
    no_default_cluster
  fi
  apt install "${wanted[@]}" ||
    fail_with_log "apt-get could not install: ${wanted[*]}" \
      "Look at apt's words above; on Debian 12 with its main section and a network it works."
}
