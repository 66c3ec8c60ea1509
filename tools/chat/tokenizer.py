"""The tokenizer: BPE over bytes, trained on the dialogues, and rows of tokens packed from them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Iterator

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from .dialogues import dialogue, plain, texts
from .tools import TEMPLATE

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END, PAD = "<|im_end|>", "<|endoftext|>"
FIRST = 4
SHOWN = 8
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer(size: int, seed: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.train_from_iterator(texts(random.Random(seed), 40_000), trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    ))
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    return tokenizer


def rows(tokenizer: Tokenizer, seed: int, held_out: set[str]) -> Iterator[tuple[list[int], list[float]]]:
    """Dialogues as token ids with weights: 0 for what others say, more for the tokens that begin an answer.

    The first tokens tell which answer it is; the rest is known by heart early. None asks a held-out question.
    """
    rng = random.Random(seed)
    end_of_question = "<|im_end|>\n<|im_start|>assistant\n"
    while True:
        pieces = dialogue(rng)
        asked = [text.removesuffix(end_of_question).rsplit("<|im_start|>user\n", 1)[-1] for text,
            _ in pieces if text.endswith(end_of_question)]
        if any(plain(question) in held_out for question in asked):
            continue
        ids, weights = [], []
        for text, said in pieces:
            found = tokenizer.encode(text, add_special_tokens=False).ids
            ids += found
            weights += [4.0] * min(FIRST, len(found)) + [1.0] * (len(found) - FIRST) if said else [0.0] * len(found)
        yield ids, weights


def batches(tokenizer: Tokenizer, seed: int, held_out: set[str], tokens: int,
    lengths: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of about `tokens` tokens: ids and weights, in rows of the given lengths in turn.

    The shortest rows hold one dialogue each, which is where the model learns quickest what belongs to what; longer rows are
    conversations about many things, so that every position and turn is trained.
    """
    source = rows(tokenizer, seed, held_out)
    pad, step = tokenizer.token_to_id(PAD), 0
    while True:
        length = lengths[step % len(lengths)]
        step += 1
        count = tokens // length
        ids = np.full((count, length + 1), pad, np.int64)
        weights = np.zeros((count, length + 1), np.float32)
        for row in range(count):
            at = 0
            while at <= length:
                found, given = next(source)
                alone = length == min(lengths)
                if alone and len(found) > length:
                    continue
                fits = min(len(found), length + 1 - at)
                ids[row, at : at + fits], weights[row, at : at + fits] = found[:fits], given[:fits]
                at += length + 1 if alone else fits
        yield ids, weights


def short_batches(
    tokenizer: Tokenizer, seed: int, held_out: set[str], tokens: int, lengths: list[int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches whose rows are as long as each other and mostly end `SHOWN` tokens into the answer.

    Which answer a question gets is what is hard to learn, and is told there. Every sixth batch is one of `batches`, so that
    whole answers and long conversations are not forgotten.
    """
    rng = random.Random(seed)
    source, whole = rows(tokenizer, seed, held_out), batches(tokenizer, seed + 1, held_out, tokens, lengths)
    pad, step = tokenizer.token_to_id(PAD), 0
    while True:
        pool = []
        while len(pool) < 1200:
            ids, weights = next(source)
            start = next(at for at, weight in enumerate(weights) if weight)
            if start + SHOWN <= 64:
                pool.append((ids[: start + SHOWN], weights[: start + SHOWN]))
        pool.sort(key=lambda row: len(row[0]))
        found = []
        while pool:
            count = max(1, tokens // len(pool[-1][0]))
            found.append(pool[-count:])
            del pool[-count:]
        rng.shuffle(found)
        for group in found:
            step += 1
            if step % 6 == 0:
                yield next(whole)
            length = max(len(ids) for ids, _ in group)
            yield (np.array([ids + [pad] * (length - len(ids)) for ids, _ in group], np.int64),
                   np.array([weights + [0.0] * (length - len(weights)) for _, weights in group], np.float32))


def write_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    value = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n",
    encoding="utf-8")
    config = {
        "added_tokens_decoder": {
            str(tokenizer.token_to_id(name)): {"content": name, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": True}
            for name in SPECIAL
        },
        "eos_token": END, "pad_token": PAD, "chat_template": TEMPLATE, "clean_up_tokenization_spaces": False,
        "model_max_length": context, "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n",
    encoding="utf-8")
