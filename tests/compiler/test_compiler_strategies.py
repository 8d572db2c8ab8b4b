"""Programs of every strategy compute what the model computes, and both engines agree on them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from builders import make_chip
from test_engine_properties import assert_counts

from seneca_sim.chip import Chip
from seneca_sim.engine import compiled, reference
from seneca_sim.engine.bound import counts, lower_bounds
from seneca_sim.functional.quantise import quantise
from seneca_sim.program import Program
from workloads.compiler import MapSettings, event_stream, lower, rwkv4_graph
from workloads.compiler.check import check_values, run_tokens, verdict
from workloads.models import Rwkv4, Rwkv4Shape, site_names
from workloads.models.layout import expected_shapes
from workloads.traces import ActivationTrace
from workloads.traces.record import record

SHAPE = Rwkv4Shape(2, 96, 160, 50)
WAYS = {
    "together": MapSettings(strategy="output-split"),
    "grouped": MapSettings(strategy="grouped"),
    "grouped, uneven": MapSettings(
        strategy="grouped", cores={"residual": 5, "attention": 3, "key": 7, "logits": 3}
    ),
    "grouped with tiles": MapSettings(strategy="grouped", tiles={"ffn.val": 3, "att.key": 2}),
    "mixed": MapSettings(strategy="mixed", goal="latency"),
    "packed": MapSettings(strategy="grouped", fewest=True),
    "input-split": MapSettings(strategy="input-split"),
    "tiles-2d": MapSettings(strategy="tiles-2d"),
}


@dataclass(frozen=True)
class Case:
    model: Rwkv4
    trace: ActivationTrace

    @property
    def weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.numpy() for name, tensor in self.model.weights.items()}


@cache
def case(bits: int = 16) -> Case:
    """A random model, its matrices rounded to what `bits` can hold, and what it does on a text."""
    gen, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    weights = {}
    for name, size in expected_shapes(SHAPE).items():
        noise = torch.randn(size, generator=gen)
        if ".time_mix_" in name:
            noise = torch.rand(size, generator=gen)
        elif name.endswith("time_decay"):
            noise = torch.rand(size, generator=gen) * 8 - 5
        elif len(size) == 2:
            noise = noise / size[1] ** 0.5
            if bits < 16 and name != "emb.weight":
                noise = torch.from_numpy(quantise(noise.numpy(), bits).dequantised())
        weights[name] = noise
    model = Rwkv4(SHAPE, weights)
    thresholds = {n: float(rng.uniform(0.05, 0.6)) for n in site_names(2) if rng.random() < 2 / 3}
    torch.set_num_threads(1)
    trace = record(model, rng.integers(0, 50, 6).tolist(), 3, thresholds, "sparsified", name="r")
    return Case(model, trace)


def small_chip(**values: int) -> Chip:
    return make_chip(12, 12, **({"data_memory_bits": 200_000} | values))


def compiled_for(way: str, bits: int = 16, head: str = "in", **chip: int) -> tuple[Program, Chip]:
    name = "bf16" if bits == 16 else f"int{bits}"
    how = MapSettings(**{**vars_of(WAYS[way]), "bits": name})
    hardware = small_chip(**chip)
    return lower(rwkv4_graph("r", case().trace.shape, head=head), hardware, settings=how), hardware


def vars_of(settings: MapSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in MapSettings.__dataclass_fields__}


@pytest.mark.parametrize(
    ("way", "bits"),
    [*((way, 16) for way in WAYS), ("grouped", 8), ("packed", 4), ("tiles-2d", 4)],
)
def test_values_are_those_of_the_model(way: str, bits: int) -> None:
    """At fp32, at every site: partial sums from tiles and quantised matrices included."""
    program, _ = compiled_for(way, bits)
    if "tiles" in way or "split" in way:
        assert any(".psum." in site.name for site in program.sites)
    result = verdict(check_values(program, case(bits).trace, case(bits).weights))
    assert result.passed, result
    assert result.mask_differences == 0


def test_values_without_the_head() -> None:
    program, _ = compiled_for("tiles-2d", 16, "out")
    result = verdict(check_values(program, case().trace, case().weights))
    assert result.passed, result


@pytest.mark.parametrize("way", WAYS)
def test_engines_agree(way: str) -> None:
    """All integers of both engines, and the counts of the closed form; windows hold (S14)."""
    program, chip = compiled_for(way)
    stream = event_stream(program, case().trace)
    activity = compiled.simulate(chip, program, stream, mode="pipelined")
    assert_counts(counts(chip, program, stream), activity)
    for name, cycles in lower_bounds(chip, program, stream, "pipelined").items():
        assert activity.cycles >= cycles, name
    if way == "mixed":
        assert dict(program.mapping)["strategy"] == "mixed"
    if way in ("grouped, uneven", "mixed", "tiles-2d"):
        again = reference.simulate(chip, program, stream, mode="pipelined")
        assert again.differences(activity) == []


def test_a_pipeline_with_one_packet_queues() -> None:
    """Groups apart, logits windowed, as tight as it goes: nothing gets stuck."""
    tight = {
        "input_queue_flits": 17,
        "output_queue_flits": 17,
        "queue_flits": 17,
        "buffer_flits": 17,
    }
    program, chip = compiled_for("tiles-2d", window=1, task_fifo=1, **tight)
    stream = event_stream(program, case().trace)
    wide_program, wide = compiled_for("tiles-2d", window=1)
    narrow = compiled.simulate(chip, program, stream, mode="pipelined")
    easy = compiled.simulate(wide, wide_program, stream, mode="pipelined")
    assert narrow.item_ops.tolist() == easy.item_ops.tolist()


def test_sequences_side_by_side() -> None:
    """Two sequences in turns on one program give what each gives alone, states apart."""
    how = MapSettings(strategy="grouped", batch=2)
    graph = rwkv4_graph("r", case().trace.shape)
    alone, both = lower(graph, small_chip()), lower(graph, small_chip(), settings=how)
    assert dict(both.mapping)["batch"] == "2"
    first, second = [3, 14, 15, 9], [26, 5, 35, 8]
    expected = [list(run_tokens(alone, case().weights, text)) for text in (first, second)]
    mixed = [token for pair in zip(first, second, strict=True) for token in pair]
    found = list(run_tokens(both, case().weights, mixed))
    for i, vectors in enumerate(found):
        assert np.allclose(vectors["logits"], expected[i % 2][i // 2]["logits"], rtol=0, atol=1e-5)
