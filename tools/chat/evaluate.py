"""Greedy answers of an exported model to held-out questions, by a plain loop over the graph in ONNX Runtime.

`questions.jsonl` has one question a line with `all`, regular expressions that the answer has to hold (case ignored), and
perhaps `none`, those that it must not hold. `fresh.jsonl` is such a set that was written when the dialogues were finished.
No question is in the training dialogues.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from .dialogues import plain, turn

QUESTIONS = Path(__file__).resolve().parent / "questions.jsonl"
DEVELOPMENT = Path(__file__).resolve().parent / "development.jsonl"
FRESH = Path(__file__).resolve().parent / "fresh.jsonl"


def questions(path: Path = QUESTIONS) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def held_out() -> set[str]:
    return {plain(question["question"]) for path in (QUESTIONS, DEVELOPMENT, FRESH) for question in questions(path)}


class Model:
    """An exported folder."""

    def __init__(self, folder: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.run = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.shape = (config["num_key_value_heads"], config["head_dim"])
        self.end = config["eos_token_id"]
        self.outputs = [value.name for value in self.run.get_outputs()]

    def greedy(self, prompt: list[int], most: int) -> list[int]:
        names = [value.name for value in self.run.get_inputs() if value.name.startswith("past_key_values.")]
        past = {name: np.zeros((1, self.shape[0], 0, self.shape[1]), np.float32) for name in names}
        ids, feed, length = [], list(prompt), 0
        while len(ids) < most:
            length += len(feed)
            feeds = {"input_ids": np.array([feed], np.int64), "attention_mask": np.ones((1, length), np.int64)} | past
            results = dict(zip(self.outputs, self.run.run(None, feeds)))
            past = {name: results[name.replace("past_key_values", "present")] for name in past}
            feed = [int(results["logits"][0, -1].argmax())]
            if feed[0] == self.end:
                break
            ids.append(feed[0])
        return ids

    def answer(self, prompt: str, most: int = 80) -> str:
        return self.tokenizer.decode(self.greedy(self.tokenizer.encode(prompt, add_special_tokens=False).ids, most))

    def ask(self, question: str) -> str:
        return self.answer(turn("user", question) + "<|im_start|>assistant\n")


def correct(answer: str, question: dict) -> bool:
    return all(re.search(pattern, answer, re.I) for pattern in question["all"]) and not any(
        re.search(pattern, answer, re.I) for pattern in question.get("none", [])
    )


def score(folder: Path, path: Path = QUESTIONS, show: bool = True) -> tuple[int, int]:
    """How many are answered correctly, and of how many."""
    model, right, asked = Model(folder), 0, questions(path)
    for question in asked:
        answer = model.ask(question["question"])
        good = correct(answer, question)
        right += good
        if show and not good:
            print(f"  wrong: {question['question']!r} -> {answer!r}, wanted {question['all']}", flush=True)
    return right, len(asked)
