"""What a process of a sweep needs, loaded: for the server that forks them, see `sweep.nursery`.

The engine's compiled code is read from its cache by the first run, so there is one here.
"""

from contextlib import suppress


def _load() -> None:
    import workloads.compiler
    import workloads.traces  # noqa: F401 - loaded for those to be forked, not used here
    from seneca_sim.conformance.build import stream_of
    from seneca_sim.conformance.programs import chip, single
    from seneca_sim.engine.compiled import simulate

    one = chip()
    simulate(one, single(one), stream_of(1, 1, 0))


with suppress(Exception):  # it will happen again in a process, where somebody hears of it
    _load()
