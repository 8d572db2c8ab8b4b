"""How fast event-driven products are on this machine, beside dense ones, for `bench`.

One thread, weights hot, one process: every product is called in turn, round after round, and its
fastest call counts, so that a busy machine slows all alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from seneca_sim.cost.bf16 import to_bits
from seneca_sim.functional.bf16_events import PACKED, apply_events_bf16
from seneca_sim.functional.packing import pack_weights
from seneca_sim.functional.quantise import quantise
from seneca_sim.functional.spmv import FORMATS, EventMatrix, aligned

Floats = NDArray[np.float32]
Work = Callable[[], object]
Dense = Callable[[Floats, Floats], Work]
"""(matrix, vector) -> what computes their product once."""

NUMPY, TORCH = "numpy fp32", "torch BF16"
TARGETS: Final[Mapping[tuple[str, float], tuple[str, float]]] = {
    ("fp32", 0.5): (NUMPY, 1.5),
    ("fp32", 0.9): (NUMPY, 7),
    ("bf16", 0.5): (TORCH, 4),
    ("bf16", 0.9): (TORCH, 15),
}
"""(weights, zeros) -> which dense product, and how many times as fast as it, with fp32 sums."""
_LANES = 8


def spmv_rows(
    torch_bf16: Dense | None = None,
    *,
    outputs: int = 4096,
    inputs: int = 1024,
    zeros: Sequence[float] = (0.1, 0.5, 0.9),
    rounds: int = 20,
    calls: int = 5,
) -> list[dict[str, Any]]:
    """Time products of a random matrix with a vector that has zeros.

    Args:
        torch_bf16: the dense BF16 product of torch, which this package does not import.
        outputs: rows of the matrix.
        inputs: its columns.
        zeros: shares of the vector that are 0.
        rounds: how often every product has its turn.
        calls: of a product in its turn.

    Returns:
        A row for each kind of weights, of sums (``fp32``, or ``bf16`` as the chip has them, bit by
        bit) and share of zeros: `seconds`, `ns_per_sop`, the `dense` product that it is compared
        with and its `dense_seconds`, their `ratio`, and where there is one the `target` and whether
        it is `met`. A comparison with torch is missing without torch.
    """
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((outputs, inputs)).astype(np.float32)
    vector = rng.standard_normal(inputs).astype(np.float32)
    dense: dict[str, Work] = {NUMPY: lambda: matrix @ vector}
    if torch_bf16 is not None:
        dense[TORCH] = torch_bf16(matrix, vector)
    rows = []
    with threadpool_limits(1):
        for share in zeros:
            channels = np.sort(rng.permutation(inputs)[: round(inputs * (1 - share))])
            works = _products(matrix, channels, vector[channels])
            names = [*((name, "") for name in dense), *works]
            best = fastest([*dense.values(), *works.values()], rounds, calls)
            seconds = dict(zip(names, best, strict=True))
            rows += [_row(key, share, channels.size * outputs, seconds) for key in works]
    return rows


def fastest(works: Sequence[Work], rounds: int, calls: int) -> list[float]:
    """Seconds of the fastest call of each, after one that does not count."""
    for work in works:
        work()
    best = [np.inf] * len(works)
    for _ in range(rounds):
        for i, work in enumerate(works):
            for _ in range(calls):
                start = time.perf_counter()
                work()
                best[i] = min(best[i], time.perf_counter() - start)
    return best


def _products(
    matrix: Floats, channels: NDArray[np.int64], values: Floats
) -> dict[tuple[str, str], Work]:
    """(weights, sums) -> work, all event-driven."""
    works: dict[tuple[str, str], Work] = {}
    for weights in FORMATS:
        works[weights, "fp32"] = _with_fp32_sums(EventMatrix.of(matrix, weights), channels, values)
    works["bf16", "bf16"] = _exact_bf16(matrix, channels, to_bits(values))
    for bits in (8, 4):
        works[f"int{bits}", "bf16"] = _exact_packed(matrix, bits, channels, to_bits(values))
    return works


def _with_fp32_sums(matrix: EventMatrix, channels: NDArray[np.int64], values: Floats) -> Work:
    acc = aligned((matrix.outputs,), np.float32)
    return lambda: matrix.accumulate(acc, channels, values)


def _exact_bf16(matrix: Floats, channels: NDArray[np.int64], values: NDArray[np.uint16]) -> Work:
    outputs, inputs = matrix.shape
    words = aligned(((inputs + 1) * outputs,), np.uint16)
    words[: inputs * outputs] = to_bits(matrix.T).reshape(-1)
    place = inputs * outputs, 0, outputs, outputs
    return lambda: apply_events_bf16(words, *place, channels, values)


def _exact_packed(
    matrix: Floats, bits: int, channels: NDArray[np.int64], values: NDArray[np.uint16]
) -> Work:
    packed = pack_weights(quantise(matrix, bits).weights, bits, _LANES)
    stride = packed.shape[1]
    words = aligned((packed.size + stride * (16 // bits),), np.uint16)
    words[: packed.size] = packed.reshape(-1)
    place = packed.size, 0, stride, stride // _LANES, _LANES
    return lambda: PACKED[bits](words, *place, channels, values, np.float32(1))


def _row(
    key: tuple[str, str], share: float, sops: int, seconds: Mapping[tuple[str, str], float]
) -> dict[str, Any]:
    weights, sums = key
    aim = TARGETS.get((weights, share)) if sums == "fp32" else None
    wanted = TORCH if weights != "fp32" and (TORCH, "") in seconds else NUMPY
    row: dict[str, Any] = {
        "name": f"event-driven product, {weights} weights, {sums} sums, {share:.0%} zeros",
        "weights": weights,
        "sums": sums,
        "zeros": share,
        "seconds": seconds[key],
        "ns_per_sop": seconds[key] * 1e9 / sops if sops else 0.0,
        "dense": wanted,
        "dense_seconds": seconds[wanted, ""],
        "ratio": seconds[wanted, ""] / seconds[key],
    }
    if aim is not None and aim[0] == wanted:
        row |= {"target": aim[1], "met": row["ratio"] >= aim[1]}
    return row
