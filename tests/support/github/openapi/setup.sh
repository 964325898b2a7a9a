#!/usr/bin/env bash
# GitHub's own description of its API, and Prism, the proxy that holds our requests and our stand-in's answers
# against it: by npm, into build/tools/prism, once. ./dev setup test runs it. Where there is no npm, or it cannot
# download, this says so and the one test that needs them is skipped; with CI=true the latter is a failure.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
folder="$(cd ../../../.. && pwd -P)/build/tools/prism"

if [[ -f "$folder/github.json" ]] && cmp -s package.json "$folder/package.json"; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "==> setup: there is no npm, so the test of GitHub's API description will be skipped"
  exit 0
fi
echo "==> setup: installing Prism and GitHub's API description by npm (build/tools/prism), for one test"
rm -rf "$folder"
mkdir -p "$folder"
cp package.json "$folder/"
if npm --prefix "$folder" install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error; then
  description="$folder/node_modules/@octokit/openapi/generated/api.github.com.json"
  python3 -B extract.py "$description" "$folder/github.json"
  rm -rf "$folder/node_modules/@octokit" # 400 MB, of which 200 kB are wanted
  exit 0
fi
rm -rf "$folder"
echo "==> setup: npm could not download them; the test of GitHub's API description will be skipped" >&2
[[ "${CI:-}" != true ]]
