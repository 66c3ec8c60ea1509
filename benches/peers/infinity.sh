#!/usr/bin/env bash
# infinity.sh MODEL_FOLDER PORT: serves a copy of the model with infinity's optimum engine (ONNX Runtime) on loopback.
# The copy because it writes into the folder; a folder outside its scratch is never touched.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
source "$HERE/venv.sh"
environment infinity
scratch="${INFINITY_SCRATCH:?names a folder for the copy of the model}"
mkdir -p "$scratch"
cp -rL "$1" "$scratch/model"
# It refuses a folder with one graph, and of several takes the one of this name: the link is the second.
graph="$(find "$scratch/model" -name model.onnx -print -quit)"
ln "$graph" "$(dirname "$graph")/unused.onnx"
export DO_NOT_TRACK=1 INFINITY_ANONYMOUS_USAGE_STATS=0 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
export HF_HOME="$scratch/cache"
# MiniLM pools by the mean; without the option infinity takes the first token's vector.
exec "$ENVIRONMENT/bin/infinity_emb" v2 --host 127.0.0.1 --port "$2" --engine optimum --device cpu \
    --pooling-method mean --model-id "$scratch/model" --served-model-name minilm --log-level warning
