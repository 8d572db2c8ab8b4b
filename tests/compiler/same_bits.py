"""Values at BF16 by the compiled functions, held against the micro-kernels' own texts."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seneca_sim.functional import MemoryImage, run_values
from seneca_sim.program import Program

Floats = NDArray[np.float32]


def values_as_the_texts(
    program: Program, tensors: Mapping[str, Floats], rows: Floats
) -> list[dict[str, Floats]]:
    """Run rows both ways; every vector and all of memory must be equal. Returns the vectors."""
    images = [MemoryImage.load(program, tensors, "bf16") for _ in range(2)]
    mine, texts = (
        list(run_values(program, image, {"emb": rows}, interpret=text))
        for image, text in zip(images, (False, True), strict=True)
    )
    for a, b in zip(mine, texts, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)
    assert all(np.array_equal(a, b) for a, b in zip(*(i.words for i in images), strict=True))
    return mine
