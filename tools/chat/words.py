"""What English words mean, from all-MiniLM-L6-v2: which of them get a token, the tokens' vectors, and what stands for what.

A word that no dialogue holds has a token all the same, where it means about what a word of the dialogues means. Its row
in the table comes from the teacher's vector of the word (`model.Table`); so do a part of the rows of known words.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from distill_embed import teach, teacher_session

from .concepts import UNKNOWN
from .dialogues import ANSWERS, exchange

SEEN = 150_000
DIMENSIONS = 192
# Words that carry no meaning of their own: nothing stands for them.
EMPTY = set("""a an the of to for in on with is are do does did i my me it its this that there some any which what how can at by
be you your from and or not no if when where why who will would could should may must have has had was were am as so but then
than we us they them he she his her one two three four five six seven eight nine ten into out up down off over under get gets
got go goes let lets make makes put puts say says said please just only also too very more most much many all every each
please here now again before after about like without between""".split())
# A word stands for another from this cosine on, and where it has no much nearer one.
NEAR, SLACK = 0.5, 0.04


@dataclass
class Words:
    """`names` of words, the known ones first; `vectors` of unit length, one a word; `stand_ins` by known word."""

    names: list[str]
    known: Counter
    vectors: np.ndarray
    stand_ins: dict[str, list[str]]
    ranked: list[str]


class Teacher:
    """Sentence vectors of all-MiniLM-L6-v2, from the folder that `export_minilm.py` writes."""

    def __init__(self, folder: Path, threads: int):
        self.session = teacher_session(folder, threads)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(64)

    def vectors(self, texts: list[str]) -> np.ndarray:
        return teach(self.session, [found.ids for found in self.tokenizer.encode_batch(texts)])

    def words(self) -> list[str]:
        """Its whole English words, the most frequent ones first, as its vocabulary has them."""
        vocabulary = self.tokenizer.get_vocab()
        return [word for word in sorted(vocabulary, key=vocabulary.get) if re.fullmatch("[a-z]{2,}", word)]


def words(teacher: Teacher, seed: int) -> Words:
    rng = random.Random(seed)
    asked: Counter = Counter()
    server: Counter = Counter()
    for _ in range(SEEN):
        question, answer = exchange(rng)
        found = re.findall("[a-z]{2,}", question.lower())
        asked.update(found)
        if answer != UNKNOWN and answer in ANSWERS:
            server.update(found)
    frequent = teacher.words()
    place = {word: at for at, word in enumerate(frequent)}
    # The others are slips.
    known = Counter({word: count for word, count in asked.items() if count >= (3 if word in place else 20)})
    names = list(known) + [word for word in frequent if word not in known]
    raw = teacher.vectors(names)
    raw -= raw.mean(0)
    vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    meant = [at for at, name in enumerate(names[: len(known)]) if name not in EMPTY and len(name) > 2]
    alike = vectors[len(known) :] @ vectors[meant].T
    best = alike.max(1)
    stand_ins: dict[str, list[str]] = {}
    for row, at in zip(*np.nonzero((alike >= NEAR) & (alike >= best[:, None] - SLACK))):
        stand_ins.setdefault(names[meant[at]], []).append(names[len(known) + row])
    # First come words that are frequent and near to one that is said about the server.
    near = alike[:, [column for column, at in enumerate(meant) if server[names[at]] >= 3]].max(1)
    rare = np.array([0.12 * np.log((place[name] + 1000) / 1000) for name in names[len(known) :]])
    ranked = [names[len(known) + at] for at in np.argsort(rare - near)]
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    turned = vectors @ directions[:DIMENSIONS].T
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    return Words(names, known, turned.astype(np.float32), stand_ins, ranked)


def bare(token: str) -> str | None:
    """The word that a token of byte-level BPE is, in lower case, or nothing."""
    word = token.removeprefix("Ġ")
    return word.lower() if re.fullmatch("[A-Za-z]{2,}", word) else None


def table(tokenizer: Tokenizer, found: Words) -> np.ndarray:
    """The teacher's vector of each token that is a word, zeros for the others."""
    at = {name: index for index, name in enumerate(found.names)}
    rows = np.zeros((tokenizer.get_vocab_size(), found.vectors.shape[1]), np.float32)
    for token, index in tokenizer.get_vocab().items():
        word = bare(token)
        if word in at:
            rows[index] = found.vectors[at[word]]
    return rows


def stand_ins(tokenizer: Tokenizer, found: Words) -> dict[int, list[int]]:
    """Tokens of the same form that may stand where a token of the dialogues stands."""
    vocabulary = tokenizer.get_vocab()
    result: dict[int, list[int]] = {}
    for token, index in vocabulary.items():
        for other in found.stand_ins.get(bare(token) or "", []):
            body = token.removeprefix("Ġ")
            form = other if body.islower() else other.capitalize() if body.istitle() else other.upper()
            other_token = token[: len(token) - len(body)] + form
            if other_token in vocabulary:
                result.setdefault(index, []).append(vocabulary[other_token])
    return result
