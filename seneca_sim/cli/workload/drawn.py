"""Workloads without a model: a trace that was recorded, or masks drawn from densities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seneca_sim.cli.options import drawing_of
from seneca_sim.cli.replay import TOKENS, refuse_settled, replayed
from seneca_sim.cli.settings import Settings
from seneca_sim.cli.workload.base import (
    DENSE,
    LOSS_INC,
    NATURAL,
    RECIPE,
    SPARSIFIED,
    VARIANT,
    StudyWorkload,
    Tell,
    masks_only,
)
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from workloads.job.drawn import Drawing
    from workloads.traces import ActivationTrace


class ReplayedTrace(StudyWorkload):
    """A trace file: its own variant, or dense."""

    def __init__(self, path: Path) -> None:
        from workloads.traces import read_trace

        trace = read_trace(path)
        self.name = path.stem
        self._shape: Mapping[str, object] = dict(trace.shape)
        self._hash = trace.content_hash
        self._variant = trace.variant
        self._traces = {"": masks_only(trace), DENSE: masks_only(trace.dense())}

    @property
    def shape(self) -> Mapping[str, object]:
        """The trace's."""
        return self._shape

    def defaults(self, run: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
        """All tokens of the trace."""
        refuse_settled(run, given)
        batch = max(1, Settings(run=run).whole("mapping.batch"))
        return {} if TOKENS in given else {TOKENS: str(len(self._traces[""].tokens) // batch)}

    def check(self, run: Mapping[str, str]) -> None:
        """Only the trace's own variant, and dense."""
        known = ("", self._variant, DENSE)
        if run[VARIANT] not in known:
            raise InputError(
                f"--set {VARIANT}={run[VARIANT]}: trace {self.name} is {self._variant}; expected "
                f"{self._variant} or {DENSE}"
            )
        self.refuse({**run, VARIANT: ""}, "sparsity.recipe", "sparsity.loss_inc")
        self.trace(run)

    def content(self, run: Mapping[str, str]) -> Mapping[str, object]:
        """The trace."""
        return {"trace": self._hash}

    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> bool:
        """All is there."""
        return False

    def trace(self, run: Mapping[str, str]) -> ActivationTrace:
        """The first tokens of the trace, or of its dense form."""
        trace = self._traces[DENSE if run[VARIANT] == DENSE else ""]
        return replayed(trace, Settings(run=run, given=frozenset({TOKENS})))


class DrawnTrace(StudyWorkload):
    """Masks drawn for a shape, each site at a density; `workload.tokens` tokens of them."""

    def __init__(
        self, name: str, shape: Mapping[str, object], densities: Mapping[str, float], seed: int
    ) -> None:
        """Take the shape and draw one token, which checks all that can be wrong.

        Args:
            name: for people.
            shape: as in `workloads.traces.TraceShape`.
            densities: share kept by site or kind of site; "" for all that are not named.
            seed: of the drawing.
        """
        from workloads.traces.sites import check_shape

        self.name, self.seed = name, seed
        self._shape: Mapping[str, object] = {**check_shape(shape)}
        self.densities = dict(densities)
        self._traces: dict[tuple[str, str], ActivationTrace] = {}
        self._draw("1", "1")

    @property
    def shape(self) -> Mapping[str, object]:
        """As it was given, checked."""
        return self._shape

    def content(self, run: Mapping[str, str]) -> Mapping[str, object]:
        """Everything that the drawing depends on but the number of tokens, which is a setting."""
        return {"shape": self.shape, "densities": self.densities, "seed": self.seed}

    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> bool:
        """Draw once for each number of tokens and sequences."""
        missing = [size for size in dict.fromkeys(map(_size, runs)) if size not in self._traces]
        for size in missing:
            self._traces[size] = self._draw(*size)
        return bool(missing)

    def trace(self, run: Mapping[str, str]) -> ActivationTrace:
        """The masks of a run."""
        return self._traces[_size(run)]

    def _draw(self, tokens: str, batch: str) -> ActivationTrace:
        from workloads.traces import in_pieces, synthesise
        from workloads.traces.sites import block_sites, check_shape, kind_of

        shape = check_shape(self.shape)
        named = {name: value for name, value in self.densities.items() if name}
        for site in block_sites(shape):
            if "" in self.densities and site not in named and kind_of(site) not in named:
                named[site] = self.densities[""]
        count = int(tokens) * max(1, int(batch))
        return in_pieces(synthesise(shape, named, tokens=count, seed=self.seed), int(batch))


def _size(run: Mapping[str, str]) -> tuple[str, str]:
    """Tokens of a sequence, and sequences."""
    return run["workload.tokens"], run["mapping.batch"]


class DrawnShape(StudyWorkload):
    """A shape of the zoo or of a file: masks drawn from its densities, as `run` draws them.

    `workload.variant` is dense or one that has densities (default: sparsified if there are
    thresholds' densities, else natural, else dense).
    """

    def __init__(self, workload: str) -> None:
        from workloads import zoo
        from workloads.traces import trace_shape

        self._card = zoo.load_shape(workload)
        self.name = self._card.name
        self._shape: Mapping[str, object] = {**trace_shape(self._card.shape)}
        self._traces: dict[tuple[str, Drawing], ActivationTrace] = {}

    @property
    def shape(self) -> Mapping[str, object]:
        """The file's."""
        return self._shape

    def check(self, run: Mapping[str, str]) -> None:
        """Only variants with densities."""
        known = (DENSE, *self._card.variants)
        if run[VARIANT] and run[VARIANT] not in known:
            raise InputError(
                f"--set {VARIANT}={run[VARIANT]}: {self.name} has densities for {', '.join(known)}"
            )
        self.refuse(run, RECIPE, LOSS_INC)

    def content(self, run: Mapping[str, str]) -> Mapping[str, object]:
        """The shape's file; how it is drawn is in the settings."""
        return {"shape": self._card.sha256}

    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> bool:
        """Draw once for each variant and way of drawing."""
        from workloads.job.drawn import draw_variant

        wanted = dict.fromkeys(map(self._drawing, runs))
        missing = [drawing for drawing in wanted if drawing not in self._traces]
        for variant, how in missing:
            self._traces[variant, how] = draw_variant(self._card, variant, how)
        return bool(missing)

    def trace(self, run: Mapping[str, str]) -> ActivationTrace:
        """The masks of a run."""
        return self._traces[self._drawing(run)]

    def _drawing(self, run: Mapping[str, str]) -> tuple[str, Drawing]:
        named = [v for v in (SPARSIFIED, NATURAL) if v in self._card.variants]
        variant = run[VARIANT] or (named or [DENSE])[0]
        return variant, drawing_of(Settings(run=run))
