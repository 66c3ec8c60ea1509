#!/usr/bin/env bash
# genai.sh MODEL_FOLDER --threads N: runs genai.py in its own environment.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
source "$HERE/venv.sh"
environment genai
exec "$ENVIRONMENT/bin/python" "$HERE/genai.py" "$@"
