"""Keys of points: whatever makes a number is in them, and where files lie is not."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sweep_tools import HEAD, text_of

import seneca_sim
import workloads
from seneca_sim.cli.sweeping import open_study
from seneca_sim.cli.workload.base import NUMBERLESS as WORKLOADS_LEFT_OUT
from seneca_sim.cli.workload.recorded import RecordedModel
from seneca_sim.results.store import Store
from seneca_sim.sweep.keys import NUMBERLESS, is_among, source_hash
from seneca_sim.sweep.run import Tally
from seneca_sim.sweep.runners import Serial

MAPPING = "schema: seneca-mapping/1\nstrategy: layer-regions\nplacement: snake\n"
BODY = "axes: {grid: {noc.hop_cycles: [1, 2]}}\n"


def study_in(folder: Path, mapping: str = MAPPING) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "map.yaml").write_text(mapping)
    head = HEAD.replace("tokens: 1}", "tokens: 1, mapping.file: map.yaml}")
    (folder / "study.yaml").write_text(text_of(BODY, head))
    return folder / "study.yaml"


def swept(study: Path, store: Path) -> Tally:
    return open_study(str(study)).sweep.run(Store.create(store), Serial())


def test_an_edited_mapping_file_is_another_point(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = swept(study_in(tmp_path / "a"), store)
    assert (first.ok, first.work["simulate"]) == (2, 2)
    assert swept(tmp_path / "a" / "study.yaml", store).there == 2
    study = study_in(tmp_path / "a", MAPPING.replace("snake", "row-major"))
    again = swept(study, store)
    assert (again.there, again.work["simulate"]) == (0, 2)  # nor are there counts of it


def test_a_study_that_was_moved_has_its_points(tmp_path: Path) -> None:
    swept(study_in(tmp_path / "a"), tmp_path / "store")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert swept(tmp_path / "b" / "study.yaml", tmp_path / "store").there == 2


def test_a_bad_mapping_file_is_named_with_the_study(tmp_path: Path) -> None:
    from seneca_sim.errors import InputError

    with pytest.raises(InputError, match=r"study.yaml:7:.*map.yaml:3:12: placement is 'snail'"):
        open_study(str(study_in(tmp_path, MAPPING.replace("snake", "snail"))))


def test_torch_and_all_files_of_a_model_are_in_its_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seneca_sim.cli.workload import recorded

    text = tmp_path / "text.txt"
    text.write_bytes(b"0123456789" * 100)
    model = RecordedModel("rwkv4-byte-6x256", text, measure=False)

    def identity(**settings: str) -> str:
        return model.identity(model.sort({k.replace("_", "."): v for k, v in settings.items()}).run)

    seen = [identity()]
    text.write_bytes(b"0123456780" * 100)
    seen.append(identity())
    monkeypatch.setattr(recorded, "version_of", lambda _: "another")
    seen.append(identity())
    assert len(set(seen)) == 3
    run = model.sort({}).run
    assert {"weights", "recipe", "text", "mapping", "torch"} <= set(model.inputs(run))


# -- sources ----------------------------------------------------------------------------------

ROOTS = (Path(seneca_sim.__file__).parent, Path(workloads.__file__).parent)
START = (
    "seneca_sim.sweep.stages", "seneca_sim.sweep.runners", "seneca_sim.cli.workload.read",
    "seneca_sim.cli.workload.recorded", "seneca_sim.cli.workload.drawn",
)  # fmt: skip


def file_of(module: str) -> Path | None:
    for root in ROOTS:
        if module.split(".")[0] == root.name:
            base = root.parent / Path(*module.split("."))
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.exists():
                    return path
    return None


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports when it runs, inside functions, too."""

    def walk(nodes: list[ast.stmt] | list[ast.AST]) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
                yield from walk(list(ast.iter_child_nodes(node)))

    yield from walk(ast.parse(path.read_text(encoding="utf-8")).body)


def reached() -> dict[Path, str]:
    """Files of both packages that a sweep's numbers may come from, and who imports each."""
    found: dict[Path, str] = {}
    todo = [(name, "") for name in START]
    while todo:
        name, by = todo.pop()
        path = file_of(name)
        if path is not None and path not in found:
            found[path] = by
            todo += [(inner, name) for inner in imports_of(path)]
    return found


def test_all_sources_that_make_numbers_are_in_the_keys() -> None:
    left_out = (NUMBERLESS, WORKLOADS_LEFT_OUT)
    files = reached()
    assert len(files) > 100
    for root, places in zip(ROOTS, left_out, strict=True):
        missed = {
            path.relative_to(root).as_posix(): by
            for path, by in files.items()
            if path.is_relative_to(root) and is_among(path.relative_to(root).as_posix(), places)
        }
        assert missed == {}
        assert all((root / place).exists() for place in places)


@pytest.mark.parametrize(
    ("name", "counts"), [("a.py", True), ("k.npe", True), ("out/b.py", False), ("notes.md", False)]
)
def test_a_hash_of_sources_moves_with_what_counts(tmp_path: Path, name: str, counts: bool) -> None:
    hashed: Callable[..., str] = source_hash.__wrapped__
    (tmp_path / "out").mkdir()
    (tmp_path / name).write_text("1")
    before = hashed(tmp_path, ("out",))
    (tmp_path / name).write_text("2")
    assert (hashed(tmp_path, ("out",)) != before) == counts
