"""The specification: a SimPy model of cores, queues, routers and links, rule by rule.

One module per part: `clock` (cycles and phases), `network` (input buffers, output ports, links),
`core` (controller, NPEs, event generator), `host`, `machine` (which connects them), `tally`
(what is counted) and `run` (the public function). The rules are numbered in docs/semantics.md;
comments cite them as S1, S2 …
"""

from seneca_sim.engine.reference.run import simulate

__all__ = ["simulate"]
