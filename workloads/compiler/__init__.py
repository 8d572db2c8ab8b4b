"""The compiler: model shape -> layer graph -> mapping -> Program, and Program + trace -> stream."""

from workloads.compiler.choose import MapSettings, choose, smallest_cores
from workloads.compiler.graph import LayerGraph
from workloads.compiler.lower import compile_plan, lower
from workloads.compiler.mapping import Mapping
from workloads.compiler.model_graph import chip_tensors, model_graph
from workloads.compiler.opt import opt_graph
from workloads.compiler.rwkv4 import rwkv4_graph
from workloads.compiler.rwkv7 import rwkv7_graph, rwkv7_tensors
from workloads.compiler.stack import Linear, stack
from workloads.compiler.stream import event_stream, mask_stream

__all__ = [
    "LayerGraph",
    "Linear",
    "MapSettings",
    "Mapping",
    "chip_tensors",
    "choose",
    "compile_plan",
    "event_stream",
    "lower",
    "mask_stream",
    "model_graph",
    "opt_graph",
    "rwkv4_graph",
    "rwkv7_graph",
    "rwkv7_tensors",
    "smallest_cores",
    "stack",
]
