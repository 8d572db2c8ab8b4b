"""RunResult: one priced run, and the pure function that makes it from counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.config import Mark
from seneca_sim.cost.energy import CLASSES, EnergyTable
from seneca_sim.cost.ops import OPS
from seneca_sim.engine.activity import Activity, Mode, one_by_one
from seneca_sim.engine.bound import Bound, standing
from seneca_sim.program import EventStream, Program
from seneca_sim.results.book import Book, in_order, total_counts
from seneca_sim.results.bottleneck import Bottleneck, bottleneck_of
from seneca_sim.results.checks import check_activity, check_energy
from seneca_sim.results.ids import activity_id, run_id
from seneca_sim.results.kinds import DENSE_KINDS, KINDS
from seneca_sim.results.marks import STRENGTH
from seneca_sim.results.pieces import HOST_LAYER, pieces_of
from seneca_sim.results.terms import terms_of
from seneca_sim.results.tokens import (
    Peak,
    Tokens,
    background_counts,
    peak_of,
    percentile,
    tokens_of,
)
from seneca_sim.units import si


@dataclass(frozen=True, eq=False)
class RunResult:
    """One run, priced. Energies are whole femtojoules, and every breakdown adds up to the total.

    Attributes:
        label: what reports call the run: dense, natural, sparsified …
        mode: generation or pipelined.
        activity_id: what was simulated; the same for every engine.
        run_id: what was simulated and how it was priced.
        loaded: the chip.
        table: the energy table.
        program: what was run.
        stream: its events.
        activity: what the engine counted.
        book: all energies, piece by piece.
        tokens: time and energy token by token.
        peak: the window of the highest power.
        bottleneck: which unit bounds the run.
        bound: the lower bound on its cycles that it comes nearest to.
    """

    label: str
    mode: Mode
    activity_id: str
    run_id: str
    loaded: LoadedChip
    table: EnergyTable
    program: Program
    stream: EventStream
    activity: Activity
    book: Book
    tokens: Tokens
    peak: Peak
    bottleneck: Bottleneck
    bound: Bound

    @property
    def chip(self) -> Chip:
        """The chip."""
        return self.loaded.chip

    @property
    def cycles(self) -> int:
        """Cycles of the whole run."""
        return self.activity.cycles

    @property
    def time_s(self) -> float:
        """Seconds of the whole run."""
        return self.cycles / self.chip.clock_hz

    def __repr__(self) -> str:
        """One line; the default would print every array."""
        tokens = len(self.tokens.start)
        return (
            f"<RunResult {self.label!r}: {self.program.name} on {self.chip.name}, {tokens} tokens, "
            f"{si(self.energy_fj, 'fJ')}, {si(self.time_s, 's')}, run {self.run_id[:12]}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from seneca_sim.results.notebook import html_of

        return html_of(self)

    # -- energy ------------------------------------------------------------------------------

    @property
    def energy_fj(self) -> int:
        """Everything, leakage included."""
        return self.book.total_fj

    @cached_property
    def by_class(self) -> dict[str, int]:
        """Energy in fJ by class of hardware, in the order of `cost.energy.CLASSES`."""
        return in_order(self.book.total_by(lambda e: e.term.component), CLASSES)

    @cached_property
    def by_op(self) -> dict[str, int]:
        """Energy in fJ by op, in the order of `OPS`."""
        return in_order(self.book.total_by(lambda e: e.term.op), OPS)

    @cached_property
    def by_kind(self) -> dict[str, int]:
        """Energy in fJ by kind of work, in the order of `KINDS`."""
        return in_order(self.book.total_by(lambda e: e.kind), KINDS)

    @cached_property
    def by_mark(self) -> dict[Mark, int]:
        """Energy in fJ by the mark of the weakest number that it rests on, strongest mark first."""
        return in_order(self.book.total_by(lambda e: e.mark), STRENGTH)

    @cached_property
    def by_layer(self) -> dict[int, int]:
        """Energy in fJ by layer without leakage; `HOST_LAYER` is what the host sends."""
        totals = self.book.total_by(lambda e: e.piece.layer if e.piece else None)
        layers = sorted(layer for layer in totals if layer is not None)
        return {layer: totals[layer] for layer in layers}

    @cached_property
    def by_core(self) -> dict[int, int]:
        """Energy in fJ by core without leakage, and under the host's id what the host sends."""
        totals = self.book.total_by(lambda e: e.piece.core if e.piece else -1)
        return {core: totals.get(core, 0) for core in range(self.chip.cores + 1)}

    @cached_property
    def npe_cycles_by_kind(self) -> dict[str, int]:
        """Busy cycles of all NPEs together, by kind of work."""
        totals = dict.fromkeys(KINDS, 0)
        for piece in self.book.pieces:
            totals[piece.kind] += piece.npe_cycles
        return {kind: cycles for kind, cycles in totals.items() if cycles}

    @property
    def dense_fj(self) -> int:
        """Energy in fJ of dense work: what sparsity cannot save."""
        return sum(self.by_kind.get(kind, 0) for kind in DENSE_KINDS)

    # -- time and power ----------------------------------------------------------------------

    def energy_percentile_fj(self, percent: int) -> int:
        """The energy that `percent` of the tokens do not exceed; that of an actual token."""
        return percentile(self.tokens.energy_fj, percent)

    def latency_percentile_cycles(self, percent: int) -> int:
        """The latency that `percent` of the tokens do not exceed; that of an actual token."""
        return percentile(self.tokens.latency_cycles, percent)

    @property
    def average_power_w(self) -> float:
        """Energy over time."""
        return self.energy_fj * self.chip.clock_hz / (max(1, self.cycles) * 10**15)

    @property
    def peak_power_w(self) -> float:
        """Power in the highest window."""
        return self.peak.power_w(self.chip.clock_hz)

    @property
    def energy_delay_js(self) -> float:
        """Mean energy per token times mean latency per token, in J s."""
        count = len(self.tokens.start)
        product = sum(self.tokens.energy_fj) * sum(self.tokens.latency_cycles)
        return product / (count * count * self.chip.clock_hz * 10**15)


def price_run(
    loaded: LoadedChip,
    table: EnergyTable,
    program: Program,
    stream: EventStream,
    activity: Activity,
    *,
    label: str,
    mode: Mode,
) -> RunResult:
    """Price what an engine counted, check it against every invariant, and sum it up.

    Args:
        loaded: the chip with its marks.
        table: energies per count.
        program: what ran.
        stream: the events it ran on.
        activity: the counts and cycles.
        label: what to call the run.
        mode: generation or pipelined, as it was simulated.

    Raises:
        InputError: a counted op without a row in the table.
        InternalError: a broken invariant.
    """
    chip = loaded.chip
    check_activity(chip, program, stream, activity)
    pieces = pieces_of(chip, program, activity)
    counts = dict(zip(OPS, total_counts(pieces).tolist(), strict=True))
    background = background_counts(chip, program, activity)
    counts |= background
    terms = terms_of(counts, table, chip)
    book = Book(loaded, pieces, terms)
    tokens = tokens_of(terms, activity, one_by_one=one_by_one(mode, program))
    check_energy(book, tokens)
    asked = activity_id(chip, program, stream, mode, activity.window_cycles)
    return RunResult(
        label=label,
        mode=mode,
        activity_id=asked,
        run_id=run_id(asked, loaded, table),
        loaded=loaded,
        table=table,
        program=program,
        stream=stream,
        activity=activity,
        book=book,
        tokens=tokens,
        peak=peak_of(activity, table, chip, background),
        bottleneck=bottleneck_of(chip, program, stream, activity, pieces, mode),
        bound=standing(chip, program, stream, activity),
    )


__all__ = ["HOST_LAYER", "RunResult", "price_run"]
