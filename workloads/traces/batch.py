"""Traces of several sequences that run side by side: token t is of sequence t mod B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seneca_sim.errors import InputError
from workloads.traces.trace import ActivationTrace, SiteTrace


def in_turns(pieces: Sequence[ActivationTrace]) -> ActivationTrace:
    """One trace whose tokens take turns: the first of every sequence, then the second, and so on.

    The state before the first token differs from sequence to sequence, so the trace has none; that
    of a single sequence is kept, as is everything else of it. Where sequences are not equally far,
    `context` is that of the farthest.

    Args:
        pieces: one trace a sequence, of one model and variant, all of the same number of tokens.

    Raises:
        InputError: no trace, or such as do not belong together.
    """
    if not pieces:
        raise InputError("sequences side by side: expected at least one trace")
    first = pieces[0]
    if len(pieces) == 1:
        return first
    kinds = {(p.model, p.variant, len(p.tokens), frozenset(p.sites)) for p in pieces}
    if len(kinds) > 1:
        raise InputError(
            "sequences side by side: their traces differ in model, variant, sites or length; "
            "record them alike"
        )
    order = np.arange(len(pieces) * len(first.tokens)).reshape(len(pieces), -1).T.reshape(-1)
    sites = {name: _mixed([p.sites[name] for p in pieces], order) for name in first.sites}
    tokens = np.concatenate([p.tokens for p in pieces])[order]
    contexts = [p.context for p in pieces if p.context is not None]
    return replace(first, tokens=tokens, sites=sites, state={}, context=max(contexts, default=None))


def in_pieces(trace: ActivationTrace, batch: int) -> ActivationTrace:
    """Cut a trace into `batch` pieces that do not overlap, and let them take turns.

    Tokens that are left over at the end are left out.

    Raises:
        InputError: fewer tokens than pieces.
    """
    if batch < 2:
        return trace
    each = len(trace.tokens) // batch
    if not each:
        raise InputError(
            f"mapping.batch is {batch}, but the trace has {len(trace.tokens)} tokens to cut into "
            "that many sequences; give a longer trace, or fewer sequences"
        )
    return in_turns([trace.slice(s * each, (s + 1) * each) for s in range(batch)])


def _mixed(pieces: Sequence[SiteTrace], order: np.ndarray) -> SiteTrace:
    width = pieces[0].width
    mask = np.concatenate([p.mask for p in pieces])[order]
    if any(p.values is None for p in pieces):
        return SiteTrace(width, mask)
    full = np.concatenate([p.filled() for p in pieces])[order]
    return SiteTrace(width, mask, full[mask])
