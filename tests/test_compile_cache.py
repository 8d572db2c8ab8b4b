"""Numba's disk cache: no function ever answers with another one's code."""

from __future__ import annotations

from pathlib import Path

import pytest
from numba.extending import is_jitted

from seneca_sim.compile_cache import Compiler, KeyedCache, KeyedFile
from seneca_sim.engine.compiled import cache as engine
from seneca_sim.engine.compiled.loop import run as run_events
from seneca_sim.functional import compiler as functional
from seneca_sim.functional.bf16_events import PACKED
from seneca_sim.functional.bf16_steps import STEPS
from seneca_sim.functional.bf16_steps_heads import STEPS as HEADS
from seneca_sim.functional.kernels import apply_events


class Interrupted(KeyedFile):
    """Between its first write and its last, another process saves something else."""

    def _save_data(self, name: str, data: object) -> None:
        self._other()
        super()._save_data(name, data)

    def _save_index(self, overloads: dict[object, str]) -> None:
        super()._save_index(overloads)
        self._other()

    def _other(self) -> None:
        class Stale(KeyedFile):
            def _load_index(self) -> dict[object, str]:
                return {}

        place = self._cache_path, self._index_name.removesuffix(".nbi"), self._source_stamp
        Stale(*place).save(("float64",), "code of float64")


def test_two_processes_that_save_at_once_do_not_mix_up_their_code(tmp_path: Path) -> None:
    """With Numba's own files the index names the code of int64 for float64."""
    place = str(tmp_path), "f", 1
    Interrupted(*place).save(("int64",), "code of int64")
    assert KeyedFile(*place).load(("int64",)) in (None, "code of int64")
    assert KeyedFile(*place).load(("float64",)) == "code of float64"
    KeyedFile(*place).save(("int64",), "code of int64")
    for key in ("int64", "float64"):
        assert KeyedFile(*place).load((key,)) == f"code of {key}"


def test_all_kernels_are_kept_like_that() -> None:
    steps = [*PACKED.values(), *STEPS.values(), *HEADS.values(), apply_events, run_events]
    kernels = [step for step in steps if is_jitted(step)]  # attention_append is not
    assert len(kernels) >= len(steps) - 1
    for kernel in kernels:
        assert isinstance(kernel._cache, KeyedCache), kernel


def test_a_second_function_of_one_name_is_refused() -> None:
    compiler = Compiler("test", tuple)

    def made(number: int) -> object:
        def closure() -> int:
            return number

        return compiler.helper(closure)

    made(1)
    with pytest.raises(ValueError, match=r"made\.<locals>\.closure is compiled twice"):
        made(2)


@pytest.mark.parametrize("sources", [engine.sources, functional.sources])
def test_an_edit_anywhere_is_seen(sources, tmp_path: Path) -> None:
    before = Compiler("test", sources).folder
    for number, path in enumerate(sources()):
        edited = tmp_path / f"{number}.py"
        edited.write_bytes(path.read_bytes() + b"\n")
        files = [edited if p == path else p for p in sources()]
        assert Compiler("test", lambda files=files: files).folder != before
    assert Compiler("test", sources).folder == before
    assert Compiler("test", sources, nogil=True).folder != before
