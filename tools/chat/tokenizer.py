"""The tokenizer: BPE over bytes, trained on the dialogues, and rows of tokens packed from them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from .dialogues import ANSWERS, dialogue, exchange, plain, texts, turn
from .tools import TEMPLATE
from .words import Teacher, Words

# Ids and weights, both [rows, length], and the place of each row's question in the pool, or -1.
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END, PAD = "<|im_end|>", "<|endoftext|>"
FIRST = 6
SHOWN = 6
STAND_IN = 0.12
# Words with which a question often begins.
BEGIN = """show list delete remove stop start load unload compare group find search explain describe print change set store upload
download measure check turn convert rank sort suggest create add open read write run tell give protect move free estimate
cancel get use chat send embed cluster recommend evaluate""".split()
PATTERN = (
    r" ?/v1|(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer(size: int, merged: int, seed: int, found: Words) -> Tokenizer:
    """BPE of `merged` tokens from the dialogues, and whole words of the teacher's up to `size` tokens.

    The words are reached without merges (`ignore_merges`, as in Llama 3's tokenizer). Most stand after a space; those that
    stand for a word with which a question often begins are there with a capital as well.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.train_from_iterator(texts(random.Random(seed), 40_000), trainers.BpeTrainer(
        vocab_size=merged - len(SPECIAL), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    ))
    value = json.loads(tokenizer.to_str())
    vocabulary = value["model"]["vocab"]
    value["model"]["ignore_merges"] = True
    first = {other for name in BEGIN for other in found.stand_ins.get(name, [])}
    whole = [f"Ġ{name}" for name in found.known if name.isascii()]
    for name in found.ranked:
        whole += [f"Ġ{name}"] + ([name.capitalize()] if name in first else [])
    for token in whole:
        if token not in vocabulary and len(vocabulary) < size - len(SPECIAL):
            vocabulary[token] = len(vocabulary)
    tokenizer = Tokenizer.from_str(json.dumps(value))
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    return tokenizer


def occurring(tokenizer: Tokenizer, seed: int) -> np.ndarray:
    """Which tokens occur in dialogues more than by chance."""
    counts = np.zeros(tokenizer.get_vocab_size(), np.int64)
    for text in texts(random.Random(seed + 2), 100_000):
        np.add.at(counts, tokenizer.encode(text, add_special_tokens=False).ids, 1)
    counts[[tokenizer.token_to_id(name) for name in SPECIAL]] = 100_000
    return counts >= 3


@dataclass
class Pool:
    """Questions with answers, and what the teacher makes of each question."""

    pairs: list[tuple[str, str]]
    vectors: np.ndarray


def make_pool(teacher: Teacher, size: int, seed: int, held_out: set[str]) -> Pool:
    rng = random.Random(seed)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < size:
        question, answer = exchange(rng)
        if plain(question) not in held_out:
            pairs.append((question, answer))
    vectors = teacher.vectors([question for question, _ in pairs])
    vectors -= vectors.mean(0)
    return Pool(pairs, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16))


@dataclass
class Source:
    """What rows are made from. `stand_ins` are tokens by token, `held_out` questions that no dialogue may ask."""

    tokenizer: Tokenizer
    stand_ins: dict[int, list[int]]
    pool: Pool
    held_out: set[str]

    def dialogue(self, rng: random.Random) -> tuple[list[tuple[str, bool]], int]:
        """Half of the dialogues ask one question of the pool, whose place is told; -1 stands for none."""
        if rng.random() < 0.5:
            at = rng.randrange(len(self.pool.pairs))
            question, answer = self.pool.pairs[at]
            asked = (turn("user", question) + "<|im_start|>assistant\n", False)
            return [asked, (answer + END, True), ("\n", False)], at
        return dialogue(rng), -1

    def rows(self, seed: int) -> Iterator[tuple[list[int], list[float], int]]:
        """Dialogues as token ids with weights: 0 for what others say, more for the tokens that begin an answer.

        The first tokens tell which answer it is; the rest is known by heart early. None asks a held-out question. Where the
        answer does not repeat words of the question, other words stand for some of them.
        """
        rng = random.Random(seed)
        end_of_question = "<|im_end|>\n<|im_start|>assistant\n"
        while True:
            pieces, at = self.dialogue(rng)
            asked = [text.removesuffix(end_of_question).rsplit("<|im_start|>user\n", 1)[-1]
                for text, _ in pieces if text.endswith(end_of_question)]
            if any(plain(question) in self.held_out for question in asked):
                continue
            ids, weights = [], []
            for (text, said), (following, _) in zip(pieces, pieces[1:] + [("", False)]):
                found = self.tokenizer.encode(text, add_special_tokens=False).ids
                if not said and following.removesuffix(END) in ANSWERS:
                    found = [rng.choice(self.stand_ins[token])
                        if token in self.stand_ins and rng.random() < STAND_IN else token for token in found]
                ids += found
                weights += [4.0] * min(FIRST, len(found)) + [1.0] * (len(found) - FIRST) if said else [0.0] * len(found)
            yield ids, weights, at

    def batches(self, seed: int, tokens: int, lengths: list[int]) -> Iterator[Batch]:
        """Batches of about `tokens` tokens, in rows of the given lengths in turn.

        The shortest rows hold one dialogue each, which is where the model learns quickest what belongs to what; longer rows
        are conversations about many things, so that every position and turn is trained.
        """
        source = self.rows(seed)
        pad, step = self.tokenizer.token_to_id(PAD), 0
        while True:
            length = lengths[step % len(lengths)]
            step += 1
            count = tokens // length
            ids = np.full((count, length + 1), pad, np.int64)
            weights = np.zeros((count, length + 1), np.float32)
            for row in range(count):
                at = 0
                while at <= length:
                    found, given, _ = next(source)
                    alone = length == min(lengths)
                    if alone and len(found) > length:
                        continue
                    fits = min(len(found), length + 1 - at)
                    ids[row, at : at + fits], weights[row, at : at + fits] = found[:fits], given[:fits]
                    at += length + 1 if alone else fits
            yield ids, weights, np.full(count, -1)

    def short_batches(self, seed: int, tokens: int, lengths: list[int]) -> Iterator[Batch]:
        """Batches whose rows are as long as each other and mostly end `SHOWN` tokens into the answer.

        Which answer a question gets is what is hard to learn, and is told there. Every eighth batch is one of `batches`, so
        that whole answers and long conversations are learnt as well.
        """
        rng = random.Random(seed)
        source, whole = self.rows(seed), self.batches(seed + 1, tokens, lengths)
        pad, step = self.tokenizer.token_to_id(PAD), 0
        while True:
            held: list[tuple[list[int], list[float], int]] = []
            while len(held) < 1600:
                ids, weights, at = next(source)
                start = next(place for place, weight in enumerate(weights) if weight)
                if start + SHOWN <= 320:
                    held.append((ids[: start + SHOWN], weights[: start + SHOWN], at))
            held.sort(key=lambda row: len(row[0]))
            groups = []
            while held:
                count = max(1, tokens // len(held[-1][0]))
                groups.append(held[-count:])
                del held[-count:]
            rng.shuffle(groups)
            for group in groups:
                step += 1
                if step % 8 == 0:
                    yield next(whole)
                length = max(len(ids) for ids, _, _ in group)
                yield (np.array([ids + [pad] * (length - len(ids)) for ids, _, _ in group], np.int64),
                       np.array([weights + [0.0] * (length - len(weights)) for _, weights, _ in group], np.float32),
                       np.array([at for _, _, at in group]))


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
