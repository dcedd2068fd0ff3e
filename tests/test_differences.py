"""Finite differences: accuracy, bounds, batches."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import _differences, minimize
from smoothmin._differences import SCHEMES, Stencil
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish
from smoothmin._status import Status

TOLERANCES = {"2-point": 1e-5, "3-point": 1e-7, "cs": 1e-13}


def smooth(x):
    """Values at the rows of ``x``, real or complex."""
    return np.sin(x).sum(axis=1) + (x[:, :-1] * x[:, 1:]).sum(axis=1) + np.exp(0.1 * x[:, 0])


def smooth_der(x):
    gradients = np.cos(x)
    gradients[:, :-1] += x[:, 1:]
    gradients[:, 1:] += x[:, :-1]
    gradients[:, 0] += 0.1 * np.exp(0.1 * x[:, 0])
    return gradients


def drive(stencil, points, fun=smooth):
    """Values, gradients, and the batches asked for."""
    steps = stencil.gradients(points)
    batches = [next(steps)]
    while True:
        try:
            batches.append(steps.send(fun(batches[-1])))
        except StopIteration as end:
            return *end.value, batches


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("bounded", [False, True])
def test_gradients_are_accurate(scheme, n, m, bounded):
    points = 2 * np.random.default_rng(n + m).standard_normal((m, n))
    box = (points.min(axis=0), points.max(axis=0) + 1e-3) if bounded else None
    values, gradients, _ = drive(Stencil(scheme, box), points)
    assert_array_equal(values, smooth(points))
    assert_allclose(gradients, smooth_der(points), rtol=0, atol=TOLERANCES[scheme])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_batch_holds_everything(scheme):
    points = np.random.default_rng(0).standard_normal((4, 3))
    batches = drive(Stencil(scheme, None), points)[2]
    if scheme == "cs":  # real points apart from complex ones
        assert [b.shape for b in batches] == [(4, 3), (12, 3)]
        assert batches[0].dtype == np.float64
        assert_array_equal(batches[1].real.reshape(4, 3, 3), points[:, None, :].repeat(3, 1))
    else:
        assert [b.shape for b in batches] == [(4 + 12 * (scheme == "3-point") + 12, 3)]
        assert_array_equal(batches[0][:4], points)
        moved = (batches[0][4:].reshape(-1, 4, 3, 3) != points[:, None, :]).sum(axis=-1)
        assert_array_equal(moved, 1)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("limit", [1, 10, 50, 200])
def test_blocks_of_any_size_give_the_same(scheme, limit, monkeypatch):
    points = np.random.default_rng(0).standard_normal((5, 6))
    whole = drive(Stencil(scheme, None), points)
    monkeypatch.setattr(_differences, "LARGE", limit)
    parts = drive(Stencil(scheme, None), points)
    assert_array_equal(whole[0], parts[0])
    assert_array_equal(whole[1], parts[1])
    assert len(parts[2]) > len(whole[2])


edges = st.sampled_from([0.0, 1.0, -1.0, 1e-9, -3e-9, 1e-8, 1e-5, 0.3, 1e6, -2e9, 1e-300])


@settings(max_examples=200, deadline=None)
@example(scheme="3-point", rows=[(1.0, 2**-52, 0.0, 0)])
@example(scheme="2-point", rows=[(1e6, 1e-9, 0.5, 0)])
@given(
    scheme=st.sampled_from(SCHEMES),
    rows=st.lists(
        st.tuples(edges, st.floats(1e-12, 1e3), st.floats(0, 1), st.integers(0, 3)),
        min_size=1,
        max_size=4,
    ),
)
def test_no_step_leaves_the_box(scheme, rows):
    lower = np.array([row[0] for row in rows])
    upper = np.maximum(lower + [row[1] for row in rows], np.nextafter(lower, np.inf))
    kinds = np.array([row[3] for row in rows])
    share = np.select([kinds == 0, kinds == 1], [0.0, 1.0], [row[2] for row in rows])
    x = np.clip(lower + share * (upper - lower), lower, upper)[None, :]
    box = (np.where(kinds == 3, -np.inf, lower), upper)

    def line(points):
        return points @ np.arange(1.0, len(rows) + 1)

    _, gradients, batches = drive(Stencil(scheme, box), x, line)
    for batch in batches:
        assert np.all(batch.real >= box[0])
        assert np.all(batch.real <= box[1])
    assert np.isfinite(gradients).all()
    if scheme == "cs":  # no rounding, whatever room the box leaves
        assert_allclose(gradients[0], np.arange(1.0, len(rows) + 1), rtol=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    lower=st.floats(-10, 10),
    width=st.floats(1e-6, 10),
    share=st.sampled_from([0.0, 1e-9, 0.5, 1 - 1e-9, 1.0]),
    scheme=st.sampled_from(SCHEMES),
)
def test_gradients_are_accurate_at_and_near_bounds(lower, width, share, scheme):
    box = (np.array([lower]), np.array([lower + width]))
    x = np.clip(box[0] + share * width, *box)[None, :]
    _, gradients, _ = drive(Stencil(scheme, box), x, lambda p: np.sin(p[:, 0]))
    # a step of a millionth at least, of a value that rounds at 1e-16
    assert_allclose(gradients, np.cos(x), atol=2e-6 if scheme == "2-point" else 1e-8)


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e300])
def test_huge_and_tiny_values_have_gradients(scheme, scale):
    points = np.array([[1.0, -2.0]])
    _, gradients, _ = drive(Stencil(scheme, None), points, lambda p: scale * (p**2).sum(axis=1))
    assert_allclose(gradients / scale, 2 * points, rtol=1e-6)


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_warn_of_nothing(scheme, value):
    points = np.array([[1.0, -2.0]])

    def holey(batch):
        return np.where((batch == points).all(axis=1), smooth(batch), value)

    _, gradients, _ = drive(Stencil(scheme, None), points, holey)
    assert not np.isfinite(gradients).any()


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("share", [0.5, 1e-2])
def test_slopes_at_the_edge_of_where_values_are(scheme, side, share):
    step = 0.01
    points = np.array([[1.0, -2.0], [1.0, 3.0]])

    def edged(batch):  # values only at less than a step from the first element on
        values = smooth(batch)
        values[side * (batch[:, 0] - 1.0) > share * step] = np.nan
        values[side * (1.0 - batch[:, 0]) > (10 if share == 0.5 else 0.4) * step] = np.nan
        return values

    _, gradients, batches = drive(Stencil(scheme, None, step), points, edged)
    everywhere = drive(Stencil("3-point", None), points, smooth)[1]
    assert_allclose(gradients, everywhere, atol=2 * step * np.abs(everywhere).max())
    assert sum(map(len, batches[1:])) <= 3 * len(points)


def test_the_other_side_of_an_edge_is_inside_the_bounds():
    points, box = np.array([[0.001]]), (np.array([0.0]), np.array([1.0]))

    def edged(batch):
        return np.where(batch[:, 0] > 0.0015, np.nan, 3 * batch[:, 0])

    _, gradients, batches = drive(Stencil("2-point", box, 0.01), points, edged)
    assert min(batch.min() for batch in batches) >= 0
    assert_allclose(gradients, 3.0, rtol=1e-9)


def test_a_step_of_ones_own():
    points = np.array([[1.0, 10.0]])
    batch = drive(Stencil("2-point", None, relative_step=0.5), points)[2][0]
    assert_array_equal(batch, [[1, 10], [1.5, 10], [1, 15]])


class OneAsk(Method):
    """Asks for gradients at three points once."""

    def run(self, problem, rng):
        points = problem.x0 + np.arange(3.0)[:, None] / 100
        answers = yield Ask(points, 1)
        return Finish(Status.CONVERGED, "asked", gradients=answers.gradients)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_ask_is_answered_with_gradients_in_the_free_variables(scheme):
    def fun(x):
        return smooth(x[None, :])[0]

    x0 = np.array([0.5, 1.0, -0.5])
    res = minimize(fun, x0, method=OneAsk(), jac=scheme, bounds=[(0, 1), (1, 1), (-1, 0)])
    points = x0 + np.arange(3.0)[:, None] / 100
    points[:, 1] = 1.0
    expected = smooth_der(points)[:, [0, 2]]
    assert_allclose(res.gradients, expected, atol=TOLERANCES[scheme])
    assert res.nfev == 3 * {"2-point": 3, "3-point": 5, "cs": 3}[scheme]
    assert res.njev == 0


def test_differences_are_those_of_scipy():
    from scipy.optimize import approx_fprime

    x = np.array([0.3, -1.7, 20.0])
    _, ours, _ = drive(
        Stencil("2-point", None), x[None, :], lambda p: np.array([rosen(row) for row in p])
    )
    theirs = approx_fprime(x, rosen)
    exact = rosen_der(x)
    assert np.abs(ours[0] - exact).max() <= 4 * np.abs(theirs - exact).max() + 1e-6


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "sqp"])
def test_a_minimum_whose_values_are_multiples_is_found(method):
    """The logarithm of one and little has the rounding of one, in units of the factor."""
    for seed in (5, 56, 60, 61):
        rng = np.random.default_rng(seed)
        start, angle = rng.uniform(-8, 8, 2), rng.uniform(0, 3.14)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

        def fun(x, turn=turn):
            return 4e5 * float(np.log(1 + [0.5, 30] @ (turn @ x) ** 2))

        res = minimize(fun, start, method=method)
        assert res.success, (seed, res.message)
        assert res.fun <= 1e-6
