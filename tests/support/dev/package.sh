# ./dev package. Read by ./dev; not to be run.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root and log are dev's

package_folder="$root/build/package"

# The tree that debhelper works on: config/debian, the programs, and what they come with.
# package_stage <folder>
package_stage() {
  local stage="$1" part
  rm -rf "$stage"
  mkdir -p "$stage/bin"
  cp -a config/debian "$stage/debian"
  cp config/systemd/rollbackd.service "$stage/debian/rollbackd.service"
  cp build/release/rollbackd build/release/rollbackctl "$stage/bin/"
  for part in config grafana sql README.md CHANGELOG.md; do
    [[ ! -e "$part" ]] || cp -a "$part" "$stage/"
  done
  # Two files of one name cannot be in one folder of documents.
  [[ ! -e config/README.md ]] || mv "$stage/config/README.md" "$stage/CONFIGURATION.md"
  rm -rf "$stage/config/debian" "$stage/sql/embed.cmake" "$stage/grafana/.lint"
}

# Makes the package of a staged tree; it lands beside the tree.
# package_make <stage>
package_make() {
  # The time of the last commit, so that the same source makes the same package.
  if ! (cd "$1" && SOURCE_DATE_EPOCH="$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)" \
    dpkg-buildpackage --build=binary --no-sign >>"$log" 2>&1); then
    fail_with_log "the package could not be made" "debhelper's words are above."
  fi
}

# The version of the changelog, which has to be CMake's.
package_version() {
  local version program
  version="$(dpkg-parsechangelog -l config/debian/changelog -S Version)"
  program="$(sed -n 's/^project(rollbackd VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)"
  [[ "$version" == "$program" ]] ||
    fail "config/debian/changelog is about $version, CMakeLists.txt about $program" "Add an entry for $program."
  printf '%s\n' "$version"
}

package() {
  local version stage
  version="$(package_version)"
  stage="$package_folder/rollbackd-$version"
  mkdir -p "$package_folder"
  rm -rf "${package_folder:?}"/*
  : >"$log"
  say "package: $version by debhelper"
  package_stage "$stage"
  package_make "$stage"
  say "package: lintian"
  lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$package_folder"/rollbackd_*.changes ||
    fail "lintian found something" "Its tags are above; lintian-explain-tags NAME says more."
  (cd "$package_folder" && ls -l ./*.deb)
  if [[ "${1:-}" == --test ]]; then
    package_upgrade "$version" "$stage"
    tests/package/in_clean_root.sh "$package_folder"/rollbackd_*.deb "$package_folder"/next/rollbackd_*.deb
  fi
}

# The same under a later version, to upgrade to.
package_upgrade() {
  local stage="$package_folder/next/rollbackd"
  say "package: a later version of it, to upgrade to"
  mkdir -p "$package_folder/next"
  cp -a "$2" "$stage"
  sed -i "1s/($1)/($1+next)/" "$stage/debian/changelog"
  package_make "$stage"
}
