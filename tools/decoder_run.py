"""Plain loops over decoders in ONNX Runtime and in torch: one sequence, greedy, nothing clever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


def session(path: Path, optimise: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def signature(run: onnxruntime.InferenceSession) -> dict[str, list]:
    """Inputs and outputs as `{name: [dtype, shape]}`, layers above the first left out."""
    def kept(values) -> dict[str, list]:
        return {
            value.name: [value.type, value.shape]
            for value in values
            if not any(f".{layer}." in value.name for layer in range(1, 100))
        }

    return {"inputs": kept(run.get_inputs()), "outputs": kept(run.get_outputs())}


def greedy(run: onnxruntime.InferenceSession, prompt: list[int], steps: int, shape: tuple[int, int]):
    """Greedy ids, and the logits that gave each; `shape` is (key-value heads, head dimension).

    The first run takes the whole prompt with an empty past, each later run one token with the presents of the last.
    A merged graph (`use_cache_branch`) takes a past of one position of zeros that it ignores in the first run.
    """
    inputs = {value.name: value for value in run.get_inputs()}
    outputs = [value.name for value in run.get_outputs()]
    merged = "use_cache_branch" in inputs
    past = {
        name: np.zeros((1, shape[0], 1 if merged else 0, shape[1]), DTYPES[value.type])
        for name, value in inputs.items()
        if name.startswith("past_key_values.")
    }
    ids, rows, feed, length = [], [], list(prompt), 0
    while len(ids) < steps:
        first, length = length == 0, length + len(feed)
        feeds = {"input_ids": np.array([feed], np.int64), "attention_mask": np.ones((1, length), np.int64)} | past
        if "position_ids" in inputs:
            feeds["position_ids"] = np.arange(length - len(feed), length, dtype=np.int64)[None]
        if merged:
            feeds["use_cache_branch"] = np.array([not first])
        results = dict(zip(outputs, run.run(None, feeds)))
        past = {name: results[name.replace("past_key_values", "present")] for name in past}
        row = results["logits"][0, -1].astype(np.float32)
        feed = [int(row.argmax())]
        ids.append(feed[0])
        rows.append(row)
    return ids, np.stack(rows)


def greedy_torch(model, prompt: list[int], steps: int):
    """The same from transformers, every step computed anew without a cache."""
    import torch

    ids, rows = list(prompt), []
    with torch.no_grad():
        for _ in range(steps):
            row = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float().numpy()
            rows.append(row)
            ids.append(int(row.argmax()))
    return ids[len(prompt) :], np.stack(rows)


def margin(rows: np.ndarray) -> float:
    """The smallest difference between the largest and the second largest logit of any row."""
    top = np.sort(rows, axis=-1)[:, -2:]
    return float((top[:, 1] - top[:, 0]).min())


def top(row: np.ndarray, count: int) -> list[list]:
    """The most probable ids with their natural logarithms of probability."""
    row = row.astype(np.float64)
    logprobs = row - row.max() - np.log(np.exp(row - row.max()).sum())
    return [[int(index), round(float(logprobs[index]), 5)] for index in np.argsort(-logprobs, kind="stable")[:count]]
