"""The text that `distill_embed.py` trains on, read from documentation that is freely licensed and installable.

| source | where | licence |
|---|---|---|
| WordNet 3.0: words, glosses, example sentences | Debian package `wordnet-base`, /usr/share/wordnet | WordNet 3.0 licence (permissive) |
| the Rust book, reference, Cargo book, Rust by Example and others | `rustup component add rust-docs` | MIT or Apache-2.0 |
| the Python 3 documentation | Debian package `python3.11-doc`, its `_sources` folder | PSF licence, version 2 |

Each item is (text, partner): the partner, where there is one, is a text that answers to it (a gloss to a question
for its word, a paragraph to its heading), so that short questions and longer passages are both seen. What also stands
in `retrieval/` is left out by `distill_embed.py`: the evaluation is no part of the training text.
"""

from __future__ import annotations

import gzip
import html
import random
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

QUESTION_FORMS = [
    "what is {}?", "what is a {}", "what does {} mean?", "define {}", "meaning of {}", "{}", "tell me about {}",
    "can you explain {}?", "{} definition",
]
HEADING_FORMS = ["{}", "how does {} work?", "{}?", "where can I read about {}?", "explain {}", "how do I use {}?"]
BOOKS = ["book", "cargo", "reference", "rust-by-example", "edition-guide", "nomicon", "rustc", "rustdoc",
         "embedded-book", "error_codes", "clippy", "style-guide"]


def words(text: str) -> int:
    return len(text.split())


def clean(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(text)).strip()


def wordnet(folder: Path, rng: random.Random) -> list[tuple[str, str | None]]:
    items: list[tuple[str, str | None]] = []
    for part in ("noun", "verb", "adj", "adv"):
        path = folder / f"data.{part}"
        if not path.exists():
            raise SystemExit(f"{path} is missing: apt-get install wordnet-base, or name its folder with --wordnet")
        for line in path.read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue
            fields, gloss = line.split("|", 1)
            columns = fields.split()
            count = int(columns[3], 16)
            lemmas = [re.sub(r"\(\w+\)$", "", columns[4 + 2 * index]).replace("_", " ") for index in range(count)]
            definition = clean(gloss.split('; "', 1)[0])
            examples = [clean(example) for example in re.findall(r'"([^"]+)"', gloss) if words(example) >= 4]
            lemma = rng.choice(lemmas)
            question = rng.choice(QUESTION_FORMS).format(lemma)
            named = f"{', '.join(lemmas[:3])}: {definition}" if rng.random() < 0.5 else definition
            items.append((question, named))
            items.extend((example, None) for example in examples[:2])
    return items


class _Page(HTMLParser):
    """Headings and paragraphs of a page, without navigation and code blocks."""

    SKIPPED = {"script", "style", "nav", "pre", "button", "head"}
    BLOCKS = {"h1", "h2", "h3", "h4", "p", "li", "dd"}

    def __init__(self) -> None:
        super().__init__()
        self.skipping, self.tag, self.text = 0, "", ""
        self.blocks: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        if tag in self.SKIPPED:
            self.skipping += 1
        elif tag in self.BLOCKS:
            self.flush()
            self.tag = tag

    def handle_endtag(self, tag):
        if tag in self.SKIPPED:
            self.skipping = max(0, self.skipping - 1)
        elif tag in self.BLOCKS:
            self.flush()

    def handle_data(self, data):
        if not self.skipping and self.tag:
            self.text += data

    def flush(self):
        text = clean(self.text).replace("§", "").strip()
        if text:
            self.blocks.append((self.tag, text))
        self.tag, self.text = "", ""


def paired(blocks: list[tuple[str, str]], rng: random.Random) -> list[tuple[str, str | None]]:
    items: list[tuple[str, str | None]] = []
    heading = ""
    fresh = False
    for tag, text in blocks:
        if tag.startswith("h"):
            heading, fresh = text, True
        elif words(text) >= 6:
            if fresh and 1 <= words(heading) <= 12:
                items.append((rng.choice(HEADING_FORMS).format(heading), text))
                fresh = False
            else:
                items.append((text, None))
    return items


def rust(folder: Path, rng: random.Random) -> list[tuple[str, str | None]]:
    items: list[tuple[str, str | None]] = []
    pages = [page for book in BOOKS for page in sorted((folder / book).rglob("*.html")) if page.name != "print.html"]
    pages += sorted((folder / "std").rglob("index.html")) + sorted((folder / "std").rglob("struct.*.html"))
    if not pages:
        raise SystemExit(f"no pages under {folder}: rustup component add rust-docs, or name the folder with --rust")
    for page in pages:
        reader = _Page()
        reader.feed(page.read_text(encoding="utf-8", errors="replace"))
        items.extend(paired(reader.blocks, rng))
    return items


def python(folder: Path, rng: random.Random) -> list[tuple[str, str | None]]:
    pages = sorted(path for path in folder.rglob("*.rst.txt*") if "whatsnew" not in path.parts)
    if not pages:
        raise SystemExit(f"no sources under {folder}: apt-get install python3.11-doc, or name the folder with --python")
    items: list[tuple[str, str | None]] = []
    for page in pages:
        raw = gzip.open(page, "rb").read() if page.suffix == ".gz" else page.read_bytes()
        blocks: list[tuple[str, str]] = []
        for block in re.split(r"\n\s*\n", raw.decode("utf-8", "replace")):
            lines = block.strip("\n").splitlines()
            if not lines or lines[0].lstrip().startswith((".. ", ">>>", "|", "+--", "...")):
                continue
            if len(lines) >= 2 and re.fullmatch(r"([=\-~^*#\"'])\1{2,}", lines[-1].strip()):
                blocks.append(("h2", clean(re.sub(r":\w+(?::\w+)?:|[`*]", "", lines[-2]))))
            else:
                text = re.sub(r":\w+(?::\w+)?:`~?([^`<]+)[^`]*`", r"\1", " ".join(line.strip() for line in lines))
                blocks.append(("p", clean(re.sub(r"[`*]", "", text))))
        items.extend(paired(blocks, rng))
    return items


def rust_folder() -> Path:
    root = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    return Path(root) / "share" / "doc" / "rust" / "html"


def load(wordnet_folder: Path, rust_docs: Path, python_docs: Path, seed: int) -> list[tuple[str, str | None]]:
    """All items without repetitions, in one fixed random order, texts cut to 45 words."""
    rng = random.Random(seed)
    items = wordnet(wordnet_folder, rng) + rust(rust_docs, rng) + python(python_docs, rng)
    cut = [(" ".join(a.split()[:45]), " ".join(b.split()[:45]) if b else None) for a, b in items]
    seen: set[str] = set()
    unique = [item for item in cut if not ((item[1] or item[0]) in seen or seen.add(item[1] or item[0]))]
    rng.shuffle(unique)
    return unique
