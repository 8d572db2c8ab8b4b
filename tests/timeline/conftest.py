"""Programs of the tests of engines and results; nothing here runs without Perfetto's classes."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
for folder in ("engine", "results", "cli"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
