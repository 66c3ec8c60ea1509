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


@torch.no_grad()
def begin(model: Chat, tokenizer: Tokenizer, folder: Path) -> None:
    """Gives the model the weights of an exported folder, of the same shape but for the vocabulary.

    A token's row is the mean over the tokens that its text was to the other tokenizer. The matrix that turns the teacher's
    vectors is the one that fits these rows best.
    """
    held = {value.name: numpy_helper.to_array(value) for value in onnx.load(str(folder / "model.onnx")).graph.initializer}

    def read(name: str) -> torch.Tensor:
        packed, scales = held[f"{name}.MatMul.weight_Q8"], held[f"{name}.MatMul.weight_scales"]
        values = (packed.astype(np.float32) - 128) * scales[:, :, None]
        return torch.from_numpy(values.reshape(len(packed), -1))

    for index, layer in enumerate(model.model.layers):
        attention, mlp, name = layer.self_attn, layer.mlp, f"model.layers.{index}"
        parts = [attention.q_proj, attention.k_proj, attention.v_proj]
        values = read(f"{name}.attn.qkv_proj").split([part.out_features for part in parts])
        for part, value in zip(parts, values):
            part.weight.copy_(value)
        attention.o_proj.weight.copy_(read(f"{name}.attn.o_proj"))
        for part in ("gate_proj", "up_proj", "down_proj"):
            getattr(mlp, part).weight.copy_(read(f"{name}.mlp.{part}"))
        for part in ("input_layernorm", "post_attention_layernorm"):
            getattr(layer, part).weight.copy_(torch.tensor(held[f"{name}.{part}.weight"]))
    model.model.norm.weight.copy_(torch.tensor(held[f"model.layers.{index + 1}.final_norm_layernorm.weight"]))
    other, rows = Tokenizer.from_file(str(folder / "tokenizer.json")), read("lm_head")
    table = model.model.embed_tokens
    for token, at in tokenizer.get_vocab().items():
        known = other.token_to_id(token)
        text = tokenizer.decode([at])
        pieces = [known] if known is not None else other.encode(text, add_special_tokens=False).ids
        table.own[at] = rows[pieces].mean(0)
    fits = (table.used[:, 0] > 0) & (table.words.norm(dim=1) > 0)
    words = table.words[fits]
    square = words.T @ words + torch.eye(words.shape[1])
    table.turn.copy_(torch.linalg.solve(square, words.T @ table.own[fits]))
    rest = table.own - table.words @ table.turn
    table.own.copy_(torch.where(table.used > 0, rest, torch.where(table.words.norm(dim=1, keepdim=True) > 0, 0.0, table.own)))


def load(checkpoint: Path, model: Chat) -> int:
    state = torch.load(checkpoint)
    model.load_state_dict(state["model"])
    return state["step"]
