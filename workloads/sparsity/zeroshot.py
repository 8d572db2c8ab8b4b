"""Zero-shot scores by log-likelihood: multiple choice, normalised and not, and last words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seneca_sim.errors import InputError
from workloads.models.sited import AnyModel, sited
from workloads.models.sites import SitedModel, Tap, joined, no_tap
from workloads.sparsity.evaluate import Progress
from workloads.sparsity.tasks import Task

TOKENS_AT_ONCE = 4096
"""Tokens, padding included, that run side by side."""


class Text(Protocol):
    """Text to tokens."""

    begin: int

    def encode(self, text: str) -> list[int]:
        """Tokens of a text."""


class ByteText:
    """One token a byte; a text without context begins behind a line break."""

    begin = 10

    def encode(self, text: str) -> list[int]:
        """UTF-8."""
        return list(text.encode())


@dataclass(frozen=True)
class Score:
    """What a model reached on a task.

    Attributes:
        task: its name.
        items: how many there were.
        accuracy: share that is right: the likeliest choice, or a last word that comes out token
            by token.
        normalised: the same with log-likelihoods divided by the bytes of the choice; None for
            last words.
        nats: mean log-likelihood of the right answer, negative, per token of it.
        chance: what guessing reaches.
    """

    task: str
    items: int
    accuracy: float
    normalised: float | None
    nats: float
    chance: float

    @property
    def stderr(self) -> float:
        """Standard error of `accuracy`."""
        return standard_error(self.accuracy, self.items)

    @property
    def normalised_stderr(self) -> float | None:
        """Standard error of `normalised`."""
        return None if self.normalised is None else standard_error(self.normalised, self.items)


@dataclass(frozen=True)
class Answer:
    """How likely a continuation is: summed log-likelihood, its tokens, and whether greedy."""

    logprob: float
    tokens: int
    greedy: bool


def standard_error(share: float, n: int) -> float:
    """Of a mean of n answers that are right or wrong: the sample deviation over sqrt(n)."""
    return math.sqrt(share * (1 - share) / (n - 1)) if n > 1 else math.nan


def score(
    model: AnyModel,
    task: Task,
    text: Text | None = None,
    *,
    tap: Tap = no_tap,
    work_on: Callable[..., list[Any]] | None = None,
    progress: Progress | None = None,
) -> Score:
    """Let a model answer every item of a task.

    Args:
        model: the model.
        task: the items.
        text: how the model reads text; None for bytes.
        tap: what happens at the sites, such as thresholds.
        work_on: a map over batches, as `side_by_side` gives.
        progress: called after each batch.
    """
    pairs = [pair for item in task.items for pair in item.pairs]
    answers = answer(model, pairs, text, tap=tap, work_on=work_on, progress=progress)
    right, normalised, nats, at = 0, 0, 0.0, 0
    for item in task.items:
        mine = answers[at : at + len(item.pairs)]
        at += len(item.pairs)
        sizes = [len(continuation.encode()) for _, continuation in item.pairs]
        if len(mine) == 1:
            right += mine[0].greedy
        else:
            right += _best([a.logprob for a in mine]) == item.gold
            per_byte = [a.logprob / size for a, size in zip(mine, sizes, strict=True)]
            normalised += _best(per_byte) == item.gold
        nats += mine[item.gold].logprob / mine[item.gold].tokens
    n, choices = len(task.items), task.choices
    return Score(
        task.name,
        n,
        right / n,
        normalised / n if choices > 1 else None,
        nats / n,
        1 / choices if choices > 1 else 0.0,
    )


def answer(
    model: AnyModel,
    pairs: Sequence[tuple[str, str]],
    text: Text | None = None,
    *,
    tap: Tap = no_tap,
    work_on: Callable[..., list[Any]] | None = None,
    progress: Progress | None = None,
) -> list[Answer]:
    """How likely each continuation is behind its context."""
    it = sited(model)
    encoded = [encode_pair(context, more, text or ByteText()) for context, more in pairs]
    tokens = [whole for whole, _ in encoded]
    return answer_tokens(
        it, tokens, [n for _, n in encoded], tap=tap, work_on=work_on, progress=progress
    )


def answer_tokens(
    model: SitedModel,
    sequences: Sequence[Sequence[int]],
    scored: Sequence[int],
    *,
    tap: Tap = no_tap,
    work_on: Callable[..., list[Any]] | None = None,
    progress: Progress | None = None,
) -> list[Answer]:
    """How likely the last `scored` tokens of each sequence are behind those before them.

    Sequences of like length run side by side, padded on the right, which no causal model sees.
    A sequence longer than the model's positions loses its beginning.

    Raises:
        InputError: nothing to score, or activations that are not numbers.
    """
    longest = None if model.positions is None else model.positions + 1
    rows = [torch.tensor(list(s)[-longest:] if longest else list(s)) for s in sequences]
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    out: dict[int, Answer] = {}
    groups = _groups(order, rows)

    def one(group: list[int]) -> list[Answer]:
        found = _answers(model, [rows[i] for i in group], [scored[i] for i in group], tap)
        out.update(zip(group, found, strict=True))
        if progress is not None:
            progress(len(out), len(rows), "answering")
        return found

    _ = work_on(one, groups) if work_on else [one(group) for group in groups]
    return [out[i] for i in range(len(rows))]


def encode_pair(context: str, continuation: str, text: Text) -> tuple[list[int], int]:
    """Tokens of both together, and how many at the end belong to the continuation.

    Both are encoded as one text, so a token may not start in one and end in the other: what the
    context alone takes is its share.

    Raises:
        InputError: an empty continuation.
    """
    before = text.encode(context) if context else [text.begin]
    whole = text.encode(context + continuation) if context else before + text.encode(continuation)
    scored = len(whole) - len(before)
    if scored < 1:
        raise InputError(f"continuation {continuation!r} has no token of its own")
    return whole, scored


def _groups(order: list[int], rows: list[Tensor]) -> list[list[int]]:
    """Neighbours in length that fit together, the longest first."""
    groups: list[list[int]] = []
    for i in order:
        fits = groups and (len(groups[-1]) + 1) * len(rows[groups[-1][0]]) <= TOKENS_AT_ONCE
        if fits:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _answers(
    model: SitedModel, rows: list[Tensor], scored: list[int], tap: Tap
) -> list[Answer]:
    inputs = pad_sequence([row[:-1] for row in rows], batch_first=True)
    carry = joined(list(model.run(0, model.stages, model.start(inputs), tap)))
    # The head is a large part of a small model: only where something is predicted.
    picked = [carry[0][i, len(row) - 1 - n : len(row) - 1] for i, (row, n) in
              enumerate(zip(rows, scored, strict=True))]  # fmt: skip
    logits = model.logits((torch.cat(picked)[None],), tap)[0].float()
    if not bool(torch.isfinite(logits).all()):
        raise InputError("logits: NaN or infinity among the activations; check the weights")
    targets = torch.cat([row[len(row) - n :] for row, n in zip(rows, scored, strict=True)])
    found = logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0].double()
    greedy = logits.argmax(-1) == targets
    return [
        Answer(float(part.sum()), len(part), bool(hit.all()))
        for part, hit in zip(found.split(scored), greedy.split(scored), strict=True)
    ]


def _best(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
