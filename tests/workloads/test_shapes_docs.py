"""docs/zoo.md: its table is what the zoo says, its file reads, its messages are real."""

import re
from pathlib import Path

import pytest

from seneca_sim.errors import InputError
from workloads import zoo

PAGE = (Path(__file__).parents[2] / "docs" / "zoo.md").read_text(encoding="utf-8")


def row_of(card: zoo.ShapeCard) -> str:
    natural, sparse = card.densities("natural"), card.densities("sparsified")
    average = [100 * zoo.expected_sparsity(card.shape, d) for d in (natural, sparse)]
    kept = [zoo.expected_macs(card.shape, d) / card.block_macs for d in (natural, sparse)]
    ratios = [zoo.expected_ratio(card.shape, natural, sparse, head=head) for head in (False, True)]
    cells = [
        f"`{card.name}`",
        f"{card.shape.layers} x {card.shape.width}",
        f"{card.parameters:,}",
        f"{card.block_macs:,}",
        f"{card.head_macs:,}",
        f"{natural.mark} / {sparse.mark}",
        f"{average[0]:.2f} / {average[1]:.2f}",
        f"{100 - 100 * kept[0]:.2f} / {100 - 100 * kept[1]:.2f}",
        f"{ratios[0]:.3f} / {ratios[1]:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def test_the_table_is_todays() -> None:
    found = [line for line in PAGE.splitlines() if re.match(r"\| `(rwkv|opt)\S*` \|", line)]
    assert found == [row_of(card) for card in zoo.shapes()]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_reads(example: str) -> None:
    Path("my.yaml").write_text(example, encoding="utf-8")
    card = zoo.load_shape("my.yaml")
    assert list(card.variants) == ["natural", "mine"]
    assert card.densities("mine").by_layer["att.key"] == (0.4, 0.5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rwkv4          # or rwkv7, opt\n", "opt\nheads: 7\npositions: 512\n"),
        ("ffn: 256\n", ""),
        ("att.rec: 0.5,", "att.rec: 50,"),
        ("vocab: 300\n", "vocab: 300\nparameters: 5\n"),
    ],
)
def test_messages_are_those_of_the_page(example: str, old: str, new: str) -> None:
    assert old in example
    Path("my.yaml").write_text(example.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        zoo.load_shape("my.yaml")
    assert str(caught.value) in PAGE
