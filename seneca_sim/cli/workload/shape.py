"""The workload of a study that is a shape: densities by site and layer, and no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seneca_sim.cli.workload.base import LOSS_INC, RECIPE, VARIANT, StudyWorkload, Tell
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from workloads.traces import ActivationTrace

DRAWN_BY = (
    VARIANT, "workload.tokens", "workload.seed", "workload.token_correlation",
    "workload.hot_channels",
)  # fmt: skip
"""Settings that the masks depend on."""


class ShapedModel(StudyWorkload):
    """A shape of the zoo or a shape file; masks are drawn as `run` draws them."""

    def __init__(self, name: str) -> None:
        """Read the shape.

        Args:
            name: of the zoo, or a file.
        """
        from workloads import zoo
        from workloads.traces import trace_shape

        self.card = zoo.load_shape(name)
        self.name, self.shape = self.card.name, dict(trace_shape(self.card.shape))
        self._traces: dict[tuple[str, ...], ActivationTrace] = {}

    def check(self, run: Mapping[str, str]) -> None:
        """A variant that densities are known for; no model, so no search for thresholds."""
        self.refuse(run, RECIPE, LOSS_INC)
        known = ("", "dense", *self.card.variants)
        if run[VARIANT] not in known:
            raise InputError(
                f"--set {VARIANT}={run[VARIANT]}: {self.name} has densities for "
                f"{', '.join(known[1:])}"
            )

    def content(self, run: Mapping[str, str]) -> object:
        """The shape file, and how the masks are drawn."""
        return [self.card.sha256, [run[path] for path in DRAWN_BY if path != "workload.tokens"]]

    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> None:
        """Draw once for each variant and way of drawing."""
        for run in runs:
            self.trace(run)

    def trace(self, run: Mapping[str, str]) -> ActivationTrace:
        """The masks of a run; the first variant with densities where none is asked for."""
        from seneca_sim.cli.options import drawing_of
        from seneca_sim.cli.settings import Settings
        from workloads.job.drawn import draw_variant

        key = tuple(run[path] for path in DRAWN_BY)
        if key not in self._traces:
            variant = run[VARIANT] or next(iter(self.card.variants), "dense")
            own = {path: run[path] for path in DRAWN_BY}
            self._traces[key] = draw_variant(self.card, variant, drawing_of(Settings(run=own)))
        return self._traces[key]
