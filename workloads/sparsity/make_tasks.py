"""Make the two tasks for byte models out of a text: next sentence, and last word.

The text is taken in blocks of one book each. Items are made of sentences that follow one another
in a paragraph; line breaks inside a paragraph become spaces, nothing else is changed. Everything
random comes from one seed.
"""

import json
import lzma
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes

BLOCK = 20_000
"""Bytes of the text that belong together; the held-out text is made of such blocks."""

SENTENCE_BYTES = (30, 200)
"""Shortest and longest sentence that is asked for."""

CONTEXT_BYTES = {"continuation": (80, 240), "cloze": (100, 600)}
"""Least and most context; it begins at a sentence."""

ITEMS_PER_BLOCK = {"continuation": 8, "cloze": 12}

_END = re.compile(r"(?:(?<=[a-z][.!?])|(?<= [.!?])) (?=[A-Z])")
_WORD = re.compile(r"^(.*) ([a-z]{4,}) ?[.!?]$")


def make_tasks(text: bytes, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Items of both tasks by name.

    Args:
        text: held-out text, blocks of one book each.
        seed: what everything random depends on.

    Raises:
        InputError: a text that gives no item.
    """
    rng = random.Random(seed)
    tasks: dict[str, list[dict[str, Any]]] = {"continuation": [], "cloze": []}
    for start in range(0, len(text), BLOCK):
        paragraphs = list(_paragraphs(text[start : start + BLOCK]))
        found = {"continuation": _continuations(paragraphs, rng), "cloze": _clozes(paragraphs)}
        for name, items in found.items():
            tasks[name] += _some(list(items), ITEMS_PER_BLOCK[name], rng)
    for name, items in tasks.items():
        if not items:
            raise InputError(f"text: gives no item for {name!r}; it needs whole paragraphs")
    return tasks


def write_tasks(text: bytes, folder: str | Path, seed: int = 0) -> dict[str, int]:
    """Write ``{name}.jsonl.xz`` files; returns how many items each holds."""
    counts = {}
    for name, items in make_tasks(text, seed).items():
        lines = "".join(json.dumps(item) + "\n" for item in items)
        write_bytes(Path(folder) / f"{name}.jsonl.xz", lzma.compress(lines.encode(), preset=9))
        counts[name] = len(items)
    return counts


def _paragraphs(block: bytes) -> Iterator[list[str]]:
    """Sentences by paragraph, without the first and the last of each."""
    for raw in block.split(b"\n\n"):
        if raw.isascii():
            sentences = _END.split(" ".join(raw.decode().split()))
            yield sentences[1:-1]  # ends may be headings or broken off


def _continuations(paragraphs: list[list[str]], rng: random.Random) -> Iterator[dict[str, Any]]:
    usable = [(p, i) for p, sentences in enumerate(paragraphs) for i in range(len(sentences))
              if _fits(sentences[i])]  # fmt: skip
    for p, i in usable:
        context = _context(paragraphs[p], i, CONTEXT_BYTES["continuation"])
        truth = paragraphs[p][i]
        # Sentences near by may follow as well as the true one does: take others.
        others = [paragraphs[q][j] for q, j in usable if q != p or abs(i - j) > 4]
        others = [o for o in others if 2 * len(truth) > len(o) > len(truth) / 2 and o != truth]
        if context is None or len(others) < 3:
            continue
        choices = [truth, *rng.sample(others, 3)]
        rng.shuffle(choices)
        yield {"query": context, "choices": choices, "gold": choices.index(truth)}


def _clozes(paragraphs: list[list[str]]) -> Iterator[dict[str, Any]]:
    """Last words that came up before, so that the passage can tell them."""
    for sentences in paragraphs:
        for i, sentence in enumerate(sentences):
            match = _WORD.match(sentence)
            context = _context(sentences, i, CONTEXT_BYTES["cloze"])
            if context is None or match is None or not _fits(sentence):
                continue
            before, word = match.groups()
            passage = f"{context} {before}"
            if re.search(rf"\b{word}\b", passage):
                yield {"context": passage, "continuation": word}


def _context(sentences: list[str], i: int, size: tuple[int, int]) -> str | None:
    """As many whole sentences before sentence `i` as fit; None for too few bytes."""
    least, most = size
    for first in range(i):
        context = " ".join(sentences[first:i])
        if len(context) <= most:
            return context if len(context) >= least else None
    return None


def _fits(sentence: str) -> bool:
    shortest, longest = SENTENCE_BYTES
    return shortest <= len(sentence) <= longest


def _some(items: list[dict[str, Any]], most: int, rng: random.Random) -> list[dict[str, Any]]:
    """A few of a block's items, in their order."""
    chosen = sorted(rng.sample(range(len(items)), min(most, len(items))))
    return [items[i] for i in chosen]
