import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.chip import Chip, CoreSpec, NocSpec
from seneca_sim.chip.load import LIBRARY, chip_yaml, load_chip, parse_chip, resolved
from seneca_sim.config import Mark
from seneca_sim.errors import InputError

EXTENDS = "schema: seneca-chip/1\nextends: seneca-8x8\n"


def resolved_paths(spec: object, prefix: str = "") -> list[str]:
    """Dotted paths of all whole numbers of a chip."""
    paths = []
    for f in fields(spec):  # type: ignore[arg-type]
        value = getattr(spec, f.name)
        if is_dataclass(value):
            paths += resolved_paths(value, f"{prefix}{f.name}.")
        elif isinstance(value, int):
            paths.append(prefix + f.name)
    return paths


def test_the_preset_is_the_defaults_with_a_source_for_every_number() -> None:
    loaded = load_chip("seneca-8x8")
    assert loaded.chip == Chip("seneca-8x8")
    assert sorted(loaded.fields) == sorted(resolved_paths(loaded.chip))
    assert Mark.USER not in loaded.marks.values()
    assert all(leaf.source for leaf in loaded.fields.values())


def test_assumptions_of_the_preset_hold_their_value_in_their_range() -> None:
    for path, leaf in load_chip("seneca-8x8").fields.items():
        if leaf.range is not None:
            assert leaf.range[0] <= leaf.value <= leaf.range[1], path
        elif leaf.mark is Mark.ASSUMED:
            assert path.startswith(("host.", "boundary.tile", "core.unsafe")), path


def test_marks_of_some_numbers_as_they_were_published() -> None:
    marks = load_chip("seneca-8x8").marks
    assert marks["core.npes"] == "published"
    assert marks["core.data_memory_bits"] == "second-hand"
    assert marks["core.line_bits"] == "derived"
    assert marks["clock_hz"] == "assumed"


def test_the_small_preset_differs_in_its_mesh_only() -> None:
    assert load_chip("seneca-4x4").chip == Chip("seneca-4x4", columns=4, rows=4)


def test_plain_values_of_a_file_are_the_users() -> None:
    loaded = parse_chip(EXTENDS + "core:\n  npes: 4\n  data_memory_bits: 1 Mib\n", "my.yaml")
    assert loaded.chip == Chip("seneca-8x8", core=CoreSpec(npes=4, data_memory_bits=2**20))
    assert loaded.marks["core.npes"] is Mark.USER
    assert loaded.fields["core.npes"].source == "my.yaml:4:9"
    assert loaded.marks["core.task_fifo"] is Mark.ASSUMED


def test_overrides_are_read_like_the_file() -> None:
    loaded = load_chip(
        "seneca-8x8", {"core.npes": "4", "columns": "4", "clock_hz": "200 MHz", "name": "mine"}
    )
    assert loaded.chip == Chip("mine", columns=4, clock_hz=200_000_000, core=CoreSpec(npes=4))
    assert loaded.fields["columns"].source == "--set columns=4"
    assert loaded.sha256 != load_chip("seneca-8x8").sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("core: {npe: 4}", "c.yaml:3:8: unknown key 'npe' in core; did you mean 'npes'?"),
        ("colums: 4", "c.yaml:3:1: unknown key 'colums'; did you mean 'columns'?"),
        ("zzz: 4", "c.yaml:3:1: unknown key 'zzz'; expected one of name, columns, rows"),
        ("core: 4", "c.yaml:3:7: core must be a mapping"),
        ("columns: many", "c.yaml:3:10: columns must be a whole number, got 'many'"),
        ("columns: 4.0", "c.yaml:3:10: columns must be a whole number, got '4.0'"),
        ("columns: [4]", "c.yaml:3:10: columns must be a whole number, got a list"),
        ("columns:", "columns must be a whole number, got ''"),
        ("columns: 0", "c.yaml:3:10: columns: 0 is too small: at least 1"),
        ("columns: -4", "c.yaml:3:10: columns: -4 is too small"),
        ("columns: " + "9" * 5000, "c.yaml:3:10: columns must be a whole number, got '999"),
        ("clock_hz: 500", "c.yaml:3:11: clock_hz: 500 needs a unit of frequency, e.g. '500 MHz'"),
        ("clock_hz: -500 MHz", "c.yaml:3:11: clock_hz: '-500 MHz' is negative"),
        ("clock_hz: [500 MHz]", "c.yaml:3:11: clock_hz must be a quantity, got a list"),
        ("noc: {link_bits: 0.5 b}", "c.yaml:3:18: noc.link_bits must be a whole number of base"),
        ("name: [1]", "c.yaml:3:7: name must be text"),
        ("columns: {valu: 4}", "c.yaml:3:11: unknown key 'valu' in columns; did you mean 'value'?"),
        ("columns: {mark: assumed}", "c.yaml:3:10: columns has no value"),
        ("columns: {value: 4, mark: sure}", "columns.mark is 'sure', expected published, second-"),
        ("columns: {value: 4, mark: assumed}", "columns is marked assumed, so it needs a source"),
        ("columns: {value: 4, range: 3}", "c.yaml:3:28: columns.range must be [low, high]"),
        ("columns: {value: 4, range: [9, 1]}", "c.yaml:3:28: columns.range must be [low, high]"),
        ("host: {x: 8}", "c.yaml:3:11: host.x: 8 is too large: at most 7"),
        ("core: {input_queue_flits: 5}", "c.yaml:3:27: core.input_queue_flits: 5 flits cannot"),
        ("noc: {packet_events: 64}", "seneca-8x8.yaml:43:17: noc.buffer_flits: 18 flits cannot"),
    ],
)
def test_a_slip_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse_chip(EXTENDS + text, "c.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_missing_field_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"t:1:1: columns is missing: give it, or start from"):
        parse_chip("schema: seneca-chip/1\nname: x\n", "t")


def test_overrides_that_do_not_fit_are_named_as_given() -> None:
    with pytest.raises(InputError, match=r"^--set core.npe=16: unknown key 'npe' in core"):
        load_chip("seneca-8x8", {"core.npe": "16"})
    with pytest.raises(InputError, match=r"^--set core.npes=x: core.npes must be a whole number"):
        load_chip("seneca-8x8", {"core.npes": "x"})


@pytest.mark.parametrize("name", LIBRARY.names())
def test_a_loaded_chip_reads_back_with_its_sources(name: str) -> None:
    loaded = load_chip(name)
    again = parse_chip(chip_yaml(loaded))
    assert (again.chip, again.fields) == (loaded.chip, loaded.fields)
    assert resolved(again) == resolved(loaded)


@given(
    st.builds(
        Chip,
        name=st.sampled_from(["a", "chip: 2", "# no", "true", "12"]),
        columns=st.integers(1, 200),
        clock_hz=st.integers(1, 10**12),
        core=st.builds(
            CoreSpec, npes=st.sampled_from((1, 2, 4, 8)), data_memory_bits=st.integers(1, 2**40)
        ),
        noc=st.builds(NocSpec, hop_cycles=st.integers(1, 9), link_bits=st.integers(1, 512)),
    )
)
def test_any_chip_reads_back(chip: Chip) -> None:
    assert parse_chip(chip_yaml(chip)).chip == chip


def test_a_file_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("\ufeff" + EXTENDS + "name: mine\n", encoding="utf-8")
    assert load_chip(path).chip == Chip("mine")


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("noc: {packet_events: 64}", "noc.packet_events (c.yaml:3:22)"),
        ("columns: 4\ncore: {npes: 16}", "core.npes (c.yaml:4:14)"),
        ("noc: {topology: torus}\nrows: 4", "noc.topology (c.yaml:3:17)"),
        ("core: {register_words: 32}", "core.register_words (c.yaml:3:24)"),
    ],
)
def test_a_contradiction_with_a_preset_names_the_users_field(text: str, own: str) -> None:
    with pytest.raises(InputError, match=rf"^seneca-8x8\.yaml:.*; you set {re.escape(own)}$"):
        parse_chip(EXTENDS + text, "c.yaml")


def test_a_contradiction_with_a_preset_names_the_override() -> None:
    with pytest.raises(InputError, match=r"; you set core.npes \(--set core.npes=16\)$"):
        load_chip("seneca-8x8", {"core.npes": "16"})
