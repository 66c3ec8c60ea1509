"""Make the two decoders that `cargo run -p tabagent-benches -- generation` measures, for every contestant the same weights.

    .venv/bin/pip install -r tools/requirements-models.txt -r tools/requirements-decoders.txt \\
        -r tools/requirements-bench-decoders.txt
    .venv/bin/python tools/make_bench_decoders.py OUTPUT [--only NAME]

OUTPUT is a models folder outside the repository, for example ~/.cache/tabagent-benches/models. Each model is a folder below
OUTPUT/bench: `model.onnx` of onnxruntime-genai's builder (int4, blocks of 32, accuracy level 4, GroupQueryAttention) for
TabAgent and onnxruntime-genai, and `model-q4_0.gguf` for llama.cpp, quantised from the same float32 weights. Shapes are
those of published models; weights are random from a fixed seed, and nothing is downloaded. The largest is 0.6 billion
parameters: 16 GB of memory are enough for it, and both take about 10 minutes on two cores.

The ids that a model chooses are letters only, one token a chunk of text, so that a client sees each token come.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import shutil
import string
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gguf
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM

import decoder_run

END = "<|endoftext|>"
LETTERS = string.ascii_lowercase
CONTEXT = 4096
# Steps and prompts of the check; the bench compares many more.
STEPS, PROMPTS, LENGTH, MARGIN = 16, 2, 48, 0.004
# Share of four-bit values that may differ between the two formats: what rounding of the scales to float16 turns over.
DIFFERENT = 0.01


@dataclass
class Shape:
    """An architecture of a published size."""

    config: dict
    architecture: str  # llama.cpp's name of it
    seed: int
    more: dict = field(default_factory=dict)  # methods of GGUFWriter with their values


COMMON = {
    "attention_bias": False, "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02,
    "max_position_embeddings": CONTEXT, "rope_scaling": None, "tie_word_embeddings": True, "torch_dtype": "float32",
    "use_cache": True,
}
SHAPES = {
    "llama-135m": Shape(
        config=COMMON | {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
            "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
            "rms_norm_eps": 1e-5, "rope_theta": 100000.0, "mlp_bias": False,
        },
        architecture="llama",
        seed=1,
        more={"add_rope_dimension_count": 64},
    ),
    "qwen3-0.6b": Shape(
        config=COMMON | {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024,
            "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
            "intermediate_size": 3072, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "sliding_window": None,
            "use_sliding_window": False, "max_window_layers": 28,
        },
        architecture="qwen3",
        seed=2,
        more={"add_key_length": 128, "add_value_length": 128},
    ),
}
# Names of a layer's weights, transformers' and llama.cpp's.
LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def words(count: int) -> tuple[list[str], list[tuple[str, str]]]:
    """So many words of two letters, three, four, and the merges that make each of the one before and a letter."""
    longer = ("".join(word) for length in (2, 3, 4) for word in itertools.product(LETTERS, repeat=length))
    found = list(itertools.islice(longer, count))
    return found, [(word[:-1], word[-1]) for word in found]


def make_tokenizer(size: int) -> tuple[Tokenizer, list[str], list[tuple[str, str]]]:
    """Byte-level BPE: 256 bytes, words of letters, one end token; `size` tokens, their texts, and the merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    found, merges = words(size - len(alphabet) - 1)
    tokens = [*alphabet, *found]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    assert tokenizer.get_vocab_size() == size
    return tokenizer, [*tokens, END], merges


def write_repository(folder: Path, shape: Shape, tokenizer: Tokenizer) -> None:
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    special = {"bos_token_id": end, "eos_token_id": end}
    write_json(folder / "config.json", shape.config | special)
    write_json(folder / "generation_config.json", special | {"do_sample": False})
    write_json(folder / "tokenizer_config.json", {
        "added_tokens_decoder": {str(end): {"content": END, "special": True}}, "bos_token": END, "eos_token": END,
        "model_max_length": CONTEXT, "tokenizer_class": "PreTrainedTokenizerFast",
    })


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def make_weights(folder: Path, shape: Shape, tokens: list[str]) -> torch.nn.Module:
    """Random weights, large enough that the context decides what comes next; rows of tokens that are no letters are zeros.

    Where the embedding is also the head, small rows keep a token from asking for itself again, and a large last norm
    makes up for them.
    """
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(shape.seed)
    silent = torch.tensor([not set(token) <= set(LETTERS) for token in tokens])
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if name == "model.norm.weight":
                parameter.copy_(10 + noise)
            elif parameter.dim() == 1:  # the norms of queries and keys larger, so that attention chooses
                parameter.copy_(1 + 0.1 * noise + (1 if "q_norm" in name or "k_norm" in name else 0))
            elif "embed_tokens" in name:
                parameter.copy_(noise * 0.1)
                parameter[silent] = 0
            else:
                parameter.copy_(noise * 1.6 / parameter.shape[1] ** 0.5)
    return model


def build_onnx(source: Path, folder: Path) -> None:
    """onnxruntime-genai's builder: model.onnx, model.onnx.data and genai_config.json."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(source), "-o", temporary,
                   "-p", "int4", "-e", "cpu", "-c", f"{temporary}/cache", "--extra_options", "hf_token=false",
                   "int4_block_size=32", "int4_accuracy_level=4"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stdout}\n{' '.join(command)} failed")
        for name in ["model.onnx", "model.onnx.data", "genai_config.json"]:
            shutil.move(Path(temporary) / name, folder / name)


def rope_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a projection in the order in which llama.cpp turns them for Llama: pairs are neighbours, not halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def gguf_name(name: str) -> str:
    outside = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in outside:
        return outside[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER[rest.removesuffix('.weight')]}.weight"


def build_gguf(path: Path, name: str, shape: Shape, model: torch.nn.Module, tokens: list[str], merges: list) -> None:
    """Q4_0 throughout, the table of tokens included, which is the head as well; norms stay float32."""
    config = model.config
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(shape.config["rope_theta"])
    for method, value in shape.more.items():
        getattr(writer, method)(value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)
    for parameter, tensor in model.named_parameters():
        values = tensor.detach().numpy()
        if values.ndim == 1:
            writer.add_tensor(gguf_name(parameter), values)
            continue
        if shape.architecture == "llama" and ("q_proj" in parameter or "k_proj" in parameter):
            queries = "q_proj" in parameter
            values = rope_rows(values, config.num_attention_heads if queries else config.num_key_value_heads)
        quantised = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q4_0)
        writer.add_tensor(gguf_name(parameter), quantised, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def values_onnx(weights: onnx.TensorProto, folder: Path) -> np.ndarray:
    """Four-bit values of MatMulNBits, a row for each block of 32: the low half of a byte comes first."""
    packed = numpy_helper.to_array(weights, str(folder)).reshape(-1, 16)
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1, 32)


def values_gguf(blocks: np.ndarray) -> np.ndarray:
    """Four-bit values of Q4_0, a row for each block: two bytes of scale, then the low halves, then the high ones."""
    packed = blocks.reshape(-1, 18)[:, 2:]
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def check_same(folder: Path) -> float:
    """The share of four-bit values that differ between the two files, of a layer and of the head."""
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    weights = {value.name: value for value in graph.initializer}
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(folder / "model-q4_0.gguf").tensors}
    different, total = 0, 0
    for node in graph.node:
        pairs = {"/mlp/down_proj/": "blk.0.ffn_down.weight", "/attn/o_proj/": "blk.0.attn_output.weight"}
        found = [name for part, name in pairs.items() if f"layers.0{part}" in node.name]
        found += ["token_embd.weight"] if "lm_head" in node.name else []
        if node.op_type != "MatMulNBits" or not found:
            continue
        attributes = {value.name: value.i for value in node.attribute}
        assert (attributes["bits"], attributes["block_size"], attributes["accuracy_level"]) == (4, 32, 4), node.name
        ours, theirs = values_onnx(weights[node.input[1]], folder), values_gguf(tensors[found[0]].data)
        different, total = different + int((ours != theirs).sum()), total + ours.size
    assert total, "no weights were compared"
    assert different <= DIFFERENT * total, f"{different / total:.3f} of the four-bit values differ"
    return different / total


def check_ids(folder: Path, shape: Shape, tokens: list[str]) -> float:
    """Greedy ids must be letters, not repeat, and be clear: the smallest margin between the two largest logits."""
    run = decoder_run.session(folder / "model.onnx")
    config, letters = shape.config, [index for index, token in enumerate(tokens) if set(token) <= set(LETTERS)]
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    random, smallest = np.random.default_rng(shape.seed), np.inf
    for _ in range(PROMPTS):
        prompt = random.choice(letters, LENGTH).tolist()
        ids, rows = decoder_run.greedy(run, prompt, STEPS, (config["num_key_value_heads"], head))
        assert set(ids) <= set(letters), "a token that is no letters"
        assert len(set(ids)) >= STEPS // 2, "the ids repeat"
        smallest = min(smallest, decoder_run.margin(rows))
    assert smallest >= MARGIN, f"the two largest logits differ by {smallest:.4f} only; another seed is due"
    return smallest


def make(folder: Path, name: str, shape: Shape) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer, tokens, merges = make_tokenizer(shape.config["vocab_size"])
    write_repository(folder, shape, tokenizer)
    model = make_weights(folder, shape, tokens)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        source = Path(temporary) / "source"
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
            model.save_pretrained(source)
        for path in folder.iterdir():
            shutil.copyfile(path, source / path.name)
        build_gguf(folder / "model-q4_0.gguf", name, shape, model, tokens, merges)
        build_onnx(source, folder)
    different = check_same(folder)
    margin = check_ids(folder, shape, tokens)
    size = {path.name: path.stat().st_size >> 20 for path in folder.iterdir() if path.stat().st_size >> 20}
    print(f"{name}: MiB {json.dumps(size)}, {different:.2%} of the four-bit values differ, smallest margin {margin:.3f}",
          flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="models folder; the models come below its folder bench")
    parser.add_argument("--only", help="make the models whose name holds this")
    arguments = parser.parse_args()
    for name, shape in SHAPES.items():
        if arguments.only is None or arguments.only in name:
            make(arguments.output / "bench" / name, name, shape)


if __name__ == "__main__":
    main()
