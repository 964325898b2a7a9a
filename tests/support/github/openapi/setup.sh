#!/usr/bin/env bash
# GitHub's own description of its API, and Prism, the proxy that holds our requests and our stand-in's answers
# against it, and our own API against its document: by npm, into build/tools/prism, once. ./dev setup test runs it.
# Where there is no npm, or it cannot download, this says so and the tests that need them are skipped.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# shellcheck source=tests/support/dev/npm.sh
. ../../dev/npm.sh
install_by_npm prism package.json "Prism and GitHub's API description, for the tests of what goes over the wire" || exit 0

folder="$(cd ../../../.. && pwd -P)/build/tools/prism"
if [[ ! -f "$folder/github.json" ]]; then
  python3 -B extract.py "$folder/node_modules/@octokit/openapi/generated/api.github.com.json" "$folder/github.json"
  rm -rf "$folder/node_modules/@octokit" # 400 MB, of which 200 kB are wanted
fi
