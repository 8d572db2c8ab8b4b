"""The file boundary, through a small library of its own."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.config import Library, parse_document, read_document, yaml_text
from seneca_sim.config.document import Scalar, Table, parse
from seneca_sim.errors import InputError

HEAD = "schema: test/1\n"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "presets"
    folder.mkdir()
    (folder / "base.yaml").write_text(HEAD + "a: {value: 1, mark: assumed}\ngroup: {x: 1, y: 2}\n")
    (folder / "other.yaml").write_text(HEAD + "a: 5\n")
    return Library("test/1", "thing", folder)


def texts(table: Table) -> dict[str, object]:
    """A tree as nested dicts of texts."""
    return {
        key: texts(node) if isinstance(node, Table) else getattr(node, "text", None)
        for key, node in table.items.items()
    }


def test_a_node_knows_where_it_stands() -> None:
    table = parse("a: 1\nb:\n  c: 1e-12\n", "f.yaml")
    inner = table.items["b"]
    assert isinstance(inner, Table)
    assert inner.items["c"] == Scalar("f.yaml:3:6", "1e-12", "number")
    assert inner.keys["c"] == "f.yaml:3:3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: is empty, expected a mapping that starts with 'schema:'"),
        ("# only a comment\n", "f: is empty"),
        ("- a\n- b\n", "f:1:1: expected a mapping at the top, got a list"),
        ("12", "f:1:1: expected a mapping at the top, got a whole number"),
        ("a: 1\nb: 2\na: 3\n", "f:3:1: duplicate key 'a', first on line 1"),
        ("a: {b: 1, b: 2}", "f:1:11: duplicate key 'b', first on line 1"),
        ("a: [1", "f:1:6: not YAML: expected ',' or ']'"),
        ("a: b: c", "f:1:5: not YAML: mapping values are not allowed here"),
        ("a: *x", "f:1:4: not YAML: found undefined alias"),
        ("a: &x 1\nb: *x", "f:1:4: anchors and aliases are not read"),
        ("a: 1\n---\nb: 2", "f:2:1: not YAML"),
        ("? [a, b]\n: 1", "f:1:3: a key must be plain text"),
        ("a: \x00", "f: not YAML"),
        ("[" * 700, "f: is nested too deeply"),
    ],
)
def test_what_is_not_a_mapping_in_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse(text, "f")
    assert "\n" not in str(caught.value)


YAML_LIKE = st.text(alphabet="ab:-[]{}&*!|> \n'\"#?,1", max_size=60)


@given(st.text(max_size=60) | YAML_LIKE)
def test_any_text_is_a_table_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert isinstance(parse(text, "f"), Table)


def test_files_that_cannot_be_read(tmp_path: Path, library: Library) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\x89PNG\xff\xfe\x00")
    for name, message in [
        (str(tmp_path), ": is a directory, expected a YAML file"),
        (str(tmp_path / "no.yaml"), "no.yaml: cannot be read: No such file or directory"),
        (str(binary), "binary.yaml: is not UTF-8 text"),
        ("a\0b.yaml", "cannot be read"),
        ("bas", "no thing named 'bas'; did you mean 'base'? (shipped: base, other;"),
    ]:
        with pytest.raises(InputError, match=re.escape(message)):
            read_document(name, library)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "f:1:1: 'schema' is missing: expected schema: test/1"),
        ("schema: test/2\na: 1", "f:1:9: schema is 'test/2', expected 'test/1'"),
        ("schema: [1]", "f:1:9: schema must be text"),
        (HEAD + "extends: bse", "f:2:10: no thing named 'bse'; did you mean 'base'?"),
        (HEAD + "extends: 3", "f:2:10: extends must be text"),
        (HEAD + "extends: ./gone.yaml", "gone.yaml: cannot be read"),
    ],
)
def test_schema_and_extends_are_checked(library: Library, text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse_document(text, "f", library)


def test_extending_merges_groups_and_replaces_values(library: Library) -> None:
    text = HEAD + "extends: base\na: 7\ngroup: {y: 3}\n"
    assert texts(parse_document(text, "f", library).table) == {
        "a": "7",
        "group": {"x": "1", "y": "3"},
    }


def test_a_path_is_relative_to_the_file_that_extends(tmp_path: Path, library: Library) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mid.yaml").write_text(HEAD + "extends: other\nb: 1\n")
    (tmp_path / "top.yaml").write_text(HEAD + "extends: deep/mid.yaml\nb: 2\n")
    document = read_document(tmp_path / "top.yaml", library)
    assert texts(document.table) == {"a": "5", "b": "2"}


def test_a_ring_of_files_is_refused(tmp_path: Path, library: Library) -> None:
    (tmp_path / "one.yaml").write_text(HEAD + "extends: ./two.yaml\n")
    (tmp_path / "two.yaml").write_text(HEAD + "extends: ./one.yaml\n")
    with pytest.raises(InputError, match="extends itself"):
        read_document(tmp_path / "one.yaml", library)


def test_overrides_set_single_values(library: Library) -> None:
    document = read_document("base", library, {"group.x": "9", "a": "2 pJ", "new.deep": "z"})
    assert texts(document.table) == {
        "a": "2 pJ",
        "group": {"x": "9", "y": "2"},
        "new": {"deep": "z"},
    }
    with pytest.raises(InputError, match=r"--set a.b=1: 'a' is a single value, it has no 'b'"):
        read_document("base", library, {"a.b": "1"})


def test_the_hash_follows_everything_read(library: Library) -> None:
    base = read_document("base", library).sha256
    assert base == read_document("base", library).sha256
    assert base != read_document("base", library, {"a": "1"}).sha256
    (library.folder / "base.yaml").write_text(HEAD + "a: 2\n")
    assert base != read_document("base", library).sha256


def test_written_yaml_reads_back() -> None:
    data = {"schema": "test/1", "a": {"b": {"value": "2 Mib", "range": [1, 2]}, "c": "no: 1 #"}}
    assert texts(parse(yaml_text(data), "f")) == {
        "schema": "test/1",
        "a": {"b": {"value": "2 Mib", "range": None}, "c": "no: 1 #"},
    }
