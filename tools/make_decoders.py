"""Make the small decoders that the runtime's tests load, with reference outputs.

    python -m venv .venv && .venv/bin/pip install -r tools/requirements-models.txt -r tools/requirements-decoders.txt
    python -m venv .venv-optimum && .venv-optimum/bin/pip install -r tools/requirements-optimum.txt
    .venv/bin/python tools/make_decoders.py --optimum .venv-optimum/bin/python [OUTPUT]

OUTPUT is tabagent-runtime/tests/fixtures/decoders by default; its README.md says what each fixture is for. Every model has
a public architecture, random weights from a fixed seed and a tokenizer trained here, so nothing is downloaded.
`reference.json` holds what transformers makes of the same weights in float32 with eager attention, every step
computed anew; the script fails unless a plain loop over each float32 graph in ONNX Runtime gives the same ids, and unless
the two largest logits differ clearly at every step. For float16 and quantised graphs the reference is that loop, and must be
the same with ONNX Runtime's graph optimisations and without.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

import jinja2
import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

import decoder_run
import decoder_tokenizers
from decoder_texts import CONVERSATIONS, PARTS, PROMPTS, THOUGHTS, TOOLS

HERE = Path(__file__).resolve().parent
STEPS, MARGIN = 64, 0.004
NOW = datetime.datetime(2026, 11, 25, 12, 0, 0)
GQA, INT4, PLAIN, NO_POSITIONS, HALF, MERGED = "gqa", "int4", "plain", "no-positions", "half", "merged"
GRAPHS = {GQA: "model.onnx", INT4: "model.onnx", PLAIN: "onnx/model.onnx", NO_POSITIONS: "onnx/model.onnx",
          HALF: "onnx/model_fp16.onnx", MERGED: "onnx/decoder_model_merged.onnx"}
FIXTURES = [  # name, family, kind, seed of the embedding where the family's ids come out too close
    ("llama-gqa", "llama", GQA, None),
    ("llama-plain", "llama", PLAIN, None),
    ("llama-int4", "llama", INT4, 9),
    ("qwen3-gqa", "qwen3", GQA, None),
    ("qwen3-no-positions", "qwen3", NO_POSITIONS, None),
    ("qwen3-fp16", "qwen3", HALF, None),
    ("qwen3-merged", "qwen3", MERGED, None),
    ("phi3-gqa", "phi3", GQA, None),
    ("gemma2-gqa", "gemma2", GQA, None),
    ("gemma3-plain", "gemma3", PLAIN, None),
    ("mistral-gqa", "mistral", GQA, None),
]


@dataclass
class Family:
    """An architecture with its tokenizer and chat template; `config` is written the way most repositories have it."""

    template: str
    tokenizer: Callable[[], Tokenizer]
    tokens: dict[str, str]
    eos: list[str]
    config: dict
    seed: int
    spare: int = 0  # rows of the embedding beyond the tokenizer's tokens
    embedding: float = 1.0  # standard deviation
    embedding_seed: int | None = None  # another embedding to the same weights
    conversations: list = field(default_factory=list)
    builder: list[str] = field(default_factory=list)


LLAMA = ["<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"]
QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
GEMMA = ["<pad>", "<eos>", "<bos>", "<unk>"]
COMMON = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 512,
          "rope_theta": 10000.0, "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": True,
          "torch_dtype": "float32", "transformers_version": "4.57.6"}
GEMMA_COMMON = COMMON | {
    "hidden_size": 64, "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-6, "attention_bias": False,
    "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 16,
    "sliding_window": 24, "tie_word_embeddings": True,
}

FAMILIES = {
    "llama": Family(
        template="llama",
        tokenizer=lambda: decoder_tokenizers.llama("<|begin_of_text|>", LLAMA),
        tokens={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        eos=["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"],
        config=COMMON | {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_key_value_heads": 2,
            "rope_scaling": None, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": False,
            "attention_bias": False, "mlp_bias": False,
        },
        seed=7,
        conversations=[("date given", CONVERSATIONS[0][1], None, True, {"date_string": "1 Apr 2025"})],
    ),
    "qwen3": Family(
        template="qwen",
        tokenizer=lambda: decoder_tokenizers.qwen(QWEN, ["<tool_call>", "</tool_call>", "<think>", "</think>"]),
        tokens={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        eos=["<|im_end|>", "<|endoftext|>"],
        config=COMMON | {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 32, "num_key_value_heads": 2,
            "head_dim": 16, "rope_theta": 1000000, "rope_scaling": None, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "tie_word_embeddings": True, "attention_bias": False, "sliding_window": None, "use_sliding_window": False,
            "max_window_layers": 2,
        },
        seed=3,
        spare=24,
        embedding=0.1,
        conversations=[
            ("without thinking", CONVERSATIONS[0][1], None, True, {"enable_thinking": False}),
            ("thoughts", THOUGHTS, TOOLS, True, {}),
            ("parts", PARTS, None, True, {}),
        ],
    ),
    "gemma2": Family(
        template="gemma2",
        tokenizer=lambda: decoder_tokenizers.gemma(GEMMA, ["<start_of_turn>", "<end_of_turn>"]),
        tokens={"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
        eos=["<eos>", "<end_of_turn>"],
        config=GEMMA_COMMON | {
            "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0, "cache_implementation": "hybrid",
        },
        seed=2,
        embedding=0.02,
        builder=["windowed_kv_cache=false"],
    ),
    "gemma3": Family(
        template="gemma3",
        tokenizer=lambda: decoder_tokenizers.gemma(GEMMA, ["<start_of_turn>", "<end_of_turn>", "<start_of_image>"]),
        tokens={"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
        eos=["<eos>", "<end_of_turn>"],
        config=GEMMA_COMMON | {
            "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "attn_logit_softcapping": None,
            "final_logit_softcapping": None, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
            "rope_scaling": None, "layer_types": ["sliding_attention", "full_attention"],
        },
        seed=1,
        embedding=0.02,
        conversations=[("parts", PARTS, None, True, {})],
    ),
    "phi3": Family(
        template="phi",
        tokenizer=lambda: decoder_tokenizers.phi(
            ["<unk>", "<s>", "</s>"], ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
        ),
        tokens={"bos_token": "<s>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<unk>"},
        eos=["<|endoftext|>", "<|assistant|>", "<|end|>"],
        config=COMMON | {
            "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "hidden_size": 64, "num_key_value_heads": 4,
            "original_max_position_embeddings": 512, "rope_scaling": None, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "tie_word_embeddings": False, "attention_bias": False, "sliding_window": None, "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
        },
        seed=11,
    ),
    "mistral": Family(
        template="mistral",
        tokenizer=lambda: decoder_tokenizers.mistral([
            "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
            "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
        ]),
        tokens={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
        eos=["</s>"],
        config=COMMON | {
            "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 32,
            "num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "tie_word_embeddings": False, "sliding_window": 24,
        },
        seed=27,
        builder=["windowed_kv_cache=false"],
    ),
}


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def rows_json(value, depth: int = 2, indent: str = "") -> str:
    """JSON with one line a row below `depth` levels: readable in a diff, and short."""
    if depth == 0 or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + " "
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(key)}: {rows_json(item, depth - 1, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + rows_json(item, depth - 1, inner) for item in value) + f"\n{indent}]"


def randomise(model: torch.nn.Module, family: Family, used: int) -> None:
    """Random weights, large enough that the context decides what comes next and no two tokens tie.

    Where the embedding is also the head, small rows keep a token from asking for itself again, and a large last norm
    makes up for them. Rows beyond the tokenizer's tokens are zeros, so that they never win.
    """
    generator = torch.Generator().manual_seed(family.seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "embed_tokens" in name and family.embedding_seed is not None:
                noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(family.embedding_seed))
            if name == "model.norm.weight":
                parameter.add_(0.1 * noise + 1 / family.embedding - 1)
            elif parameter.dim() == 1:  # the norms of queries and keys larger, so that attention chooses
                parameter.add_(0.1 * noise + (1 if "q_norm" in name or "k_norm" in name else 0))
            elif "embed_tokens" in name:
                parameter.copy_(noise * family.embedding)
            else:
                parameter.copy_(noise * 1.6 / parameter.shape[1] ** 0.5)
            if parameter.shape[0] == model.config.vocab_size:
                parameter[used:] = 0


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = FixedTime


def write_repository(folder: Path, family: Family) -> None:
    """Everything of a repository but the graphs: config, generation config, tokenizer and chat template."""
    tokenizer = family.tokenizer()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = {name: tokenizer.token_to_id(token) for name, token in family.tokens.items()}
    eos = [tokenizer.token_to_id(token) for token in family.eos]
    assert None not in [*ids.values(), *eos]
    size = tokenizer.get_vocab_size()
    vocabulary = -(-(size + family.spare) // 8) * 8
    special = {"bos_token_id": ids.get("bos_token"), "eos_token_id": eos if len(eos) > 1 else eos[0]}
    if "pad_token" in ids:
        special["pad_token_id"] = ids["pad_token"]
    write_json(folder / "config.json", family.config | special | {"vocab_size": vocabulary})
    write_json(folder / "generation_config.json", special | {
        "do_sample": True, "temperature": 0.6, "top_p": 0.9, "transformers_version": "4.57.6",
    })
    write_json(folder / "tokenizer_config.json", {
        "added_tokens_decoder": {
            str(index): {"content": token.content, "lstrip": token.lstrip, "normalized": token.normalized,
                         "rstrip": token.rstrip, "single_word": token.single_word, "special": token.special}
            for index, token in sorted(tokenizer.get_added_tokens_decoder().items())
        },
        **family.tokens,
        "chat_template": (HERE / "chat_templates" / f"{family.template}.jinja").read_text(encoding="utf-8").rstrip("\n"),
        "clean_up_tokenization_spaces": False,
        "model_max_length": family.config["max_position_embeddings"],
        "tokenizer_class": "PreTrainedTokenizerFast",
    })


def torch_model(folder: Path, family: Family, used: int):
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    randomise(model, family, used)
    return model


def conversations(tokenizer: PreTrainedTokenizerFast, family: Family) -> list[dict]:
    """What the chat template makes of the conversations, or the error that it raises."""
    cases = []
    for name, messages, tools, generate, variables in CONVERSATIONS + family.conversations:
        case = {"name": name, "messages": messages, "tools": tools, "add_generation_prompt": generate}
        if variables:
            case["variables"] = variables
        try:
            rendered = tokenizer.apply_chat_template(
                messages, tools=tools, add_generation_prompt=generate, tokenize=False, **variables
            )
        except jinja2.exceptions.TemplateError as error:
            case["error"] = str(error)
        else:
            case["rendered"] = rendered
            case["ids"] = tokenizer(rendered, add_special_tokens=False)["input_ids"]
        cases.append(case)
    return cases


def reference(folder: Path, family: Family, answer: Callable, source: str) -> dict:
    """The reference of a fixture; `answer` gives greedy ids and logits for a prompt."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    alone = Tokenizer.from_file(str(folder / "tokenizer.json"))
    eos = [tokenizer.convert_tokens_to_ids(token) for token in family.eos]
    prompts = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        assert ids == alone.encode(prompt).ids, prompt
        greedy, rows = answer(ids)
        assert decoder_run.margin(rows) >= MARGIN, (folder.name, prompt, decoder_run.margin(rows))
        assert max(greedy) < len(tokenizer), "a token that the tokenizer does not know"
        assert len(set(greedy)) >= STEPS // 3, (folder.name, prompt, "the ids repeat")
        prompts.append({
            "prompt": prompt,
            "prompt_ids": ids,
            "greedy_ids": greedy,
            "greedy_text": tokenizer.decode(greedy, skip_special_tokens=True),
            "first_eos": next((step for step, index in enumerate(greedy) if index in eos), None),
            "first_step_top5": decoder_run.top(rows[0], 5),
        })
    return {
        "model": folder.name,
        "source": source,
        "versions": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0],
                     "onnxruntime": onnxruntime.__version__},
        "now": NOW.isoformat(),
        "prompts": prompts,
        "conversations": conversations(tokenizer, family),
    }


def check_graph(
    path: Path, prompts: list[dict], shape: tuple[int, int], optimise: bool = True, tolerance: float = 1e-3
) -> None:
    """A plain loop over the graph must give the reference ids."""
    run = decoder_run.session(path, optimise)
    for case in prompts:
        ids, rows = decoder_run.greedy(run, case["prompt_ids"], STEPS, shape)
        assert ids == case["greedy_ids"], (path, case["prompt"], ids, case["greedy_ids"])
        got, wanted = dict(decoder_run.top(rows[0], 5)), dict(case["first_step_top5"])
        assert all(abs(got.get(index, -99) - wanted[index]) < tolerance for index in wanted), (path, got, wanted)


def build_gqa(source: Path, folder: Path, precision: str, more: list[str]) -> None:
    """onnxruntime-genai's builder: model.onnx, model.onnx.data and genai_config.json."""
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(source), "-o", temporary,
                   "-p", precision, "-e", "cpu", "-c", f"{temporary}/cache", "--extra_options", "hf_token=false", *more]
        run_quietly(command)
        for name in ["model.onnx", "model.onnx.data", "genai_config.json"]:
            shutil.copyfile(Path(temporary) / name, folder / name)


def set_window(path: Path, window: int) -> None:
    """Give every GroupQueryAttention a window, which the builder leaves out for Mistral."""
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        if node.op_type == "GroupQueryAttention":
            next(value for value in node.attribute if value.name == "local_window_size").i = window
    onnx.save(model, path)


def build_plain(source: Path, folder: Path, optimum: str, kind: str) -> None:
    run_quietly([optimum, str(HERE / "export_plain.py"), str(source), str(folder / "onnx"), kind])


def run_quietly(command: list[str]) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # merging orders weights by a set of their names
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{' '.join(command)} failed")


def cache_shape(config) -> tuple[int, int]:
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_key_value_heads, head


def fixture(root: Path, name: str, family: str, kind: str, seed: int | None, optimum: str) -> None:
    family, folder = FAMILIES[family], root / name
    if seed is not None:
        family = dataclasses.replace(family, embedding_seed=seed)
    shutil.rmtree(folder, ignore_errors=True)
    write_repository(folder, family)
    used = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    model = torch_model(folder, family, used)
    shape = cache_shape(model.config)
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
            model.save_pretrained(source)
        for path in folder.iterdir():
            shutil.copyfile(path, source / path.name)
        if kind in (GQA, INT4):
            build_gqa(source, folder, "int4" if kind == INT4 else "fp32", family.builder)
            if model.config.model_type == "mistral":
                set_window(folder / "model.onnx", model.config.sliding_window)
        else:
            build_plain(source, folder, optimum, kind)
    graph = folder / GRAPHS[kind]
    if kind in (INT4, HALF):
        run = decoder_run.session(graph)
        value = reference(
            folder, family, lambda ids: decoder_run.greedy(run, ids, STEPS, shape),
            f"onnxruntime, {GRAPHS[kind]}, one sequence",
        )
        check_graph(graph, value["prompts"], shape, optimise=False, tolerance=0.05)
    else:
        value = reference(
            folder, family, lambda ids: decoder_run.greedy_torch(model, ids, STEPS),
            "transformers, float32, eager attention, no cache",
        )
        check_graph(graph, value["prompts"], shape)
    if kind == HALF:
        check_graph(folder / "onnx" / "model.onnx", [
            {"prompt": case["prompt"], "prompt_ids": case["prompt_ids"], "greedy_ids": ids,
             "first_step_top5": decoder_run.top(rows[0], 5)}
            for case in value["prompts"] for ids, rows in [decoder_run.greedy_torch(model, case["prompt_ids"], STEPS)]
        ], shape)
    (folder / "reference.json").write_text(rows_json(value, 3) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{name:18} {size / 1024:6.0f} KiB  {json.dumps(decoder_run.signature(decoder_run.session(graph)))}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = HERE.parent / "tabagent-runtime" / "tests" / "fixtures" / "decoders"
    parser.add_argument("output", nargs="?", type=Path, default=default)
    parser.add_argument("--optimum", required=True, help="the Python of the environment with optimum-onnx")
    parser.add_argument("--only", help="make the fixtures whose name holds this")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, family, kind, seed in FIXTURES:
        if arguments.only is None or arguments.only in name:
            fixture(arguments.output, name, family, kind, seed, arguments.optimum)


if __name__ == "__main__":
    main()
