"""Zero-shot tasks as JSONL files: what an item looks like, and how it is read.

Four kinds of lines, told apart by their fields:

- ``query``, ``choices``, ``gold``: which choice continues the query?
- ``context_options``, ``continuation``, ``gold``: behind which context does it fit best?
- ``context``, ``continuation``: is this word what the model says next?

A query that begins with "Question:" is answered behind "Answer:". Two tasks ship, made from
held-out public-domain text by `workloads.sparsity.make_tasks`.
"""

import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from seneca_sim.errors import InputError
from seneca_sim.files import parse_json

SHIPPED = ("continuation", "cloze")
"""Tasks that ship: four-way continuation of a passage, and its last word."""


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        pairs: context and continuation of each choice; one pair for a last-word item.
        gold: which is right.
    """

    pairs: tuple[tuple[str, str], ...]
    gold: int


@dataclass(frozen=True)
class Task:
    """A named list of items; `choices` are how many the first has, 1 for last words."""

    name: str
    items: tuple[Item, ...]

    @property
    def choices(self) -> int:
        """Choices of an item."""
        return len(self.items[0].pairs)

    def first(self, n: int | None) -> "Task":
        """The first `n` items; all for None."""
        return self if n is None else Task(self.name, self.items[:n])


def shipped_task(name: str) -> Task:
    """One of the tasks that ship."""
    return read_task(Path(str(resources.files("workloads.zoo") / f"{name}.jsonl.xz")), name)


def find_task(name: str) -> Task:
    """A shipped task by name, or a ``.jsonl`` or ``.jsonl.xz`` file by path.

    Raises:
        InputError: neither.
    """
    if name in SHIPPED:
        return shipped_task(name)
    if not Path(name).exists():
        raise InputError(
            f"task {name!r}: neither a file nor one that ships ({', '.join(SHIPPED)}); "
            "give a .jsonl or .jsonl.xz file"
        )
    return read_task(name)


def read_task(path: str | Path, name: str | None = None) -> Task:
    """Read a file of items.

    Raises:
        InputError: it cannot be read, or a line is not an item; names the line.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    items = tuple(_items(text.splitlines(), str(path)))
    if not items:
        raise InputError(f"{path}: there is no item in it")
    return Task(name or path.name.split(".")[0], items)


def _items(lines: Iterable[str], where: str) -> Iterable[Item]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _item(parse_json(line))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise InputError(
                    f"{where}:{number}: is no item ({type(error).__name__}: {error}); expected "
                    "query, choices, gold; or context_options, continuation, gold; or context, "
                    "continuation"
                ) from error


def _item(fields: dict[str, Any]) -> Item:
    if "choices" in fields:
        context = _question(str(fields["query"]))
        pairs = [(context, f" {choice}") for choice in fields["choices"]]
    elif "context_options" in fields:
        behind = f" {fields['continuation']}"
        pairs = [(str(option), behind) for option in fields["context_options"]]
    else:
        pairs = [(str(fields["context"]), f" {fields['continuation']}")]
    gold = int(fields["gold"]) if len(pairs) > 1 else 0
    if not 0 <= gold < len(pairs):
        raise IndexError(f"gold {gold} of {len(pairs)} choices")
    return Item(tuple(pairs), gold)


def _question(query: str) -> str:
    if query.startswith("Question:"):
        return query.rstrip("\n") + "\nAnswer:"
    return query
