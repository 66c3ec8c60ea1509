"""From trained weights to a folder like a Hugging Face repository with one quantised graph."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from safetensors.torch import save_file
from tokenizers import Tokenizer

from .model import Chat, Shape
from .tokenizer import END, PAD, write_tokenizer

BLOCK = 32


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def export(model: Chat, shape: Shape, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the repository to `folder`; its README.md stays."""
    end, pad = (tokenizer.token_to_id(name) for name in (END, PAD))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        source, built = Path(temporary) / "source", Path(temporary) / "built"
        source.mkdir()
        write_tokenizer(tokenizer, source, shape.max_position_embeddings)
        write_json(source / "config.json", shape.config(end, pad))
        write_json(source / "generation_config.json", {"do_sample": False, "eos_token_id": end, "pad_token_id": pad})
        save_file(model.folded(), source / "model.safetensors", metadata={"format": "pt"})
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(source), "-o", str(built), "-p",
            "int8", "-e", "cpu",
                   "-c", f"{temporary}/cache", "--extra_options", "hf_token=false", "shared_embeddings=false",
                   f"block_size={BLOCK}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stdout}\n{' '.join(command)} failed")
        graph = onnx.load(str(built / "model.onnx"))
        share_table(graph)
        onnx.save_model(graph, str(folder / "model.onnx"), save_as_external_data=False)
        for name in ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]:
            shutil.copyfile(source / name, folder / name)


def share_table(model: onnx.ModelProto) -> None:
    """Lets the embedding read the quantised table of the output, so that the file holds it once."""
    graph = model.graph
    gather = next(node for node in graph.node if node.op_type == "Gather" and "embed_tokens" in node.name)
    head = next(node for node in graph.node if node.op_type == "MatMulNBits" and "lm_head" in node.name)
    held = {value.name: value for value in graph.initializer}
    table, scales = held[head.input[1]], held[head.input[2]]
    packed, found = numpy_helper.to_array(table), numpy_helper.to_array(scales)
    size = held[gather.input[0]].dims
    wanted = numpy_helper.to_array(held[gather.input[0]])
    rows = packed.reshape(size[0], -1).astype(np.float32)
    if len(head.input) > 3 and head.input[3]:
        raise SystemExit("the builder wrote zero points; the table is expected to be symmetric")
    restored = (rows.reshape(size[0], -1, BLOCK) - 128) * found.reshape(size[0], -1, 1)
    if np.abs(restored.reshape(size) - wanted).max() > np.abs(wanted).max() / 60:
        raise SystemExit("the quantised output table is not the embedding")
    for name, shape in [("table", [size[0], size[1]]), ("table_scales", [size[0], size[1] // BLOCK])]:
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}_shape"))
    nodes = [
        helper.make_node("Reshape", [table.name, "table_shape"], ["table"], name="/model/embed_tokens/Table"),
        helper.make_node("Reshape", [scales.name, "table_scales_shape"], ["table_scales"],
            name="/model/embed_tokens/Scales"),
        helper.make_node("GatherBlockQuantized", ["table", gather.input[1], "table_scales"], list(gather.output),
            name=gather.name,
                         domain="com.microsoft", bits=8, block_size=BLOCK, gather_axis=0, quantize_axis=1),
    ]
    at = list(graph.node).index(gather)
    graph.initializer.remove(held[gather.input[0]])
    graph.node.remove(gather)
    for offset, node in enumerate(nodes):
        graph.node.insert(at + offset, node)
    used = {name for node in graph.node for name in node.input}
    for value in [value for value in graph.initializer if value.name not in used]:
        graph.initializer.remove(value)


def load(checkpoint: Path, model: Chat) -> int:
    state = torch.load(checkpoint)
    model.load_state_dict(state["model"])
    return state["step"]
