"""The README: what it tells its reader to type works as written, in its order."""

import re
from pathlib import Path

import click
import pytest
from docs_tools import DOCS, blocks, commands

from seneca_sim.cli.main import cli, main

README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
INSTALLS = ("python3 -m venv",)  # `.ci/run` runs the second; the first's job is run below
QUICK = ("init", "energy", "area", "kernel")  # less than a second each, so on every push

SHORTER = {
    # Each measures or searches for long what a smaller text shows as well.
    "curve": "--loss-inc 1.05 --calibration-bytes 513 --bytes 1025",  # 4 searches: over 20 min
}
FINDINGS = {"compare": 1}  # the runs do differ


def _readme() -> list[list[str]]:
    """Words of every command, but of those that install."""
    found = []
    for language, content in blocks(README):
        if language == "sh" and not content.startswith(INSTALLS):
            found += [words for words, _ in commands(content)]
    return found


def _pages() -> list[Path]:
    return [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]


def test_what_installs_is_known() -> None:
    marked = re.findall(r"^<!-- command: (\w+) -->\n```sh\n(.*)\n```$", README, re.M)
    assert [name for name, _ in marked] == ["run", "test"]
    shell = [content for language, content in blocks(README) if language == "sh"]
    assert [text for text in shell if text.startswith(INSTALLS)] == [f"{c}\n" for _, c in marked]
    assert marked[0][1].endswith("&& .venv/bin/seneca-sim run")


@pytest.mark.parametrize("page", _pages(), ids=lambda path: path.stem)
def test_commands_and_options_exist(page: Path) -> None:
    """In every page: nothing is run, but a misspelt option or one that is gone is found."""
    text = page.read_text(encoding="utf-8")
    shell = [
        words for kind, content in blocks(text) if kind == "sh" for words, _ in commands(content)
    ]
    for content in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S):
        said = re.findall(r"^\$ (.*)$", content.replace("\\\n", " "), re.M)
        shell += [words for line in said for words, _ in commands(line)]
    for words in shell:
        if words[0] == "seneca-sim" and "…" not in words:
            _parse(words[1:])


def _parse(words: list[str]) -> None:
    """Down to the subcommand, then its options and arguments, as click would."""
    command, context = cli, cli.make_context("seneca-sim", ["--help"], resilient_parsing=True)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None and command.name != "seneca-sim":
            break  # `sweep STUDY`
        assert found is not None, words
        command, words = found, words[1:]
    command.make_context(words[0] if words else "", list(words)).close()


def test_quick_commands(place: Path) -> None:
    done = [main(words[1:]) for words in _readme() if words[1] in QUICK]
    assert done == [0] * 4


@pytest.mark.nightly
def test_every_command_as_written(place: Path) -> None:
    pytest.importorskip("perfetto")
    _own_model(place)
    named = {"OLD": "old", "NEW": "new", "RUN": "new"}
    assert main(["run", "--no-accuracy", "--out", "old"]) == 0
    assert main(["run", "--no-accuracy", "--set", "noc.hop_cycles=4", "--out", "new"]) == 0
    found = _readme()
    assert len(found) > 20
    for words in found:
        asked = [named.get(word, word) for word in words[1:]]
        asked += SHORTER.get(asked[0], "").split()
        assert main(asked) == FINDINGS.get(asked[0], 0), words


@pytest.mark.nightly
def test_what_it_prints(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"^```\n(Sparsified, a token.*?)^```$", README, re.M | re.S)
    assert main(["run"]) == 0
    assert capsys.readouterr().out == shown


def _own_model(place: Path) -> None:
    """`my.pth` and `my.txt`, as a reader might have them: a toy, in BlinkDL's format."""
    import torch

    from workloads import zoo
    from workloads.models import Rwkv4Shape
    from workloads.models.layout import expected_shapes

    torch.manual_seed(0)
    shape = Rwkv4Shape(layers=1, width=32, ffn=64, vocab=256)
    weights = {
        name: torch.rand(size) if ".time_mix_" in name else torch.randn(size) / size[-1] ** 0.5
        for name, size in expected_shapes(shape).items()
    }
    torch.save(weights, place / "my.pth")
    (place / "my.txt").write_bytes(zoo.evaluation_text())
