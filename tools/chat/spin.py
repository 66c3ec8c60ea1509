"""Texts with alternatives: `[a|b]` stands for one of its parts, `{name}` for a text of that name; both nest."""

from __future__ import annotations

import random
import re

CHOICE = re.compile(r"\[([^\[\]]*)\]")


def spin(text: str, rng: random.Random, names: dict[str, str] | None = None) -> str:
    """One of the texts that `text` stands for."""
    for name, value in (names or {}).items():
        text = text.replace("{" + name + "}", value)
    while found := CHOICE.search(text):
        text = text[: found.start()] + rng.choice(found.group(1).split("|")) + text[found.end() :]
    return re.sub(r" {2,}", " ", text).strip()
