#!/usr/bin/env bash
# Real clients of the API, by npm, into build/tools/clients, once. ./dev setup test runs it. Where there is no npm, or
# it cannot download, this says so and the tests that need them are skipped.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# shellcheck source=tests/support/dev/npm.sh
. ../dev/npm.sh
install_by_npm clients package.json "supabase-js and a generator of clients, for the tests with real ones" || true
