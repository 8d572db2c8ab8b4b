"""The `workload` of a study file, read."""

from __future__ import annotations

from pathlib import Path

from seneca_sim.cli.workload.base import StudyWorkload
from seneca_sim.config.check import check_keys, table_of, text_of, whole_of
from seneca_sim.config.document import Node, Scalar, Table
from seneca_sim.errors import InputError
from seneca_sim.sweep.study import beside


def workload_of(node: Node, *, measure: bool = False) -> StudyWorkload:
    """Make the workload that a study names.

    One of ``workload: NAME-OR-CHECKPOINT``, ``{model: …, text: FILE}``, ``{trace: FILE}``, and
    ``{name: …, shape: {…}, trace: {synthetic: {density: …, seed: …}}}``.

    Args:
        node: the node as it was read; empty text for the model that ships.
        measure: whether bits per byte are wanted.

    Raises:
        InputError: with file, line and column.
    """
    try:
        if isinstance(node, Table) and "shape" in node.items:
            return _drawn(node)
        if isinstance(node, Table) and "trace" in node.items:
            return _replayed(node)
        return _model(node, measure)
    except InputError as error:
        file = node.where.rsplit(":", 2)[0]
        if str(error).startswith(f"{file}:"):
            raise
        raise InputError(f"{node.where}: {error}") from None


def _model(node: Node, measure: bool) -> StudyWorkload:
    from seneca_sim.cli.workload.drawn import DrawnShape
    from seneca_sim.cli.workload.recorded import RecordedModel
    from workloads.job.inputs import SHIPPED
    from workloads.zoo.shapes import is_shape

    text = None
    if isinstance(node, Table):
        check_keys(node, ("model", "text"), "workload")
        if "text" in node.items:
            text = Path(_path(node.items["text"], "workload.text"))
        node = node.items.get("model", Scalar(node.where, ""))
    if not isinstance(node, Scalar):
        raise InputError(f"{node.where}: workload must be a name, a path or a mapping")
    name = beside(node) or SHIPPED
    if is_shape(name):
        if text is not None:
            raise InputError(f"{node.where}: {name} is a shape without weights: leave text out")
        return DrawnShape(name)
    return RecordedModel(name, text, measure=measure)


def _replayed(table: Table) -> StudyWorkload:
    from seneca_sim.cli.workload.drawn import ReplayedTrace

    check_keys(table, ("trace",), "workload")
    return ReplayedTrace(Path(_path(table.items["trace"], "workload.trace")))


def _drawn(table: Table) -> StudyWorkload:
    from seneca_sim.cli.workload.drawn import DrawnTrace

    check_keys(table, ("name", "shape", "trace"), "workload")
    sizes = table_of(table.items["shape"], "workload.shape")
    shape: dict[str, object] = {"family": "rwkv4"}
    for key, value in sizes.items.items():
        shape[key] = text_of(value, key) if key == "family" else whole_of(value, f"shape.{key}")
    name = table.items.get("name", Scalar(table.where, "shape"))
    drawing = _synthetic(table)
    seed = drawing.items.get("seed")
    return DrawnTrace(
        text_of(name, "workload.name"),
        shape,
        _densities(drawing),
        whole_of(seed, "synthetic.seed") if seed else 0,
    )


def _synthetic(table: Table) -> Table:
    trace = table_of(table.items.get("trace", Scalar(table.where, "")), "workload.trace")
    check_keys(trace, ("synthetic",), "workload.trace")
    if "synthetic" not in trace.items:
        raise InputError(f"{trace.where}: workload.trace has no 'synthetic'")
    drawing = table_of(trace.items["synthetic"], "workload.trace.synthetic")
    check_keys(drawing, ("density", "seed"), "workload.trace.synthetic")
    if "density" not in drawing.items:
        raise InputError(f"{drawing.where}: a synthetic trace needs a density")
    return drawing


def _densities(drawing: Table) -> dict[str, float]:
    """One density for all sites, or densities by site."""
    node = drawing.items["density"]
    if isinstance(node, Table):
        return {site: _share(value) for site, value in node.items.items()}
    return {"": _share(node)}


def _share(node: Node) -> float:
    text = node.text if isinstance(node, Scalar) else ""
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{node.where}: density {text!r}; expected a share, 0 to 1") from None


def _path(node: Node, field: str) -> str:
    return beside(Scalar(node.where, text_of(node, field)))
