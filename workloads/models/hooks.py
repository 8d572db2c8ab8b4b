"""Taps on any `torch.nn.Module`: hooks on the inputs of its Linear layers.

Layers that are given the very same tensor, such as the query, key and value projections of an
attention, are one site: the tap runs once and all of them get what it made.
"""

import fnmatch
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator

from torch import Tensor, nn

from seneca_sim.errors import InputError
from workloads.models.sites import Tap, check_site_names, no_tap


@dataclass(frozen=True)
class Hooked:
    """Modules that make up one site: Linear layers with a common input, or one gate."""

    name: str
    modules: tuple[nn.Module, ...]
    macs: int
    gate: bool = False


class Hooks:
    """Hooks on the modules of sites; they pass everything until `tapping` sets a tap.

    The tap belongs to the thread that set it, so that batches may run side by side.
    """

    def __init__(self, sites: Sequence[Hooked]) -> None:
        self._local = threading.local()
        self._handles = []
        for site in sites:
            for module in site.modules:
                handle = (
                    module.register_forward_hook(self._after(site.name))
                    if site.gate
                    else module.register_forward_pre_hook(self._before(site.name))
                )
                self._handles.append(handle)

    @contextmanager
    def tapping(self, tap: Tap) -> Iterator[None]:
        """Send every site of this thread's forwards through `tap`."""
        before = getattr(self._local, "tap", no_tap)
        self._local.tap = tap
        try:
            yield
        finally:
            self._local.tap = before
            self._local.last = None

    def remove(self) -> None:
        """Take the hooks off the modules."""
        for handle in self._handles:
            handle.remove()

    def _before(self, name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
            tap = getattr(self._local, "tap", None)
            if tap is None:
                return None
            return (self._shared(name, inputs[0], tap), *inputs[1:])

        return hook

    def _after(self, name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
            tap = getattr(self._local, "tap", None)
            return None if tap is None else tap(name, output)

        return hook

    def _shared(self, name: str, x: Tensor, tap: Tap) -> Tensor:
        """The tap's answer for this tensor; made once where several layers share it."""
        last = getattr(self._local, "last", None)
        if last is not None and last[0] == name and last[1] is x:
            made: Tensor = last[2]
            return made
        made = tap(name, x)
        self._local.last = (name, x, made)
        return made


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Every Linear layer by its dotted name.

    Raises:
        InputError: there is none.
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    if not layers:
        raise InputError(f"{type(model).__name__} has no torch.nn.Linear layer, so no sites")
    return layers


def matching(model: nn.Module, patterns: Sequence[str]) -> list[Hooked]:
    """One site for each Linear layer whose dotted name fits a pattern such as ``*.fc1``.

    Raises:
        InputError: a pattern that fits none; names the nearest layer.
    """
    layers = linear_layers(model)
    wanted: dict[str, nn.Linear] = {}
    for pattern in patterns:
        found = {n: m for n, m in layers.items() if fnmatch.fnmatchcase(n, pattern)}
        if not found:
            _no_match(pattern, list(layers))
        wanted |= found
    return [Hooked(n, (m,), macs(m)) for n, m in layers.items() if n in wanted]


def macs(module: nn.Module) -> int:
    """MACs per token of a Linear layer."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.numel()


def _no_match(pattern: str, names: list[str]) -> None:
    """Say which layer comes nearest: of the last parts of names, as patterns end in those."""
    tail = pattern.rpartition(".")[2]
    ends: Mapping[str, str] = {name.rpartition(".")[2]: name for name in reversed(names)}
    if "*" in pattern and tail not in ends and ends:
        check_site_names([tail], list(ends), "patterns")
    check_site_names([pattern], names, "patterns")
