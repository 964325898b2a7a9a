#!/bin/sh
# Deploys a release of the demo's shop: says which one is to run, and waits until the shop runs it.
# rollbackd's command executor runs this, and so does the demo's own pipeline.
#
#   deploy.sh FOLDER VERSION COMMIT      FOLDER is where the shop keeps its files, see shop.py
set -eu
folder=$1 version=$2 commit=$3

if [ ! -f "$(dirname "$0")/releases/$version.py" ]; then
  echo "there is no release $version" >&2
  exit 1
fi

printf '%s %s\n' "$version" "$commit" >"$folder/deployed.new"
mv "$folder/deployed.new" "$folder/deployed"

tries=0
until [ "$(cat "$folder/running" 2>/dev/null)" = "$version $commit" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ]; then
    echo "the shop does not run $version after 5 seconds" >&2
    exit 1
  fi
  sleep 0.05
done
echo "the shop runs $version ($commit)"
