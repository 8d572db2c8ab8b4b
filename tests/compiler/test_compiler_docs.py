"""docs/compiler.md: its counts, its mapping file and its example are real."""

import re
from pathlib import Path

import numpy as np
import pytest
from builders import make_chip

from seneca_sim.chip import Chip
from seneca_sim.cli.settings import RUN_SETTINGS
from workloads.compiler import (
    Linear,
    MapSettings,
    lower,
    mask_stream,
    rwkv4_graph,
    rwkv7_graph,
    smallest_cores,
    stack,
)
from workloads.compiler.choose import STRATEGIES
from workloads.compiler.mapping_file import read_mapping
from workloads.compiler.placement import NAMES
from workloads.zoo import load_shape
from workloads.zoo.densities import expected_macs, expected_ratio

TEXT = (Path(__file__).parents[2] / "docs" / "compiler.md").read_text(encoding="utf-8")
SIZES = {"169M": (12, 768), "430M": (24, 1024), "3B": (32, 2560), "14B": (40, 5120)}


@pytest.mark.parametrize("model", SIZES)
def test_core_counts(model: str) -> None:
    row = re.search(rf"^\| {model} \| ([\d,]+) \| ([\d,]+) \|", TEXT, re.M)
    assert row
    layers, width = SIZES[model]
    sizes = {"layers": layers, "width": width, "ffn": 4 * width, "vocab": 50277}
    graph = rwkv4_graph(model, sizes, head="out")
    for bits, told in zip(("int4", "int8"), row.groups(), strict=True):
        how = MapSettings(strategy="grouped", bits=bits)
        assert f"{smallest_cores(graph, Chip('c'), how):,}" == told


@pytest.mark.parametrize("name", ["rwkv7-0.1b", "rwkv7-2.9b"])
def test_core_counts_of_rwkv7(name: str) -> None:
    row = re.search(rf"^\| {re.escape(name)} \| ([\d,]+) \| ([\d,]+) \|", TEXT, re.M)
    assert row
    sizes = {k: int(v) for k, v in load_shape(name).shape.stated().items() if k != "family"}
    for bits, told in zip(("int4", "int8"), row.groups(), strict=True):
        cores = smallest_cores(
            rwkv7_graph(name, sizes, head="out"), Chip("c"), MapSettings(bits=bits)
        )
        assert f"{cores:,}" == told


@pytest.mark.parametrize("name", ["rwkv7-0.1b", "rwkv7-0.4b", "rwkv7-1.5b", "rwkv7-2.9b"])
def test_mac_ratios_are_those_of_the_densities(name: str) -> None:
    """Of drawn events, so not to the last digit; dense block matrices are counted."""
    row = re.search(rf"^\| {re.escape(name)} \| .* µ?m?J .* \| ([\d.]+) \|$", TEXT, re.M)
    assert row
    assert float(row[1]) == pytest.approx(_ratio(name), abs=0.01)


def test_macs_of_opt_are_those_of_the_densities() -> None:
    ratio, card = _ratio("opt-2.7b"), load_shape("opt-2.7b")
    macs = [expected_macs(card.shape, card.densities(v)) for v in ("natural", "sparsified")]
    dense, natural, sparse = (f"{n / 1e9:.2f}" for n in (card.block_macs, *macs))
    assert f"(surviving MACs {ratio:.2f}x)" in TEXT
    wanted = f"{dense} / {dense} G    {natural} / {natural} G    {sparse} / {sparse} G"
    assert re.search(rf"^MACs a token, blocks / all +{re.escape(wanted)}", TEXT, re.M)
    skipped = [100 * (1 - n / card.block_macs) for n in macs]
    assert re.search(rf"^sparsity, weighted by MACs +0.0 % +{skipped[0]:.1f} % +", TEXT, re.M)
    assert f" {skipped[1]:.1f} %\nzeros by site" in TEXT


def _ratio(name: str) -> float:
    card = load_shape(name)
    return expected_ratio(card.shape, card.densities("natural"), card.densities("sparsified"))


def test_every_setting_has_a_row() -> None:
    told = set(re.findall(r"`((?:mapping|weights)\.[a-z_]+)`", TEXT))
    assert {path for path in RUN_SETTINGS if path.startswith(("mapping.", "weights."))} <= told | {
        "mapping.state_words"
    }
    for name in (*STRATEGIES, *NAMES):
        assert f"`{name}`" in TEXT


def test_the_mapping_file_reads(tmp_path: Path) -> None:
    text = re.search(r"```yaml\n(.*?)```", TEXT, re.S)
    assert text
    (tmp_path / "m.yaml").write_text(text[1])
    assert set(read_mapping(tmp_path / "m.yaml")) == {"strategy", "cores", "tiles", "place"}


def test_the_stack_compiles() -> None:
    graph = stack("mlp", [Linear(784, 512, bias=True), "relu", Linear(512, 10)])
    program = lower(graph, make_chip(8, 8))
    pixels, hidden = np.eye(3, 784), np.eye(3, 512)
    masks = {"layers.0.in": pixels != 0, "layers.1.in": hidden != 0}
    stream = mask_stream(program, masks, tokens=len(pixels))
    assert stream.tokens == 3
