"""Check a program's values against torch from the empty state: for families without such traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seneca_sim.functional import MemoryImage
from seneca_sim.program import Program
from workloads.compiler.check import SiteCheck, compare_sites
from workloads.compiler.precision import precision
from workloads.job.inputs import Inputs
from workloads.job.load import load_over_bytes
from workloads.job.onto_chip import OntoChip, onto_chip, rounded
from workloads.job.prepare import variants

Floats = NDArray[np.float32]
Compile = Callable[[Mapping[str, str | int]], Program]


def check_from_start(
    inputs: Inputs, bits: str, compile_shape: Compile
) -> dict[str, list[SiteCheck]]:
    """Run every variant's tokens, context included, through torch and through the program.

    At each site the program's own vector is compared with torch's, and then torch's is delivered;
    states, keys and values are the program's own throughout.

    Args:
        inputs: model, thresholds and text.
        bits: of the matrices; torch gets them rounded alike.
        compile_shape: from family and dimensions to a program.

    Raises:
        InputError: a model that is not over bytes, or a recipe of another one.
    """
    model = load_over_bytes(inputs, "check values from Python with tokens of your own")
    chip = onto_chip(model)
    program = compile_shape(chip.shape)
    stored = as_applied(chip, program, bits)
    return {
        name: check_tokens(program, stored, chip.tensors, inputs.windows, thresholds or {})
        for name, thresholds in variants(inputs).items()
    }


def as_applied(chip: OntoChip, program: Program, bits: str) -> OntoChip:
    """The model as the program's weights hold it."""
    width = precision(bits).bits
    if width == 16:  # values are checked at fp32, where nothing is rounded
        return chip
    packed = {region.tensor for region in program.regions if region.word_bits == width}
    return rounded(chip, sorted(packed), width)


def check_tokens(
    program: Program,
    stored: OntoChip,
    tensors: Mapping[str, Floats],
    windows: Sequence[Sequence[int]],
    thresholds: Mapping[str, float],
) -> list[SiteCheck]:
    """Compare every site that torch sees, token by token.

    Args:
        program: of the model.
        stored: the model with its matrices as the program holds them.
        tensors: what the program's memories are filled from.
        windows: tokens of each sequence from its start, as many of each.
        thresholds: T by sparse site.
    """
    seen = _in_turns([stored.recorded(tokens, thresholds) for tokens in windows])
    expected = {site.name: seen[site.name] for site in program.sites if site.name in seen}
    image = MemoryImage.load(program, tensors)
    inputs = _in_turns([{"emb": stored.embed(tokens)} for tokens in windows])
    return compare_sites(program, image, inputs, expected, thresholds)


def _in_turns(sequences: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """Vectors of sequences side by side, [tokens, width]: the first of every sequence first."""
    return {
        name: np.stack([seen[name] for seen in sequences], 1).reshape(-1, rows.shape[1])
        for name, rows in sequences[0].items()
    }
