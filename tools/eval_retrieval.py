"""Measure how well embedding models retrieve: recall@1, 5, 10 and mean reciprocal rank over the set in `retrieval/`.

    .venv/bin/python tools/eval_retrieval.py TEACHER STUDENT [...]

Each argument is a model folder laid out like a Hugging Face repository with an ONNX file (by default the first is
models/sentence-transformers/all-MiniLM-L6-v2 and the second tabagent-runtime/embedded/tabagent-embed). The first is
the yardstick: every other model's figures are also given as a share of its. The set: 350 passages about this server
and about general subjects, and 317 questions, each answered by exactly one of them, written for this purpose;
`distill_embed.py` leaves them out of its text. Needs numpy, onnxruntime and tokenizers only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
DEFAULTS = [
    Path("models/sentence-transformers/all-MiniLM-L6-v2"),
    HERE.parent / "tabagent-runtime" / "embedded" / "tabagent-embed",
]


def lines(name: str) -> list[dict]:
    text = (HERE / "retrieval" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


class Model:
    """A sentence embedding model: `sentence_embedding` as it is, else the masked mean of `last_hidden_state`."""

    def __init__(self, folder: Path):
        found = [path for path in (folder / "onnx" / "model.onnx", folder / "model.onnx") if path.exists()]
        if not found:
            sys.exit(f"{folder} holds no onnx/model.onnx: see tools/README.md for how the models are made")
        self.session = onnxruntime.InferenceSession(str(found[0]), providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def embed(self, texts: list[str]) -> np.ndarray:
        vectors = []
        for text in texts:
            ids = np.array([self.tokenizer.encode(text).ids], dtype=np.int64)
            known = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            feeds = {value.name: known[value.name] for value in self.session.get_inputs()}
            out = self.session.run(None, feeds)[0][0]
            vector = out.mean(axis=0) if out.ndim == 2 else out
            vectors.append(vector / max(float(np.linalg.norm(vector)), 1e-12))
        return np.stack(vectors)


def measure(model: Model, passages: list[dict], questions: list[dict]) -> dict[str, np.ndarray]:
    """For each question the rank of its best relevant passage, counted from one; ties count against the model."""
    scores = model.embed([q["question"] for q in questions]) @ model.embed([p["text"] for p in passages]).T
    place = {passage["id"]: index for index, passage in enumerate(passages)}
    ranks = []
    for question, row in zip(questions, scores):
        relevant = [place[name] for name in question["relevant"]]
        ranks.append(1 + int((np.delete(row, relevant) >= row[relevant].max()).sum()))
    rank = np.array(ranks)
    topics = np.array([question["relevant"][0].split("-")[0] for question in questions])
    return {"all": rank} | {topic: rank[topics == topic] for topic in sorted(set(topics))}


def figures(rank: np.ndarray) -> list[float]:
    return [float((rank <= k).mean()) for k in (1, 5, 10)] + [float((1 / rank).mean())]


def main() -> None:
    folders = [Path(argument) for argument in sys.argv[1:]] or DEFAULTS
    passages, questions = lines("passages.jsonl"), lines("questions.jsonl")
    print(f"{len(questions)} questions, {len(passages)} passages")
    print(f"{'model':28} {'questions':>9}  {'recall@1':>14} {'recall@5':>14} {'recall@10':>14} {'MRR':>14}")
    yardstick: dict[str, list[float]] = {}
    for folder in folders:
        for topic, rank in measure(Model(folder), passages, questions).items():
            values = figures(rank)
            base = yardstick.setdefault(topic, values)
            cells = [f"{value:.3f} ({value / of:4.0%})" for value, of in zip(values, base)]
            print(f"{folder.name:22} {topic:>8} {len(rank):6}  " + " ".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
