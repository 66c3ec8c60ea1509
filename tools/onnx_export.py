"""Export of transformers encoders to ONNX, shared by the scripts in this folder.

The graph has the names that Hugging Face repositories use (`input_ids`, `attention_mask`, `token_type_ids` in;
`last_hidden_state` or `logits` out), int64 inputs, a dynamic batch and a dynamic sequence length.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch


class _Positional(torch.nn.Module):
    """Calls a transformers model by position and returns one tensor, which is what the exporter wants."""

    def __init__(self, model: torch.nn.Module, inputs: list[str], output: str):
        super().__init__()
        self.model, self.inputs, self.output = model, inputs, output

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(self.inputs, tensors)))[self.output]


def example(inputs: list[str], vocabulary: int, batch: int, sequence: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch of random ids whose rows have different lengths, so that masking is exercised."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, vocabulary, size=(batch, sequence))
    mask = np.ones((batch, sequence), dtype=np.int64)
    for row in range(1, batch):
        mask[row, max(2, sequence - 2 * row) :] = 0
    known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: known[name].astype(np.int64) for name in inputs}


def export(model: torch.nn.Module, path: Path, inputs: list[str], output: str, opset: int = 18) -> float:
    """Write `model` to `path` and return the largest difference from torch over several shapes.

    Raises if the difference exceeds 1e-5, relative to the largest value where that is above one.
    """
    model = model.eval().float()
    vocabulary = model.config.vocab_size
    wrapped = _Positional(model, inputs, output).eval()
    arguments = tuple(torch.from_numpy(value) for value in example(inputs, vocabulary, 2, 7).values())
    batch, sequence = torch.export.Dim("batch", min=1), torch.export.Dim("sequence", min=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            wrapped,
            arguments,
            dynamo=True,
            input_names=inputs,
            output_names=[output],
            dynamic_shapes=(tuple({0: batch, 1: sequence} for _ in inputs),),
            opset_version=opset,
            verbose=False,
        )
    program.save(str(path), external_data=False)
    _strip(path)
    onnx.checker.check_model(str(path))

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for rows, length in [(1, 1), (1, 9), (3, 5), (5, 31)]:
        feeds = example(inputs, vocabulary, rows, length, seed=rows * 100 + length)
        with torch.no_grad():
            expected = wrapped(*(torch.from_numpy(feeds[name]) for name in inputs)).numpy()
        actual = session.run([output], feeds)[0]
        if expected.ndim == 3:  # what stands at padded positions is no output of the model
            visible = feeds["attention_mask"].astype(bool)
            expected, actual = expected[visible], actual[visible]
        worst = max(worst, float(np.abs(expected - actual).max() / max(1.0, np.abs(expected).max())))
    if worst > 1e-5:
        raise SystemExit(f"{path}: the exported graph differs from torch by {worst:.2e}, more than 1e-5")
    return worst


def _strip(path: Path) -> None:
    """Drop what the exporter says about this machine (source paths, stack traces), so that the bytes repeat."""
    model = onnx.load(str(path))
    model.doc_string = ""
    del model.metadata_props[:]
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        for value in graph.value_info:
            del value.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    onnx.save(model, str(path))
