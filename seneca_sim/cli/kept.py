"""The events of a run, kept in its folder: `timeline` makes the run again from them alone.

RUN/LABEL/trace.safetensors   schema seneca-trace/1, masks only; none for a derived dense run

A checkpoint, a text or a shape file may move or change; what was simulated does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seneca_sim.cli.workload.base import masks_only
from seneca_sim.results.folder import label_folders

if TYPE_CHECKING:
    from workloads.traces import ActivationTrace

TRACE_FILE: Final = "trace.safetensors"
KEPT_BYTES = 64_000_000
"""Most bytes of masks that a run folder keeps; more, and it says how to do without."""


def kept_traces(traces: Mapping[str, ActivationTrace], labels: Sequence[str]) -> dict[str, bytes]:
    """Files for a run folder, by their path in it; none where they would be too large.

    Args:
        traces: by variant, without a dense one that is derived.
        labels: of all variants, in the order of the results.
    """
    from workloads.traces.file import encode

    masks = sum(site.mask.size for trace in traces.values() for site in trace.sites.values())
    if masks // 8 > KEPT_BYTES:
        return {}
    folders = dict(zip(labels, label_folders(labels), strict=True))
    return {
        f"{folders[label]}/{TRACE_FILE}": encode(masks_only(trace))
        for label, trace in traces.items()
    }


def read_kept(run: str, labels: Sequence[str]) -> dict[str, ActivationTrace]:
    """The traces that a run folder keeps, by variant; empty for a folder that has none.

    Raises:
        InputError: a file is damaged.
    """
    from workloads.traces import read_trace

    found = {}
    for label, folder in zip(labels, label_folders(labels), strict=True):
        path = Path(run) / folder / TRACE_FILE
        if path.is_file():
            found[label] = read_trace(path)
    return found
