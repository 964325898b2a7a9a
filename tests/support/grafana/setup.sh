#!/usr/bin/env bash
# Grafana's own types, against which the dashboards are checked: by npm, into build/tools/grafana, once. ./dev setup
# test runs it. Where there is no npm, or it cannot download, this says so and the one test that needs them is
# skipped; with CI=true the latter is a failure.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
folder="$(cd ../../.. && pwd -P)/build/tools/grafana"

if [[ -d "$folder/node_modules/typescript" ]] && cmp -s package.json "$folder/package.json"; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "==> setup: there is no npm, so the test of the dashboards' types will be skipped"
  exit 0
fi
echo "==> setup: installing Grafana's types by npm (build/tools/grafana), for one test"
rm -rf "$folder"
mkdir -p "$folder"
cp package.json "$folder/"
if npm --prefix "$folder" install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error; then
  exit 0
fi
rm -rf "$folder"
echo "==> setup: npm could not download them; the test of the dashboards' types will be skipped" >&2
[[ "${CI:-}" != true ]]
