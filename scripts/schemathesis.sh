#!/usr/bin/env bash
# Hold a running server to its document: all checks, all phases, on every route.
#
#   scripts/schemathesis.sh URL [API_KEY]
#
# The version is pinned in requirements-contract.txt, the settings stand in schemathesis.toml. Further
# arguments of schemathesis can be given in $SCHEMATHESIS_ARGUMENTS.
set -euo pipefail

url=${1:?usage: scripts/schemathesis.sh URL [API_KEY]}
key=${2:-}
scripts=$(cd "$(dirname "$0")" && pwd)
python=$(python3 "$scripts/environment.py" contract)
arguments=()
if [ -n "$key" ]; then
  # In this spelling: schemathesis looks for it when it asks without a key, and tells upper case from lower.
  arguments+=(--header "Authorization: Bearer $key")
fi
# Split on purpose: these are several words.
# shellcheck disable=SC2206
arguments+=(${SCHEMATHESIS_ARGUMENTS:-})
# It keeps a folder of examples in the working folder.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export SCHEMATHESIS_HOOKS=$scripts/schemathesis_hooks.py PYTHONDONTWRITEBYTECODE=1
"$(dirname "$python")/schemathesis" --config-file "$scripts/schemathesis.toml" \
  run "$url/openapi.json" --url "$url" "${arguments[@]}"
