"""Check a program's values: does it compute, placed and routed, what the model computed.

At every site the program's own values are compared with a recorded trace, and then the recorded
events are delivered, so each site is checked by itself. Needs Numba, not torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional import MemoryImage, run_values
from seneca_sim.functional.parameters import chip_state
from seneca_sim.functional.precision import Precision
from seneca_sim.program import Program, Site
from seneca_sim.program.passes import parts_of
from workloads.compiler.stream import check_shape
from workloads.traces import ActivationTrace, in_turns

Floats = NDArray[np.float32]

TOLERANCE = 1e-5
"""Of the largest value of a vector, for values; of the threshold, for masks."""

STATE_REGIONS = {"att_x": "att.prev", "ffn_x": "ffn.prev", "aa": "aa", "bb": "bb", "pp": "pp"}
"""State of a trace -> region of the memory map."""


@dataclass(frozen=True, slots=True)
class SiteCheck:
    """One vector of the program against the trace.

    Attributes:
        site: full name.
        layer: the layer that receives it; the head is the last.
        token: index in the trace.
        max_error: largest |a - b| over the recorded events, over max |b|.
        mask_differences: channels where only one of the two fires.
        far_from_threshold: those of them whose value is further than 1e-5 T from the threshold
            T, or further than 1e-5 max |b| from 0 where there is no threshold.
    """

    site: str
    layer: int
    token: int
    max_error: float
    mask_differences: int
    far_from_threshold: int

    @property
    def passed(self) -> bool:
        """Whether values agree and masks differ at the threshold only. NaN does not pass."""
        return self.max_error <= TOLERANCE and self.far_from_threshold == 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks in one: how many vectors, which failed, the worst, masks that differ."""

    vectors: int
    failed: tuple[SiteCheck, ...]
    worst: SiteCheck
    mask_differences: int

    @property
    def passed(self) -> bool:
        """Whether every vector passed."""
        return not self.failed

    def __str__(self) -> str:
        """Give the verdict in one line."""
        at = self.failed[0] if self.failed else self.worst
        head = f"{self.vectors} vectors agree, worst"
        if self.failed:
            head = f"{len(self.failed)} of {self.vectors} vectors differ, first"
        return (
            f"{head} {at.site} at token {at.token}: error {at.max_error:.1e} of the largest value "
            f"(limit {TOLERANCE:.0e}); {self.mask_differences} mask bits differ"
        )


def check_values(
    program: Program,
    trace: ActivationTrace | Sequence[ActivationTrace],
    weights: Mapping[str, Floats],
    *,
    free_running: bool = False,
) -> list[SiteCheck]:
    """Run a program's values on a trace's tokens and compare every recorded site.

    Args:
        program: what the compiler made for the model.
        trace: recorded with values, and with the state before its first token; one for each
            sequence of the program, in which case `SiteCheck.token` counts them in turns.
        weights: the model's tensors, fp32, BlinkDL names.
        free_running: deliver the program's own events instead of the recorded ones; errors then
            add up, and a value near a threshold may tip over.

    Raises:
        InputError: trace, weights and program do not belong together, or values are missing.
        DeadlockError: the program waits for something that nobody sends.
    """
    pieces = _by_sequence(program, trace)
    for piece in pieces:
        check_shape(program, piece)
    together = in_turns(pieces)
    inputs = {"emb": _embeddings(together, weights)}
    checks: list[SiteCheck] = []
    for part in parts_of(program) if program.passes else (program,):
        image = load_image(part, trace, weights)
        vectors = _vectors(part, image, together, inputs, free_running=free_running)
        checks += _judged(part, vectors, together)
        inputs = _leaving(part, vectors)  # the host keeps the residual stream between passes
    return checks


def verdict(checks: Sequence[SiteCheck]) -> Verdict:
    """Sum up checks, of which there is at least one."""
    failed = tuple(check for check in checks if not check.passed)
    worst = max(checks, key=lambda check: (not check.passed, check.max_error))
    return Verdict(len(checks), failed, worst, sum(check.mask_differences for check in checks))


def run_tokens(
    program: Program,
    weights: Mapping[str, Floats],
    tokens: Sequence[int],
    *,
    thresholds: Mapping[str, float] | None = None,
    precision: Precision = "fp32",
) -> Iterator[dict[str, Floats]]:
    """Run a program on its own from the empty state; yields the vectors of every site by token.

    Args:
        program: what the compiler made for the model.
        weights: the model's tensors, fp32, BlinkDL names.
        tokens: numbers in the vocabulary; of a program for a batch, those of its sequences in
            turns.
        thresholds: T by sparse site.
        precision: "bf16" for the chip's own.
    """
    image = MemoryImage.load(program, weights, precision)
    if precision == "fp32":  # at bf16 an empty state is 0
        layers = dict(program.shape)["layers"], dict(program.shape)["width"]
        for sequence in range(program.sequences):
            image.set_layers(program, "pp", np.full(layers, -1e30, np.float32), sequence)
    rows: Floats = weights["emb.weight"][np.asarray(tokens)]
    return run_values(program, image, {"emb": rows}, thresholds=thresholds)


def load_image(
    program: Program,
    trace: ActivationTrace | Sequence[ActivationTrace],
    weights: Mapping[str, Floats],
    precision: Precision = "fp32",
) -> MemoryImage:
    """Fill a program's memories with weights and with each sequence's state before its tokens."""
    pieces = _by_sequence(program, trace)
    for piece in pieces:
        check_shape(program, piece)
        if not piece.state:
            raise InputError(
                f"trace of {piece.model}: it has no state before its first token, so values "
                "cannot be run; record it anew or take tokens from the beginning"
            )
    image = MemoryImage.load(program, weights, precision)
    for sequence, piece in enumerate(pieces):
        state = dict(piece.state)
        if precision == "bf16":
            sums = chip_state(state["aa"], state["bb"], state["pp"])
            state["aa"], state["bb"], state["pp"] = sums
        for name, region in STATE_REGIONS.items():
            image.set_layers(program, region, state[name], sequence)
    return image


def _by_sequence(
    program: Program, trace: ActivationTrace | Sequence[ActivationTrace]
) -> tuple[ActivationTrace, ...]:
    pieces = (trace,) if isinstance(trace, ActivationTrace) else tuple(trace)
    if len(pieces) != program.sequences:
        raise InputError(
            f"program {program.name} runs {program.sequences} sequences side by side, but there "
            f"are traces of {len(pieces)}; record one for each"
        )
    return pieces


def compare(
    program: Program,
    image: MemoryImage,
    trace: ActivationTrace,
    inputs: Mapping[str, Floats],
    *,
    free_running: bool = False,
) -> list[SiteCheck]:
    """As `check_values`, on a memory image that is already filled."""
    return _judged(
        program, _vectors(program, image, trace, inputs, free_running=free_running), trace
    )


def compare_sites(
    program: Program,
    image: MemoryImage,
    inputs: Mapping[str, Floats],
    expected: Mapping[str, Floats],
    thresholds: Mapping[str, float],
    *,
    free_running: bool = False,
) -> list[SiteCheck]:
    """Run tokens and compare every site that is expected, [tokens, width] after its threshold."""
    recorded = {} if free_running else expected
    run = run_values(program, image, inputs, thresholds=thresholds, recorded=recorded)
    return _checks(program, run, expected, thresholds)


def _vectors(
    program: Program,
    image: MemoryImage,
    trace: ActivationTrace,
    inputs: Mapping[str, Floats],
    *,
    free_running: bool,
) -> list[dict[str, Floats]]:
    recorded = {} if free_running else _recorded(program, trace)
    run = run_values(program, image, inputs, thresholds=trace.thresholds, recorded=recorded)
    return list(run)


def _recorded(program: Program, trace: ActivationTrace) -> dict[str, Floats]:
    names = (site.name for site in program.sites if site.name in trace.sites)
    return {name: trace.sites[name].filled() for name in names}


def _judged(
    program: Program, run: Sequence[Mapping[str, Floats]], trace: ActivationTrace
) -> list[SiteCheck]:
    return _checks(program, run, _recorded(program, trace), trace.thresholds)


def _checks(
    program: Program,
    run: Iterable[Mapping[str, Floats]],
    expected: Mapping[str, Floats],
    thresholds: Mapping[str, float],
) -> list[SiteCheck]:
    return [
        check_site(site, token, vectors[site.name], expected[site.name][token], thresholds)
        for token, vectors in enumerate(run)
        for site in program.sites
        if site.name in expected
    ]


def _leaving(part: Program, run: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """What the host took of a part, [tokens, width] by site: what it sends to the next."""
    sites = {part.sites[c.site].name for c in part.consumers if c.core == part.host}
    return {name: np.array([vectors[name] for vectors in run]) for name in sites}


def check_site(
    site: Site, token: int, own: Floats, recorded: Floats, thresholds: Mapping[str, float]
) -> SiteCheck:
    """Compare one vector, `own` before the threshold, with what was `recorded` after it."""
    threshold = thresholds.get(site.name, 0.0)
    largest = float(np.abs(recorded).max(initial=0))
    differ = far = 0
    fired = np.ones(recorded.shape, np.bool_)
    if site.kind == "events":
        fired = recorded != 0
        differing = np.abs(own[fired != ~(np.abs(own) <= np.float32(threshold))])
        slack = TOLERANCE * (threshold or largest)
        differ = differing.size
        far = int(np.count_nonzero(~(np.abs(differing - threshold) <= slack)))
    error = float(np.abs(own[fired] - recorded[fired]).max(initial=0))
    relative = error / largest if largest else error * np.inf if error else 0.0
    return SiteCheck(site.name, site.layer, token, relative, differ, far)


def _embeddings(trace: ActivationTrace, weights: Mapping[str, Floats]) -> Floats:
    """Give the rows of the embedding that the host sends, [tokens, width]."""
    expected = trace.shape["vocab"], trace.shape["width"]
    if "emb.weight" not in weights:
        raise InputError("weights: no tensor 'emb.weight', whose rows the host sends")
    table = np.asarray(weights["emb.weight"])
    if table.shape != expected:
        raise InputError(
            f"weights: 'emb.weight' is {' x '.join(map(str, table.shape))}; "
            f"expected {expected[0]} x {expected[1]}"
        )
    rows: Floats = table[trace.tokens].astype(np.float32)
    return rows
