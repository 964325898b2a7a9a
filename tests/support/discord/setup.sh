#!/usr/bin/env bash
# The types of Discord's API, and TypeScript: by npm, into build/tools/discord, once. ./dev setup test runs it.
# Where there is no npm, or it cannot download, this says so and the test that needs them is skipped.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# shellcheck source=tests/support/dev/npm.sh
. ../dev/npm.sh
install_by_npm discord package.json "Discord's types and TypeScript, for the test of our messages" || true
