# What tests need of npm's packages, and how it gets there. Read by setup scripts; not to be run.
# shellcheck shell=bash

# install_by_npm <name> <package.json> <what, and for which tests>: into build/tools/<name>, once. 1: it is not
# there, which has been said; with CI=true a download that fails ends the script.
install_by_npm() {
  local name="$1" package="$2" what="$3" folder
  folder="$(cd "$(dirname -- "${BASH_SOURCE[0]}")/../../.." && pwd -P)/build/tools/$name"
  if cmp -s "$package" "$folder/package.json"; then
    return 0
  fi
  if ! command -v npm >/dev/null; then
    echo "==> setup: there is no npm, so there will be no $what: they will be skipped"
    return 1
  fi
  echo "==> setup: installing $what, by npm (build/tools/$name)"
  rm -rf "$folder"
  mkdir -p "$folder/making"
  cp "$package" "$folder/making/package.json"
  if npm --prefix "$folder/making" install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error; then
    mv "$folder/making/node_modules" "$folder/"
    mv "$folder/making/package.json" "$folder/" # last: it says that all is there
    rm -rf "$folder/making"
    return 0
  fi
  rm -rf "$folder"
  echo "==> setup: npm could not download $what: they will be skipped" >&2
  [[ "${CI:-}" != true ]] || exit 1
  return 1
}
