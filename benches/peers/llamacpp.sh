#!/usr/bin/env bash
# llamacpp.sh GGUF_FILE --threads N: runs llamacpp.py in its own environment.
# pip builds llama.cpp from source for the CPU of this machine: 15 to 30 minutes on two cores, once. A wheel that lies in
# `wheels` beside the environments is taken instead.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
source "$HERE/venv.sh"
wheels="$(environment_folder wheels)"
export PIP_FIND_LINKS="${PIP_FIND_LINKS:-} $wheels"
mkdir -p "$wheels"
environment llamacpp
exec "$ENVIRONMENT/bin/python" "$HERE/llamacpp.py" "$@"
