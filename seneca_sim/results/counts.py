"""What pricing wants of a simulation, and no more: small enough to be kept for another price."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seneca_sim.cost.ops import OP_INDEX, OPS
from seneca_sim.engine.activity import Activity, Ints, Mode, one_by_one
from seneca_sim.program import Program
from seneca_sim.results.sparsity import Work, work_of
from seneca_sim.results.tokens import used_cores


@dataclass(frozen=True, eq=False)
class Counts:
    """An activity's totals by op, token and power window, and what a program adds to its price.

    Attributes:
        activity_id, program_sha256, stream_sha256: what was simulated.
        mode: how tokens entered.
        one_by_one: whether each waited for the one before.
        cycles, window_cycles, token_start, token_done, token_ops, window_ops: as in `Activity`.
        active_cycles: core-cycles in which something worked.
        cores_used: cores that hold a part of the program.
        off_core: whether the program has weights off the cores.
        work: multiply-accumulates.
    """

    activity_id: str
    program_sha256: str
    stream_sha256: str
    mode: Mode
    one_by_one: bool
    cycles: int
    window_cycles: int
    active_cycles: int
    cores_used: int
    off_core: bool
    work: Work
    token_start: Ints  # [tokens]
    token_done: Ints  # [tokens]
    token_ops: Ints  # [tokens, ops]
    window_ops: Ints  # [windows, ops]

    @property
    def by_op(self) -> dict[str, int]:
        """Counts of the whole run, in the order of `OPS`."""
        return dict(zip(OPS, self.token_ops.sum(axis=0).tolist(), strict=True))


def counts_of(
    program: Program, activity: Activity, mode: Mode, activity_id: str = "",
    program_sha256: str = "", stream_sha256: str = "",
) -> Counts:  # fmt: skip
    """Take from an activity that has passed `check_activity` what pricing wants."""
    return Counts(
        activity_id=activity_id,
        program_sha256=program_sha256,
        stream_sha256=stream_sha256,
        mode=mode,
        one_by_one=one_by_one(mode, program),
        cycles=activity.cycles,
        window_cycles=activity.window_cycles,
        active_cycles=int(activity.core_active.sum()),
        cores_used=len(used_cores(program)),
        off_core=any(region.shared for region in program.regions),
        work=work_of(program, activity),
        token_start=activity.token_start,
        token_done=activity.token_done,
        token_ops=activity.token_ops,
        window_ops=activity.window_ops,
    )


def counts_text(counts: Counts) -> str:
    """Counts as a word of ASCII, compressed; ops that do not occur are left out."""
    used = np.flatnonzero(counts.token_ops.any(axis=0))
    plain: dict[str, Any] = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(counts).items()
    }
    plain["ops"] = [OPS[index] for index in used]
    plain["token_ops"] = counts.token_ops[:, used].tolist()
    plain["window_ops"] = counts.window_ops[:, used].tolist()
    plain["work"] = list(vars(counts.work).values())
    data = json.dumps(plain, separators=(",", ":")).encode("ascii")
    return base64.b85encode(zlib.compress(data, 6)).decode("ascii")


def counts_from(text: str) -> Counts:
    """Read `counts_text`."""
    plain = json.loads(zlib.decompress(base64.b85decode(text)))
    columns = [OP_INDEX[op] for op in plain.pop("ops")]
    for name in ("token_start", "token_done"):
        plain[name] = np.array(plain[name], np.int64)
    for name in ("token_ops", "window_ops"):
        plain[name] = _spread(plain[name], columns)
    return Counts(**plain | {"work": Work(*plain["work"])})


def _spread(rows: Sequence[Sequence[int]], columns: Sequence[int]) -> Ints:
    table = np.zeros((len(rows), len(OPS)), np.int64)
    table[:, columns] = np.array(rows, np.int64).reshape(len(rows), len(columns))
    return table
