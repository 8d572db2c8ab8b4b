"""Labels of a front: none over another."""

from seneca_sim.report.pareto_plot import readable


def test_far_points_are_all_labelled_and_near_ones_once() -> None:
    assert readable([(1.0, 100.0), (10.0, 90.0), (100.0, 80.0)]) == [0, 1, 2]
    assert readable([(1.0, 100.0), (1.001, 99.9), (100.0, 80.0)]) == [0, 2]


def test_one_point_has_a_label() -> None:
    assert readable([(2.0, 3.0)]) == [0]
    assert readable([]) == []
