#!/usr/bin/env bash
# Hold an OpenAPI document to the specification: scripts/check_openapi.sh FILE (- for stdin).
set -euo pipefail

file=${1:?usage: scripts/check_openapi.sh FILE}
scripts=$(cd "$(dirname "$0")" && pwd)
python=$(python3 "$scripts/environment.py" contract)
exec "$python" -m openapi_spec_validator --schema 3.1 "$file"
