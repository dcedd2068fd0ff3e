import numpy as np
import pytest

from smoothmin.linesearch.brent import Valley


def test_parabola_is_predicted():
    valley = Valley((-1.0, 0.0, 2.0), tuple(3 * (t - 0.4) ** 2 + 1 for t in (-1.0, 0.0, 2.0)))
    assert valley.vertex == pytest.approx(0.4)
    assert valley.decrease == pytest.approx(3 * 0.4**2)
    assert valley.next_point() == valley.vertex


def test_nothing_is_predicted_at_an_end_or_beside_no_value():
    for valley in (
        Valley((0.0, 0.0, 1.0), (1.0, 1.0, 2.0)),
        Valley((-1.0, 0.0, 1.0), (np.inf, 0.0, 2.0)),
        Valley((-1.0, 0.0, 1.0), (1.0, 1.0, 1.0)),
    ):
        assert np.isnan(valley.vertex)
        assert valley.decrease == 0


@pytest.mark.parametrize("ratio", [1.0, 30.0, 1e4])
def test_bracket_closes_where_the_curvature_jumps(ratio):
    def fun(t):
        return (t - 0.3) ** 2 * (ratio if t > 0.3 else 1.0)

    valley = Valley((-1.0, 0.0, 2.0), (fun(-1.0), fun(0.0), fun(2.0)))
    for _ in range(60):
        u = valley.next_point()
        valley.add(u, fun(u))
    assert abs(valley.m - 0.3) < 1e-5
