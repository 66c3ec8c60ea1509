"""Make the decoders of `tests/fixtures/models/recital`, each of which says one text, whatever it is asked.

    .venv/bin/python tools/make_recitals.py

A client of the API has to be tested on thoughts and calls of tools, which a decoder with random weights never writes and
the embedded one hardly learnt. The graph is a table: the next token follows from the last one alone, the line break that
ends every prompt leads to the first token of the text, and everything else to the end. Inputs and outputs are those of
optimum's decoders. No two tokens of the text are the same, and most are a few bytes long, so that marks, names and
characters come in fragments.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "fixtures" / "models" / "recital"

TEXTS = {
    "one-call": '<think>\nThe weather: ask the tool. ☂\n</think>\n\n<tool_call>\n{"name": "get_weather", "arguments": '
    '{"city": "Zürich", "days": 3}}\n</tool_call>',
    "two-calls": 'I look both up.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>\n'
    '<tool_call>\n{"name": "get_time", "arguments": {"zone": "Europe/Rome", "exact": true}}\n</tool_call>',
}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONTEXT = 4096


def byte_characters() -> list[str]:
    """The character that stands for each byte in byte-level vocabularies, as GPT-2 has them."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    table = {byte: chr(byte) for byte in shown} | {byte: chr(256 + at) for at, byte in enumerate(hidden)}
    return [table[byte] for byte in range(256)]


def pieces(text: bytes) -> list[bytes]:
    """The text in pieces of two bytes, or of as many more as make each of them the only one of its kind."""
    found: list[bytes] = []
    at = 0
    while at < len(text):
        size = 2
        # A rest that is there already cannot grow: told below.
        while at + size < len(text) and (text[at : at + size] in found or len(text) - at - size < 2):
            size += 1
        found.append(text[at : at + size])
        at += size
    if len(set(found)) != len(found) or b"".join(found) != text:
        raise SystemExit(f"no pieces for {text!r}")
    return found


def graph(follows: np.ndarray) -> onnx.ModelProto:
    """Logits that are 20 for the token that follows and 0 for all others; the cache holds the ids."""
    cache = lambda name, length: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1, length, 1])
    ids = lambda name, length: helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", length])
    constants = {
        "follows": follows,
        "vocabulary": np.array(len(follows), np.int64),
        "values": np.array([0, 20], np.float32),
        "axes": np.array([1, 3], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["follows", "input_ids"], ["next"]),
        node("OneHot", ["next", "vocabulary", "values"], ["logits"], axis=-1),
        node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["numbers", "axes"], ["state"]),
    ]
    inputs, outputs = [ids("input_ids", "sequence"), ids("attention_mask", "total")], []
    outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", len(follows)]))
    for kind in ["key", "value"]:
        past, present = f"past_key_values.0.{kind}", f"present.0.{kind}"
        inputs.append(cache(past, "past"))
        outputs.append(cache(present, "total"))
        nodes.append(node("Concat", [past, "state"], [present], axis=2))
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    body = helper.make_graph(nodes, "recital", inputs, outputs, held)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def make(name: str, text: str) -> None:
    characters = byte_characters()
    spoken = pieces(text.encode())
    tokens = characters + ["".join(characters[byte] for byte in piece) for piece in spoken]
    first, special = len(characters), len(tokens)
    end = special + SPECIAL.index("<|im_end|>")
    follows = np.full(special + len(SPECIAL), end, np.int64)
    follows[ord("\n")] = first
    follows[first : special - 1] = np.arange(first + 1, special)

    folder = FOLDER / name
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    write = lambda file, value: (folder / file).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    onnx.save(graph(follows), folder / "onnx" / "model.onnx")
    write("config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 1,
        "num_key_value_heads": 1, "hidden_size": 1, "head_dim": 1, "max_position_embeddings": CONTEXT,
        "vocab_size": len(follows), "eos_token_id": end,
    })
    write("generation_config.json", {"do_sample": False, "eos_token_id": end})
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    write("tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": special + at, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for at, content in enumerate(SPECIAL)
        ],
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: at for at, token in enumerate(tokens)}, "merges": [],
        },
    })
    template = (ROOT / "tools" / "chat_templates" / "qwen.jinja").read_text()
    write("tokenizer_config.json", {"eos_token": "<|im_end|>", "chat_template": template, "model_max_length": CONTEXT})


for name, text in TEXTS.items():
    make(name, text)
    print(FOLDER / name)
