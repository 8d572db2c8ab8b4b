"""The compiler: model shape -> layer graph -> mapping -> Program, and Program + trace -> stream."""

from workloads.compiler.graph import LayerGraph
from workloads.compiler.lower import lower
from workloads.compiler.mapping import Mapping, output_split
from workloads.compiler.rwkv4 import rwkv4_graph
from workloads.compiler.stream import event_stream

__all__ = [
    "LayerGraph",
    "Mapping",
    "event_stream",
    "lower",
    "output_split",
    "rwkv4_graph",
]
