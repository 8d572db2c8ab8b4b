"""What the chip itself would answer: a model's bits per byte with weights at BF16, INT8 or INT4.

The model, of any family, is compiled for a chip of its own, as few cores as its LayerNorms and
heads allow, and its values are run without time, bit by bit as the micro-kernels compute them:
activations, sums and state of BF16 words, thresholds at that precision. More cores split
LayerNorm's sums otherwise, and with them the last bits; ask for them with `cores`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip, CoreSpec
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.errors import InputError
from seneca_sim.functional import MemoryImage, ValueMachine
from seneca_sim.functional.narrow import narrow
from seneca_sim.program import Program
from workloads.compiler import LayerGraph, MapSettings, choose, lower
from workloads.job.onto_chip import OntoChip, onto_chip
from workloads.models.load import Loaded
from workloads.sparsity.batches import BYTE_VOCABULARY, WINDOW
from workloads.sparsity.thresholds import check_thresholds

Floats = NDArray[np.float32]
Progress = Callable[[int, int, str], None]
"""``progress(done, total, message)``, called after each window."""

_PLENTY_BITS = 2**40  # of data memory a core: values are asked for, not whether they fit


def bits_per_byte(
    model: Loaded,
    data: bytes,
    bits: int = 16,
    thresholds: Mapping[str, float] | None = None,
    state_words: int = 2,
    *,
    cores: int = 0,
    window: int = WINDOW,
    progress: Progress | None = None,
) -> float:
    """Bits per byte of a text as the chip answers; beside it stands `workloads.sparsity.evaluate`.

    Args:
        model: over bytes.
        data: at least two bytes; each but the first is predicted once.
        bits: of a weight: 16 (BF16), 8 or 4, for all matrices, the head included.
        thresholds: T by full site name; none of them for the natural model.
        state_words: BF16 words for each sum of RWKV-4's recurrence, 2 or 1.
        cores: of each layer of an RWKV-4; 0 for the fewest.
        window: bytes predicted before the state starts anew; no more than OPT has positions.
        progress: called after each window.

    Raises:
        InputError: text too short, unknown sites, other bits, or a model not over bytes.
    """
    if model.shape.vocab != BYTE_VOCABULARY:
        raise InputError(
            f"model: a vocabulary of {model.shape.vocab}; bits per byte need one of bytes "
            f"({BYTE_VOCABULARY})"
        )
    window = min(window, getattr(model.shape, "positions", window))
    chip = OnChip.of(model, bits, state_words, cores=cores, context=window)
    lengths = chip.code_lengths(data, thresholds, window=window, progress=progress)
    return float(lengths.mean())


@dataclass(frozen=True, eq=False)
class OnChip:
    """A model on its chip; make one with `OnChip.of`.

    Attributes:
        program: what runs.
        image: its memories before the first token.
        model: where it came from.
    """

    program: Program
    image: MemoryImage
    model: OntoChip

    @classmethod
    def of(
        cls,
        model: Loaded,
        bits: int = 16,
        state_words: int = 2,
        *,
        cores: int = 0,
        context: int = WINDOW,
    ) -> OnChip:
        """Compile a model and load its weights; the arguments are those of `bits_per_byte`.

        `context` is the longest sequence that the cache of an OPT has room for.
        """
        chosen = onto_chip(model)
        graph = chosen.graph(context=-(-context // 8) * 8, state_words=state_words)
        if any(layer.pieces for layer in graph.layers):
            program = _apart(graph)
        else:
            program = _together(graph, cores or fewest_cores(graph.width))
        program = narrow(program, bits)
        image = MemoryImage.load(program, chosen.tensors, "bf16")
        return cls(program, image, chosen)

    def logits(
        self, tokens: Sequence[int], thresholds: Mapping[str, float] | None = None
    ) -> Iterator[Floats]:
        """Run tokens from the empty state; yields the logits after each."""
        check_thresholds(thresholds or {}, self.model.sites)
        image = MemoryImage(tuple(words.copy() for words in self.image.words))
        machine = ValueMachine(self.program, image, thresholds or {})
        for row in self.model.embed(tokens):
            yield machine.token({"emb": row}, {})["logits"]

    def code_lengths(
        self,
        tokens: Sequence[int],
        thresholds: Mapping[str, float] | None = None,
        *,
        window: int = WINDOW,
        progress: Progress | None = None,
    ) -> NDArray[np.float64]:
        """Bits that each token but the first costs, windows of `window` from the empty state.

        Raises:
            InputError: fewer than two tokens, an empty window, or unknown sites.
        """
        if len(tokens) < 2 or window < 1:
            raise InputError(
                f"text: {len(tokens)} tokens in windows of {window}; at least two tokens are "
                "needed to predict one, and a window of 1"
            )
        starts = range(0, len(tokens) - 1, window)
        found = []
        for done, start in enumerate(starts, 1):
            piece = tokens[start : start + window + 1]
            logits = np.array(list(self.logits(piece[:-1], thresholds)))
            found.append(code_lengths(logits, piece[1:]))
            if progress is not None:
                progress(done, len(starts), f"on chip, window {done} of {len(starts)}")
        return np.concatenate(found)


def _together(graph: LayerGraph, cores: int) -> Program:
    """All groups of a layer on the same cores."""
    return lower(graph, _chip(cores, len(graph.layers)), cores)


def _apart(graph: LayerGraph) -> Program:
    """Groups on cores of their own, as heads need them, the fewest that hold them."""
    settings = MapSettings(fewest=True)
    cores = choose(graph, _chip(1, 1), settings).cores
    return lower(graph, _chip(cores, 1), settings=settings)


def _chip(columns: int, rows: int) -> Chip:
    core = CoreSpec(data_memory_bits=_PLENTY_BITS)
    return Chip("values only", core=core, columns=columns, rows=rows)


def fewest_cores(width: int, lanes: int = CoreSpec().npes) -> int:
    """Cores that a layer of so many channels takes, as LayerNorm's lanes add up so many terms."""
    most = load_kernel("ln_stats", lanes).max_rows or width
    return max(1, -(-width // (most * lanes)))


def code_lengths(logits: Floats, targets: Sequence[int]) -> NDArray[np.float64]:
    """Bits that each target costs under its row of logits, [tokens, vocabulary]."""
    wide = logits.astype(np.float64)
    top = wide.max(axis=1)
    total = top + np.log(np.exp(wide - top[:, None]).sum(axis=1))
    chosen = wide[np.arange(len(wide)), np.fromiter(targets, np.int64)]
    lengths: NDArray[np.float64] = (total - chosen) / np.log(2)
    return lengths
