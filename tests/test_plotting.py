"""Pictures: what is drawn, and what is refused."""

import itertools
import re

import numpy as np
import pytest

from smoothmin import minimize, plotting

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def fun(x):
    return float(abs(x[0]) + (x[1] - 1) ** 2), np.array([np.sign(x[0]), 2 * (x[1] - 1)])


def run(**options):
    return minimize(fun, [2.0, 3.0], jac=True, rng=0, options={"history": True} | options)


def test_convergence_is_the_best_value_over_evaluations():
    res = run()
    ax = plotting.convergence({"default": res, "short": run(maxfev=5)}, minimum=0.0)
    line = ax.get_lines()[0]
    nfev, best = np.array(res.history["nfev"]), np.array(res.history["best_fun"])
    np.testing.assert_array_equal(line.get_xdata(), nfev)
    kept = best > 0
    np.testing.assert_array_equal(np.asarray(line.get_ydata())[kept], best[kept])
    assert ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["default", "short"]
    assert plotting.convergence(res).get_legend() is None


def test_legends_leave_no_axes_without_a_layout():
    import matplotlib.pyplot as plt

    results = {"a long name of a run": run(), "short": run(maxfev=5)}
    for layout in (None, "constrained"):
        figure, (left, right) = plt.subplots(1, 2, layout=layout)
        plotting.convergence(results, ax=left)
        plotting.convergence(results, ax=right)
        figure.draw_without_rendering()
        legend, other = left.get_legend().get_window_extent(), right.get_window_extent()
        assert legend.x1 < other.x0
        plt.close(figure)


def stripes_of(ax):
    """Where each begins and ends: rectangles, or polygons as matplotlib 3.8 has them."""
    corners = [p.get_patch_transform().transform(p.get_path().vertices) for p in ax.patches]
    return [(each[:, 0].min(), each[:, 0].max()) for each in corners]


def test_convergence_over_time():
    res = minimize(lambda x: fun(x)[0], [2.0, 3.0], rng=0, options={"history": True})
    ax = plotting.convergence(res, against="time")
    np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), res.history.time)
    assert ax.get_xlabel() == "seconds"
    ends = [right for _, right in stripes_of(ax)]
    assert max(ends) == pytest.approx(res.history.time[-1])
    with pytest.raises(ValueError, match=r"against must be one of .* got 'steps'"):
        plotting.convergence(res, against="steps")


def test_radius_draws_what_is_reported():
    ax = plotting.radius(run())
    assert ax.get_yscale() == "log"
    assert ax.get_lines()
    plain = minimize(fun, [2.0, 3.0], jac=True, method="bfgs", options={"history": True})
    with pytest.raises(ValueError, match="must report a radius"):
        plotting.radius(plain)


def test_a_landscape_and_its_smoothed_version():
    res = run(return_all=True)
    _, (left, right) = plt.subplots(1, 2)
    sides = [(-3, 3), (-1, 4)]
    ax = plotting.landscape(lambda x: fun(x)[0], sides, path=res.allvecs, samples=[[0, 0]], ax=left)
    assert ax is left
    assert ax.get_xlim() == (-3, 3)
    assert ax.get_ylim() == (-1, 4)
    np.testing.assert_allclose(ax.get_lines()[1].get_xydata(), res.allvecs)
    seen = []
    plotting.landscape(lambda x: seen.append(x) or 0.0, sides, sigma=0.5, n=4, ax=right)
    assert len(seen) == 4 * plotting.GRID**2
    # pairs around every point, so that slopes are not smoothed into steps
    points = np.array(seen).reshape(-1, 4, 2)
    np.testing.assert_allclose(points[0].mean(axis=0), [-3, -1], atol=1e-12)


def test_parallel_coordinates_draw_the_lowest_last():
    points = np.array([[0.0, 1.0, 5.0], [1.0, 0.0, 7.0], [0.5, 0.5, 6.0]])
    ax = plotting.parallel_coordinates(points, [3.0, 1.0, 2.0], labels=["a", "b", "c"])
    np.testing.assert_allclose(ax.get_lines()[-1].get_ydata(), [1, 0, 1])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c"]


def test_profiles():
    taken = {"one": [10, 20, np.inf, 40], "two": [20, 10, 30, np.inf]}
    line = plotting.performance_profile(taken).get_lines()[0]
    np.testing.assert_allclose(line.get_xdata(), [1, 1, 1, 2, 2])
    np.testing.assert_allclose(line.get_ydata(), [0, 0.25, 0.5, 0.75, 0.75])
    line = plotting.data_profile(taken, [1, 1, 2, 3]).get_lines()[1]
    np.testing.assert_allclose(line.get_xdata(), [5, 5, 10, 10, 10])


def test_no_two_lines_look_alike_and_none_is_lost_on_its_ground():
    lines = plotting.performance_profile({str(k): [k + 1.0] for k in range(12)}).get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 12
    for colour in plotting.COLOURS:
        channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        luminance = linear @ [0.2126, 0.7152, 0.0722]
        assert 1.05 / (luminance + 0.05) > 2  # on white
        assert (luminance + 0.05) / (0.01 + 0.05) > 3  # on a dark page


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: plotting.convergence(minimize(fun, [1.0, 1.0], jac=True)),
            ValueError,
            "no history",
        ),
        (lambda: plotting.convergence([]), ValueError, "results must not be empty"),
        (lambda: plotting.convergence(run(), labels=["a", "b"]), ValueError, "labels must be 1"),
        (lambda: plotting.landscape(3, [(0, 1)] * 2), TypeError, "fun must be callable"),
        (lambda: plotting.landscape(abs, [(1, 0)] * 2), ValueError, "bounds must be two finite"),
        (
            lambda: plotting.landscape(lambda x: 0.0, [(0, 1)] * 2, path=[1.0]),
            ValueError,
            "path must have shape (k, 2)",
        ),
        (lambda: plotting.parallel_coordinates([[1.0]], [1.0, 2.0]), ValueError, "must fit"),
        (lambda: plotting.performance_profile([]), TypeError, "must be a dict of solvers"),
        (lambda: plotting.performance_profile({"a": [0.0]}), ValueError, "must be positive"),
        (lambda: plotting.data_profile({"a": [1.0]}, [1, 2]), ValueError, "dimensions must be 1"),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=re.escape(says)):
        call()


def test_phases_of_a_single_run_are_shaded_without_gaps():
    def rugged(x):
        return float(np.sum(x**2 + 0.5 - 0.5 * np.cos(9 * x)))

    options = {"history": True, "maxfev": 200}
    res = minimize(rugged, [1.6, -1.5], bounds=[(-2, 2)] * 2, rng=0, options=options)
    ax = plotting.convergence(res)
    stripes = stripes_of(ax)
    assert len(stripes) >= 2
    assert all(left[1] == right[0] for left, right in itertools.pairwise(stripes))
    assert stripes[0][0] == 0
    assert stripes[-1][1] == np.asarray(res.history["nfev"])[-1]
    named = {text.get_text() for text in ax.get_legend().get_texts()}
    assert set(res.history["phase"]) <= named
    assert not plotting.convergence({"a": res, "b": res}).patches


def test_what_is_no_result_axis_or_number():
    for given in (None, "a", [3]):
        with pytest.raises(TypeError, match="results must be"):
            plotting.convergence(given)
    with pytest.raises(TypeError, match="ax must be Axes"):
        plotting.convergence(run(), ax=3)
    with pytest.raises(TypeError, match="dimensions must be numbers"):
        plotting.data_profile({"a": [1, 2]}, "a")
