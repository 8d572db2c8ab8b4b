import csv
import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from tiny_run import TABLE, rwkv, tiny

from seneca_sim.errors import InputError, InternalError
from seneca_sim.results import folder as module
from seneca_sim.results.folder import read_summary, summary_text, write_run
from seneca_sim.results.summary import run_id_of, summary_of
from seneca_sim.results.tables import (
    CHANNEL_COLUMNS,
    TABLES,
    cores_table,
    energy_table,
    layers_table,
    links_table,
    packets_table,
    tokens_table,
)

RESOLVED = {"schema": "seneca-run/1", "chip": {"name": "pair"}}


def pair() -> list:
    return [rwkv(density=1.0, label="dense"), rwkv(density=0.5, label="sparse")]


def write(path: Path, **extra: object) -> None:
    write_run(path, pair(), RESOLVED, extra)


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_round_trip(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "run", warnings=["hot"], wall={"wall_s": 1.5})
    summary = read_summary(tmp_path / "deep" / "run")
    assert summary == json.loads(summary_text(summary_of(pair(), {"warnings": ["hot"]}))) | {
        "wall": {"wall_s": 1.5}
    }
    assert summary == read_summary(tmp_path / "deep" / "run" / "summary.json")
    assert summary["run_id"] == run_id_of(pair())
    names = {f"{v}/{t}.csv" for v in ("dense", "sparse") for t in TABLES}
    names = {name for name in names if "packets" not in name and "channels" not in name}
    assert set(content(tmp_path / "deep" / "run")) == names | {"summary.json", "resolved.yaml"}
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run"]


def test_energy_is_counts_times_table_recomputed_from_the_files(tmp_path: Path) -> None:
    write(tmp_path / "run")
    summary = read_summary(tmp_path / "run")
    for variant in summary["variants"]:
        with (tmp_path / "run" / variant["label"] / "energy.csv").open() as file:
            rows = list(csv.DictReader(file))
        total = 0
        for row in rows:
            energy = round(int(row["count"]) * Fraction(row["fj_per_count"]))
            assert energy == int(row["energy_fj"])
            part = TABLE.rows[row["op"]].parts[row["component"]]
            assert Fraction(row["fj_per_count"]) / part > 0  # a multiple of the table's own number
            total += energy
        assert total == variant["energy_fj"] == round(variant["energy_j"]["total"] * 1e15)


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_the_same_run_is_replaced_and_no_other(tmp_path: Path) -> None:
    write(tmp_path / "run", wall={"wall_s": 1})
    write(tmp_path / "run", wall={"wall_s": 2})
    assert read_summary(tmp_path / "run")["wall"] == {"wall_s": 2}
    with pytest.raises(InputError, match=r"run: holds another run \([0-9a-f]{12}\); remove it"):
        write_run(tmp_path / "run", [tiny()], RESOLVED, {})
    assert read_summary(tmp_path / "run")["wall"] == {"wall_s": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_what_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="file: is a file, expected a folder"):
        write(tmp_path / "file")
    with pytest.raises(InputError, match="full: holds files that are no run"):
        write(tmp_path / "full")
    with pytest.raises(InputError, match="cannot be written: "):
        write(tmp_path / "file" / "below")
    write(tmp_path / "empty")
    assert (tmp_path / "empty" / "summary.json").exists()


@pytest.mark.parametrize("before", [False, True])
def test_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    if before:
        write(tmp_path / "run", wall={"wall_s": 1})
    kept = content(tmp_path)

    def full(path: Path, result: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_tables", full)
    with pytest.raises(InputError, match=r"run: cannot be written: No space left on device"):
        write(tmp_path / "run", wall={"wall_s": 2})
    assert content(tmp_path) == kept
    assert [p.name for p in tmp_path.iterdir()] == (["run"] if before else [])


def test_a_failed_rename_brings_the_old_run_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "run", wall={"wall_s": 1})
    rename = module.os.rename

    def once(source: Path, target: Path) -> None:
        if Path(target).name == "run" and not str(source).endswith(".old"):
            raise OSError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(module.os, "rename", once)
    with pytest.raises(InputError, match="Permission denied"):
        write(tmp_path / "run", wall={"wall_s": 2})
    assert read_summary(tmp_path / "run")["wall"] == {"wall_s": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"no such file; expected a run folder or its summary\.json"),
        ("{", "not JSON"),
        ("[]", "schema is None, expected 'seneca-summary/1'"),
        ('{"schema": "seneca-summary/9"}', "schema is 'seneca-summary/9'"),
    ],
)
def test_what_is_no_summary(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_summary(tmp_path)
    assert "\n" not in str(error.value)


def test_labels_and_entries_are_checked() -> None:
    with pytest.raises(InternalError, match="different labels"):
        summary_of([tiny(), tiny()], {})
    with pytest.raises(InternalError, match="'variants' is an entry of its own"):
        summary_of([tiny()], {"variants": 1})


def test_folders_of_odd_labels() -> None:
    labels = ["a/b", "a b", "..", "Dense"]
    names = module.variant_folders([tiny(label=label) for label in labels])
    assert names == ["a-b", "a-b~2", "run", "dense"]


def test_tables_add_up() -> None:
    run = rwkv()
    dynamic = run.energy_fj - run.by_class["leakage"]

    def femto(column: object) -> int:
        return sum(round(1000 * value) for value in column)  # type: ignore[attr-defined]

    assert femto(layers_table(run)["energy_pj"]) == dynamic
    cores = cores_table(run)
    assert femto(cores["energy_dynamic_pj"]) == dynamic - run.by_core[run.program.host]
    assert femto(cores["energy_leakage_pj"]) == run.by_class["leakage"]
    assert femto(links_table(run)["energy_pj"]) == run.by_class["noc"]
    assert femto(tokens_table(run)["energy_pj"]) == run.energy_fj
    assert int(energy_table(run)["energy_fj"].sum()) == run.energy_fj
    controller = ["controller_busy_cycles", "controller_stall_cycles", "controller_idle_cycles"]
    assert (cores[controller].sum(axis=1) == run.cycles).all()
    assert (cores[["npe_busy_cycles", "npe_idle_cycles"]].sum(axis=1) == run.cycles).all()
    assert (cores.drop(columns=["energy_dynamic_pj", "energy_leakage_pj"]) >= 0).all().all()


def test_layers_of_the_tiny_run() -> None:
    table = layers_table(tiny()).set_index("site")
    x = table.loc["blocks.1.x"]
    assert (x["cores"], x["events_in"], x["sops"]) == (1, 3, 24)
    assert x["sparsity"] == 1 - 3 / 16
    assert x["busy_cycles"] == 18
    # NPEs and memory, (2 x 20 + 3 x 10 + 6) x 11.6 for the controller, 3 accesses of 10.
    assert x["energy_pj"] == 306.2 + 881.6 + 30
    assert table.loc["host", "energy_pj"] == 36
    assert table.loc["answer", "events_out"] == 16


def test_packages_do_not_load_pandas() -> None:
    code = "import sys, seneca_sim.report; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_docs_name_every_column() -> None:
    page = Path(__file__).parents[2] / "docs" / "results.md"
    words = set(re.findall(r"[a-z][a-z_]+|[xy]", page.read_text(encoding="utf-8")))
    columns = {*CHANNEL_COLUMNS}
    for table in TABLES.values():
        frame = table(rwkv(packets=True))
        columns |= set() if frame is None else set(frame.columns)
    assert columns <= words


def test_delays_of_packets_add_up() -> None:
    frame = packets_table(rwkv(packets=True))
    assert frame is not None
    delays = [c for c in frame.columns if c.endswith("_cycles")]
    assert (frame[delays] >= 0).all().all()
    assert (frame[delays].sum(axis=1) == frame["done"] - frame["created"]).all()
    assert packets_table(rwkv()) is None
