"""Every job is handed out once, whatever workers do; fronts are what a plain search finds."""

from itertools import pairwise, product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.sweep.dispatch import Dispatcher, program_key
from seneca_sim.sweep.pareto import front
from seneca_sim.sweep.run import Shard, parse_shard, start_of
from seneca_sim.sweep.stages import Job
from seneca_sim.sweep.watch import PATHS

READS = frozenset({"core.npes", "mapping.cores_per_layer"})


def jobs(count: int = 24) -> list[Job]:
    axes = product("1248", "123", ["1 pJ", "2 pJ"])
    return [
        Job(index, {"chip.core.npes": npes, "noc.hop_cycles": hops, "energy.noc.flit_hop.noc": fj})
        for index, (npes, hops, fj) in zip(range(count), axes, strict=False)
    ]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.floats(0, 1, exclude_max=True))
def test_every_job_is_handed_out_once(seed: int, start: float) -> None:
    rng = Random(seed)
    dispatcher = Dispatcher(jobs(), start)
    has: dict[int, list[Job]] = {0: [], 1: [], 2: []}
    done: list[int] = []
    while len(dispatcher) or any(has.values()):
        worker = rng.randrange(3)
        match rng.choice(["take", "finish", "die", "learn", "told"]):
            case "take" if not has[worker]:
                has[worker] = dispatcher.next_for(worker)
            case "die":
                dispatcher.put_back(has[worker])
                has[worker] = []
            case "learn":
                dispatcher.learn(READS)
            case "told":
                dispatcher.told(worker, 10 * rng.random(), opened=rng.random() < 0.5)
            case _:
                done += [job.index for job in has[worker]]
                has[worker] = []
    assert sorted(done) == list(range(24))


def test_a_worker_stays_with_its_program_and_helps_at_the_end() -> None:
    dispatcher = Dispatcher(jobs())
    dispatcher.learn(READS)
    for worker in ("a", "b"):
        dispatcher.told(worker, 0.05, opened=False)  # portions of five
    got: dict[str, list[str]] = {"a": [], "b": []}
    while len(dispatcher):
        for worker, mine in got.items():
            mine += [job.varied["chip.core.npes"] for job in dispatcher.next_for(worker)]
    changes = {w: sum(x != y for x, y in pairwise(m)) for w, m in got.items()}
    assert max(changes.values()) <= 2
    assert abs(len(got["a"]) - len(got["b"])) <= 6


def groups_of(dispatcher: Dispatcher, workers: str, seconds: float) -> dict[str, list[str]]:
    """Lanes of the points that each worker gets when they ask in turn, a compile being a second."""
    got: dict[str, list[str]] = {worker: [] for worker in workers}
    for worker in workers:  # each begins somewhere, knowing nothing
        got[worker] += [job.varied["chip.core.npes"] for job in dispatcher.next_for(worker)]
    dispatcher.learn(READS)
    asking = list(workers)
    while asking:
        for worker in list(asking):
            dispatcher.told(worker, 1.0, opened=True)
            dispatcher.told(worker, seconds, opened=False)
            portion = dispatcher.next_for(worker)
            if not portion:
                asking.remove(worker)
            got[worker] += [job.varied["chip.core.npes"] for job in portion]
    assert len(dispatcher) == 0
    return got


def test_no_program_is_compiled_twice_where_that_takes_longer() -> None:
    got = groups_of(Dispatcher(jobs()), "ab", 0.1)
    assert not set(got["a"]) & set(got["b"])
    assert [len(got["a"]), len(got["b"])] == [12, 12]


def test_a_program_with_long_points_is_shared_out() -> None:
    got = groups_of(Dispatcher(jobs()), "abcdefgh", 60.0)
    assert all(got.values())
    assert max(len(mine) for mine in got.values()) <= 4


def test_the_largest_group_comes_first() -> None:
    few, many = jobs()[:2], [job for job in jobs() if job.varied["chip.core.npes"] == "8"]
    dispatcher = Dispatcher(few + many)
    dispatcher.learn(READS)
    assert dispatcher.next_for("a")[0].varied["chip.core.npes"] == "8"


def test_a_program_that_depends_on_which_settings_there_are_is_still_shared() -> None:
    reads = READS | {PATHS}
    assert len({program_key(job.varied, reads) for job in jobs()}) == 4
    other = {**jobs()[0].varied, "mapping.cores.head": "3"}
    assert program_key(other, reads) != program_key(jobs()[0].varied, reads)


def test_points_of_one_simulation_are_neighbours() -> None:
    dispatcher = Dispatcher(jobs())
    dispatcher.learn(READS)
    dispatcher.told("a", 1e-9, opened=False)
    portion = dispatcher.next_for("a")
    hops = [job.varied["noc.hop_cycles"] for job in portion]
    assert len(portion) == 6
    assert hops == sorted(hops)


def test_what_others_have_done_is_forgotten() -> None:
    dispatcher = Dispatcher(jobs())
    dispatcher.learn(READS)
    assert dispatcher.without(range(20)) == 20
    dispatcher.told("a", 1e-9, opened=False)
    assert sorted(job.index for job in dispatcher.next_for("a")) == [20, 21, 22, 23]


@given(st.integers(0, 50), st.integers(1, 9))
def test_shards_are_all_of_it_once(points: int, count: int) -> None:
    parts = [Shard(number, count).of(range(points)) for number in range(1, count + 1)]  # type: ignore[arg-type]
    assert [p for part in parts for p in part] == list(range(points))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert parse_shard(f"1/{count}") == Shard(1, count)


def test_writers_start_far_from_each_other() -> None:
    names = [f"{n}.records" for n in range(6)]
    assert [start_of(names, name) for name in names] == [0, 0.5, 0.25, 0.75, 0.125, 0.625]
    assert start_of(names, "unknown") == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_the_front_is_what_nobody_dominates(costs: list[tuple[float, ...]]) -> None:
    def dominated(point: tuple[float, ...]) -> bool:
        return any(
            all(a <= b for a, b in zip(other, point, strict=True)) and other != point
            for other in costs
        )

    assert sorted(front(costs)) == [i for i, point in enumerate(costs) if not dominated(point)]
