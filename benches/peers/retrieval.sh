#!/usr/bin/env bash
# retrieval.sh DATABASE --recall R: runs retrieval.py in its own environment.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
source "$HERE/venv.sh"
environment retrieval
exec "$ENVIRONMENT/bin/python" "$HERE/retrieval.py" "$@"
