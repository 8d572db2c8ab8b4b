"""A user's own shape file: what it gives, and what is refused with file, line and column."""

from pathlib import Path

import pytest

from seneca_sim.config import Mark
from seneca_sim.errors import InputError
from workloads import zoo

GOOD = """\
schema: seneca-shape/1
family: rwkv4
layers: 2
width: 64
ffn: 256
vocab: 300
variants:
  mine:
    density: {att.key: [0.4, 0.6], att.rec: 0.5, att.val: 0.5, att.out: 1, ffn.rec: 0, ffn.key: .7,
              ffn.val: 1e-1}
"""
LINES = GOOD.splitlines(keepends=True)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("my.yaml").write_text(text, encoding="utf-8")
        return "my.yaml"

    return write


def test_a_good_file(written) -> None:
    card = zoo.load_shape(written(GOOD))
    assert (card.name, card.mark, card.source) == ("my", Mark.USER, "my.yaml:1:1")
    assert card.block_macs == 13 * 64 * 64 * 2
    mine = card.densities("mine")
    assert mine.by_site(card.shape)["blocks.1.att.key"] == 0.6
    assert mine.mean() == pytest.approx(
        {"att.key": 0.5, "att.rec": 0.5, "att.val": 0.5, "att.out": 1, "ffn.rec": 0}
        | {"ffn.key": 0.7, "ffn.val": 0.1}
    )


def test_a_file_that_extends_a_shape_that_ships(written) -> None:
    card = zoo.load_shape(
        written("schema: seneca-shape/1\nextends: rwkv4-430m\nlayers: 2\nparameters: 130256896\n")
    )
    assert (card.shape.layers, card.shape.width) == (2, 1024)
    assert card.densities("natural").mark is Mark.ASSUMED
    # 2 V D + 13 D² L + D (11 L + 4) = 102,967,296 + 27,262,976 + 26,624
    assert card.parameters == 102_967_296 + 27_262_976 + 26_624


def swap(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (swap("ffn: 256\n", ""), "my.yaml:1:1: ffn is not given, but rwkv4 needs it; it is 4"),
        (swap("width: 64", "width: -64"), "my.yaml:4:8: width is -64; expected a positive integer"),
        (swap("width: 64", "width: 64.5"), "my.yaml:4:8: width must be a whole number, got '64.5'"),
        (swap("rwkv4", "rwkv5"), "my.yaml:2:9: family is 'rwkv5'; known families: rwkv4, rwkv7"),
        (swap("vocab: 300", "vocab: 300\nheads: 4"), "my.yaml:7:8: heads is given, but rwkv4 has"),
        (
            swap("rwkv4", "opt").replace("300", "300\nheads: 7\npositions: 9"),
            "my.yaml:7:8: heads is 7, which does not divide width 64; try 8",
        ),
        (swap("vocab: 300", "vocab: 300\nparameters: 5"), "my.yaml:7:13: parameters is 5, but"),
        (swap("layers:", "layer:"), "my.yaml:3:1: unknown key 'layer'; did you mean 'layers'?"),
        (
            swap("att.rec: 0.5", "att.rec: 1.5"),
            "my.yaml:9:45: variants.mine.density.att.rec is 1.5; a density is 0 to 1",
        ),
        (
            swap("att.rec: 0.5", "att.rec: 50"),
            "my.yaml:9:45: variants.mine.density.att.rec is 50; a density is 0 to 1; 50 % is 0.5",
        ),
        (swap("0.5, att.val", "-0.1, att.val"), "my.yaml:9:45: variants.mine.density.att.rec is"),
        (swap("0.5, att.val", ".nan, att.val"), "my.yaml:9:45: variants.mine.density.att.rec must"),
        (swap("0.5, att.val", "half, att.val"), "my.yaml:9:45: variants.mine.density.att.rec must"),
        (
            swap("[0.4, 0.6]", "[0.4]"),
            "my.yaml:9:24: variants.mine.density.att.key has 1 values for 2 layers; give one",
        ),
        (swap("att.rec:", "att.rcp:"), "my.yaml:9:36: unknown key 'att.rcp' in variants.mine"),
        (swap("att.rec: 0.5, ", ""), "my.yaml:9:14: variants.mine.density lacks att.rec; it needs"),
        (swap("mine", "dense"), "my.yaml:8:3: dense always exists; name another variant"),
        (swap("density:", "densities:"), "my.yaml:9:5: unknown key 'densities' in variants.mine"),
        (
            GOOD + "    spread: {att.key: [0.1, 0.2]}\n",
            "my.yaml:11:14: variants.mine gives att.key by layer in density and in spread",
        ),
        (GOOD + "    mark: published\n", "my.yaml:9:5: variants.mine is marked published, so"),
        (swap("seneca-shape/1", "seneca-chip/1"), "my.yaml:1:9: schema is 'seneca-chip/1'"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(written, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        zoo.load_shape(written(text))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match=r"^no shape named 'rwkv4-3c'; did you mean 'rwkv4-3b'\?"):
        zoo.load_shape("rwkv4-3c")
    with pytest.raises(InputError, match=r"^nowhere/my\.yaml: cannot be read"):
        zoo.load_shape("nowhere/my.yaml")
