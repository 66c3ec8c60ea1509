#!/usr/bin/env bash
# ort_inprocess.sh MODEL_FOLDER TEXTS_JSON: runs ort_inprocess.py in its own environment.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
source "$HERE/venv.sh"
environment ort
exec "$ENVIRONMENT/bin/python" "$HERE/ort_inprocess.py" "$@"
