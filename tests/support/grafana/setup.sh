#!/usr/bin/env bash
# Grafana's own types, against which the dashboards are checked: by npm, into build/tools/grafana, once. ./dev setup
# test runs it. Where there is no npm, or it cannot download, this says so and the test that needs them is skipped.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# shellcheck source=tests/support/dev/npm.sh
. ../dev/npm.sh
install_by_npm grafana package.json "Grafana's types and TypeScript, for the test of the dashboards" || true
