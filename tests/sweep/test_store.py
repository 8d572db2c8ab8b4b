"""The store: what is in it, what it takes no notice of, and what it says then."""

import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.errors import InputError
from seneca_sim.results.store import Record, Store
from seneca_sim.results.store.record import entry_of, line_of, record_of
from seneca_sim.results.store.table import frame_of, write_table

WORDS = st.text("0123456789abcdef", min_size=1, max_size=64)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = NUMBERS | st.text(max_size=20)
SUMMARIES = st.dictionaries(st.text(max_size=8), VALUES | st.dictionaries(WORDS, NUMBERS))
RECORDS = st.builds(
    Record,
    run_id=WORDS,
    key=WORDS,
    point=st.dictionaries(st.text(max_size=8), VALUES, max_size=3),
    status=st.sampled_from(["ok", "failed", "broken"]),
    summary=SUMMARIES,
    inputs=SUMMARIES,
    error=st.text(max_size=40),
)


def record(number: int, status: str = "ok", **summary: float) -> Record:
    name = f"{number:064x}"
    return Record(name, name[::-1], {"axis": number}, status, {"cycles": number, **summary})


def filled(folder: Path, count: int = 3) -> tuple[Store, Path]:
    store = Store.create(folder / "store")
    with store.writer() as writer:
        for number in range(count):
            writer.append(record(number))
    return store, writer.path


@given(RECORDS)
def test_a_record_reads_back_as_it_was_written(one: Record) -> None:
    line = line_of(one)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert record_of(line[:-1]) == one


@given(RECORDS, st.data())
def test_a_changed_byte_never_passes(one: Record, data: st.DataObject) -> None:
    line = bytearray(line_of(one)[:-1])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    assert entry_of(bytes(line)) is None


@given(RECORDS, st.data())
def test_a_piece_of_a_line_never_passes(one: Record, data: st.DataObject) -> None:
    line = line_of(one)[:-1]
    assert entry_of(line[: data.draw(st.integers(0, len(line) - 1))]) is None


def test_what_is_appended_is_there_and_sorted_by_run_id(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with store.writer({"study": "x"}) as writer:
        for number in (3, 1, 2):
            writer.append(record(number))
    store.refresh()
    assert [one.summary["cycles"] for one in store] == [1, 2, 3]
    assert len(store) == 3
    assert store.damage == []
    assert f"{2:064x}" in store
    assert store.run_of(f"{2:064x}"[::-1]) == f"{2:064x}"
    assert Store.open(tmp_path / "store").get(f"{3:064x}") == record(3)


def test_two_writers_at_once_share_no_file_and_lose_nothing(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with store.writer() as one, Store.open(store.path).writer() as two:
        assert one.path != two.path
        for number in range(20):
            (one, two)[number % 2].append(record(number))
        store.refresh()
        assert len(store.writers) == 2
        assert len(store) == 20
    assert store.writers == []


def test_a_writer_without_records_leaves_no_file(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with store.writer():
        assert len(list(store.path.glob("*.records"))) == 1
    assert list(store.path.glob("*.records")) == []


def test_numbers_count_more_than_a_failure_and_more_metrics_than_fewer(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with store.writer() as writer:
        writer.append(record(1, "failed"))
        writer.append(record(1, bottleneck=2.0))
        writer.append(record(1))
        writer.append(record(1, "broken"))
    store.refresh()
    assert [dict(one.summary) for one in store] == [{"cycles": 1, "bottleneck": 2.0}]
    assert store.status_of(record(1).key) == "ok"


@pytest.mark.parametrize("order", [("failed", "broken"), ("broken", "failed")])
def test_a_failure_counts_more_than_a_broken_point_however_long(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    store = Store.create(tmp_path / "store")
    with store.writer() as writer:
        for status in order:
            error = "the process that ran it died" * 9 if status == "broken" else "does not fit"
            writer.append(replace(record(1), status=status, error=error))
    store.refresh()
    assert store.status_of(record(1).key) == "failed"
    assert [one.error for one in store] == ["does not fit"]


def test_each_key_has_its_own_record_of_a_run(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    one = record(1, chip_mm2=10.0)
    other = replace(one, key="b" * 64, summary={"cycles": 1, "chip_mm2": 12.5})
    with store.writer() as writer:
        writer.append(one)
        writer.append(other)
    store.refresh()
    assert len(store) == 1
    assert [store.at(key) for key in (one.key, other.key, "c" * 64)] == [one, other, None]
    assert list(store.records_at([other.key, one.key])) == [other, one]


# -- faults -----------------------------------------------------------------------------------


def test_a_torn_record_is_named_and_costs_only_itself(tmp_path: Path) -> None:
    _, path = filled(tmp_path)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in range(last + 1, len(whole)):
        path.write_bytes(whole[:size])
        store = Store.open(tmp_path / "store")
        assert [one.summary["cycles"] for one in store] == [0, 1]
        (damage,) = store.damage
        assert (damage.segment, damage.line, damage.torn) == (str(path), 4, True)
    assert str(damage) == (
        f"{path}: record on line 4 was cut off by a crash; its point will run again"
    )


def test_a_corrupted_record_is_named_and_costs_only_itself(tmp_path: Path) -> None:
    _, path = filled(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b'"cycles":1') + 9] = ord("7")
    path.write_bytes(data)
    store = Store.open(tmp_path / "store")
    assert [one.summary["cycles"] for one in store] == [0, 2]
    assert [str(damage) for damage in store.damage] == [
        f"{path}: record on line 3 is corrupted; its point will run again"
    ]


def test_a_record_that_is_just_being_written_is_no_damage(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with store.writer() as writer:
        writer.append(record(1))
        line = line_of(record(2))
        with writer.path.open("ab") as file:
            file.write(line[:50])
            file.flush()
            store.refresh()
            assert (len(store), store.damage) == (1, [])
            file.write(line[50:])
        store.refresh()
        assert (len(store), store.damage) == (2, [])


def test_an_older_schema_is_refused_with_the_reason(tmp_path: Path) -> None:
    store, _ = filled(tmp_path)
    (store.path / "store.json").write_text('{"schema": "seneca-store/0"}')
    with pytest.raises(InputError) as caught:
        Store.open(store.path)
    assert str(caught.value) == (
        f"{store.path}/store.json: schema is 'seneca-store/0', this version reads "
        "'seneca-store/1'; the meaning of its numbers is not known here: read it with the version "
        "that wrote it, or sweep again into a new store"
    )


def test_a_segment_of_an_older_schema_is_refused(tmp_path: Path) -> None:
    from seneca_sim.results.store import record as module

    store, path = filled(tmp_path)
    old = module._checked("- - header", {"schema": "seneca-store/0"})
    path.write_bytes(old + path.read_bytes().partition(b"\n")[2])
    with pytest.raises(InputError, match=r"records:1: schema is 'seneca-store/0'"):
        Store.open(store.path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no store here: store.json is missing"), ("{", r"store.json: is damaged; expected")],
)
def test_what_is_no_store_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "store.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Store.open(tmp_path)


def test_a_folder_with_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(InputError, match="holds files that are no store"):
        Store.create(tmp_path)
    with pytest.raises(InputError, match="is a file; a store is a folder"):
        Store.create(tmp_path / "thesis.tex")


def _fill_up(folder: Path) -> tuple[int, str]:
    """Append until it fails; how many records were appended, and what was said then."""
    with Store.create(folder).writer() as writer:
        try:
            for number in range(10**6):
                writer.append(record(number, **{"x" * 400: 1.0}))
        except InputError as error:
            return writer.count, str(error)
    raise AssertionError("a million records fitted")


def _check_full(folder: Path, count: int, message: str, reason: str) -> None:
    assert message == (
        f"{folder}: cannot be written: {reason}; {count} records of this start are kept: make room "
        "and start the same command again"
    )
    store = Store.open(folder)
    assert (len(store), store.damage) == (count, [])


def test_a_write_that_the_system_cuts_short_leaves_whole_records(tmp_path: Path) -> None:
    """A limit on the size of files ends a write in the middle, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        count, message = _fill_up(tmp_path / "store")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert count > 10
    _check_full(tmp_path / "store", count, message, "File too large")


def test_a_full_disk_leaves_a_store_that_can_be_read(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        count, message = _fill_up(disk / "store")
        assert count > 10
        _check_full(disk / "store", count, message, "No space left on device")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_writer_that_is_killed_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from seneca_sim.results.store import *\n"
        "writer = Store.create(sys.argv[1]).writer()\n"
        "for n in range(50): writer.append(Record(f'{n:x}', f'{n:x}', {}, 'ok', {'cycles': n}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "store")])
    assert done.returncode == -signal.SIGKILL
    assert len(Store.open(tmp_path / "store")) == 50


# -- tables -----------------------------------------------------------------------------------


def test_the_table_is_tidy_and_keeps_whole_numbers_whole(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    large = 2**60 + 1
    with store.writer() as writer:
        writer.append(Record("a", "a", {"n": 1}, "ok", {"energy_fj": large, "by": {"npe": 5}}))
        writer.append(Record("b", "b", {"n": 2}, "failed", error="does not fit"))
    store.refresh()
    table = store.table()
    assert list(table.columns) == ["run_id", "status", "n", "energy_fj", "by.npe", "error"]
    assert table["energy_fj"].tolist() == [large, pd.NA]
    assert table["error"].tolist() == ["", "does not fit"]


def test_exports_read_back_to_the_table(tmp_path: Path) -> None:
    frame = frame_of([{"run_id": "a", "n": 1, "x": 0.1}, {"run_id": "b", "n": "auto"}])
    write_table(frame, tmp_path / "t.csv")
    write_table(frame, tmp_path / "t.parquet")
    assert (tmp_path / "t.csv").read_text() == ("run_id,status,n,x,error\na,,1,0.1,\nb,,auto,,\n")
    back = pd.read_parquet(tmp_path / "t.parquet")
    assert back["n"].tolist() == ["1", "auto"]
    assert back["x"].tolist()[0] == 0.1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("t.xlsx", "expected .csv or .parquet"), ("no/t.csv", "folder .*no does not exist")],
)
def test_an_export_that_cannot_be_written_is_refused(
    tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_table(frame_of([]), tmp_path / name)
