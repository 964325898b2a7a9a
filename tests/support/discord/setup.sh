#!/usr/bin/env bash
# The types of Discord's API, and TypeScript: by npm, into build/tools/discord, once. ./dev setup test runs it.
# Where there is no npm, or it cannot download, this says so and the one test that needs them is skipped; with
# CI=true the latter is a failure.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
folder="$(cd ../../.. && pwd -P)/build/tools/discord"

if [[ -f "$folder/installed.json" ]] && cmp -s package.json "$folder/installed.json"; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "==> setup: there is no npm, so the test of Discord's types will be skipped"
  exit 0
fi
echo "==> setup: installing Discord's types and TypeScript by npm (build/tools/discord), for one test"
rm -rf "$folder"
mkdir -p "$folder"
cp package.json "$folder/"
if npm --prefix "$folder" install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error; then
  mv "$folder/package.json" "$folder/installed.json"
  exit 0
fi
rm -rf "$folder"
echo "==> setup: npm could not download them; the test of Discord's types will be skipped" >&2
[[ "${CI:-}" != true ]]
