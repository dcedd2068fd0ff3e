"""`GradientSampling`: what it asks, what it answers the inner method, when it changes."""

import numpy as np
import pytest

from smoothmin import (
    BFGS,
    LBFGS,
    AfterSteps,
    GradientDescent,
    GradientSampling,
    NoImprovement,
    UpdateNorm,
    minimize,
)
from smoothmin._method import Method
from smoothmin._protocol import (
    CHANGED,
    REDRAWN,
    Answers,
    Ask,
    Finish,
    Iterate,
    Problem,
    quiet,
    resume,
)
from smoothmin._status import Status
from smoothmin.smoothing.smoothed_function import SmoothedFunction

START = np.array([1.5, -0.5, 2.0])


def kinked(x):
    return float(np.abs(x).sum() + x @ x), np.sign(x) + 2 * x


def rippled(x):
    return float(x @ x + np.cos(9 * x).sum()), 2 * x - 9 * np.sin(9 * x)


class Recorder:
    """Answers asks with a function and keeps them, as the engine would."""

    def __init__(self, fun, method, x0=START, has_gradient=True, box=None, seed=0):
        self.asks, self.iterates, self.fun = [], [], fun
        problem = Problem(np.array(x0, dtype=float), box, has_gradient, np.shape(x0))
        self.steps = method.run(problem, np.random.default_rng(seed))
        self.finish = None

    def run(self, steps):
        reply = None
        while len(self.iterates) < steps:
            message = quiet().run(resume, self.steps, reply)
            reply = None
            if isinstance(message, Ask):
                points = message.points.copy()
                self.asks.append((points, message.order))
                pairs = [self.fun(x) for x in points]
                gradients = np.array([g for _, g in pairs]) if message.order else None
                reply = Answers(np.array([f for f, _ in pairs]), gradients)
            elif isinstance(message, Iterate):
                self.iterates.append(message)
            else:
                self.finish = message
                break
        return self

    def offsets(self, k, sigma=1.0):
        """The perturbations of the k-th ask, whose first point is the unperturbed one."""
        points, _ = self.asks[k]
        return (points[1:] - points[0]) / sigma


class Probe(Method):
    """An inner method that asks at fixed points, steps without improving, and keeps what it saw."""

    handles_bounds = True

    def __init__(self, points):
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "seen", [])

    def run(self, problem, rng):
        for point in self.points:
            answers = yield Ask(np.atleast_2d(point), 1)
            reply = yield Iterate(point, answers.values[0], answers.gradients[0])
            self.seen.append((answers.values[0], answers.gradients[0], reply))
        return Finish(Status.CONVERGED, "All points seen.")


def test_points_are_x_plus_sigma_u():
    inner = Probe([START, START + 1])
    run = Recorder(kinked, GradientSampling(inner, n=7, sigma=[1.0, 10.0, 100.0])).run(2)
    assert [len(points) for points, _ in run.asks] == [7, 7]
    first, second = run.offsets(0), run.offsets(1)
    np.testing.assert_allclose(first, second, atol=1e-12)  # the same perturbations
    assert np.array_equal(run.asks[0][0][0], START)
    spread = np.abs(first).mean(axis=0)
    assert spread[0] < spread[1] < spread[2]


@pytest.mark.parametrize("chunk", [1, 10**6])
@pytest.mark.parametrize("aggregate", ["mean", "max", "min", "min-norm", "min-value", "softmin"])
def test_inner_method_sees_the_aggregate(aggregate, chunk, monkeypatch):
    from test_aggregate import brute_force

    from smoothmin.smoothing import perturbations

    monkeypatch.setattr(perturbations, "CACHED", chunk)
    inner = Probe([START])
    method = GradientSampling(inner, n=60, aggregate=aggregate, temperature=2.0)
    run = Recorder(rippled, method).run(2)
    points = np.concatenate([points for points, _ in run.asks])
    assert len(points) == 60
    pairs = [rippled(x) for x in points]
    values, gradients = np.array([f for f, _ in pairs]), np.array([g for _, g in pairs])
    value, gradient = brute_force(aggregate, values, gradients, 2.0)
    np.testing.assert_allclose(inner.seen[0][0], value, rtol=1e-12)
    np.testing.assert_allclose(inner.seen[0][1], gradient, rtol=1e-10, atol=1e-12)


def test_include_x0_false_leaves_the_unperturbed_point_out():
    run = Recorder(kinked, GradientSampling(Probe([START]), n=9, include_x0=False)).run(1)
    points, _ = run.asks[0]
    assert len(points) == 9
    assert not (points == START).all(axis=1).any()


def test_fixed_false_draws_after_every_step_and_says_so():
    inner = Probe([START] * 3)
    run = Recorder(kinked, GradientSampling(inner, n=5, fixed=False)).run(4)
    assert not np.allclose(run.offsets(0), run.offsets(1))
    assert [reply for _, _, reply in inner.seen] == [REDRAWN] * 3


def test_fixed_false_never_changes_within_a_line_search():
    method = GradientSampling(LBFGS(), n=6, fixed=False, sigma=0.5)
    run = Recorder(rippled, method).run(5)
    kinds = {np.round(run.offsets(k), 9).tobytes() for k in range(len(run.asks))}
    # one set of perturbations for the start and each of the five steps
    assert len(kinds) == 5
    assert len(run.asks) > 10


@pytest.mark.parametrize("design", ["iid", "antithetic", "latin-hypercube", "sobol", "orthogonal"])
@pytest.mark.parametrize("jac", [True, None])
def test_pre_generate_makes_no_difference(design, jac):
    fun = kinked if jac else lambda x: kinked(x)[0]
    runs = []
    for stored in (True, False):
        method = GradientSampling(n=21, design=design, pre_generate=stored, sigma=0.3)
        options = {"maxfev": 400, "return_all": True}
        runs.append(minimize(fun, START, jac=jac, method=method, rng=3, options=options))
    assert np.array_equal(runs[0].x, runs[1].x)
    assert np.array_equal(runs[0].allvecs, runs[1].allvecs)


def test_termination_shrinks_sigma_and_draws_anew():
    inner = Probe([START] * 10)
    method = GradientSampling(inner, n=5, termination=AfterSteps(3), decay=0.5, sigma=8.0)
    run = Recorder(kinked, method).run(7)
    assert [iterate.info["sigma"] for iterate in run.iterates] == [8, 8, 8, 4, 4, 4, 2]
    assert np.allclose(run.offsets(0), run.offsets(2))
    assert not np.allclose(run.offsets(2, 8.0), run.offsets(3, 4.0))


def test_default_decay_is_two_thirds():
    method = GradientSampling(Probe([START] * 9), n=5, termination=AfterSteps(1))
    run = Recorder(kinked, method).run(3)
    np.testing.assert_allclose([i.info["sigma"] for i in run.iterates], [1, 2 / 3, 4 / 9])


def test_reset_on_termination_restarts_the_inner_method():
    """A restarted probe begins with its first point again, one that goes on does not."""
    points = [START, START + 1, START + 2, START + 3]
    for reset, expected in ((True, START), (False, START + 2)):
        method = GradientSampling(
            Probe(points), n=3, termination=AfterSteps(2), reset_on_termination=reset
        )
        run = Recorder(kinked, method).run(3)
        np.testing.assert_allclose(run.asks[2][0][0], expected)


def test_without_reset_the_inner_method_is_told():
    inner = Probe([START] * 3)
    method = GradientSampling(inner, n=3, termination=AfterSteps(2), reset_on_termination=False)
    Recorder(kinked, method).run(4)
    assert [reply for _, _, reply in inner.seen][:3] == [None, CHANGED, None]


def test_an_inner_method_that_is_done_shrinks_sigma_too():
    method = GradientSampling(Probe([START]), n=3, termination=AfterSteps(100), decay=0.1)
    run = Recorder(kinked, method).run(4)
    np.testing.assert_allclose([i.info["sigma"] for i in run.iterates], [1, 0.1, 0.01, 0.001])


def test_several_criteria():
    method = GradientSampling(
        Probe([START] * 9), n=3, termination=[AfterSteps(50), UpdateNorm(1e-9, n=2)], decay=0.5
    )
    run = Recorder(kinked, method).run(5)
    # no step at first, then two that do not move
    assert [i.info["sigma"] for i in run.iterates] == [1, 1, 1, 0.5, 0.5]


@pytest.mark.parametrize("strategy", ["grad-norm", "value"])
@pytest.mark.parametrize("aggregate", ["mean", "max", "min", "min-norm", "min-value", "softmin"])
def test_sigma_shrinks_at_a_minimum(strategy, aggregate):
    """No sample is better than the minimizer, so sigma goes from 1/2 to 1/3."""
    inner = Probe([np.zeros(3)] * 2)
    method = GradientSampling(inner, n=20, sigma=0.5, aggregate=aggregate, sigma_strategy=strategy)
    run = Recorder(lambda x: (float(x @ x), 2 * x), method, np.zeros(3)).run(2)
    assert run.iterates[1].info["sigma"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("strategy", ["grad-norm", "value"])
def test_sigma_grows_far_from_a_minimum(strategy):
    inner = Probe([np.full(3, 50.0)] * 2)
    method = GradientSampling(inner, n=40, sigma=0.3, sigma_strategy=strategy)
    run = Recorder(lambda x: (float(x @ x), 2 * x), method, np.full(3, 50.0)).run(2)
    assert run.iterates[1].info["sigma"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("target", "grows"), [(9, True), (10, False), (0.9, True), (1.0, False), (0, True)]
)
def test_sigma_target_counts_or_shares(target, grows):
    """On a line all nine samples above x0 = -1 or below are known: nine of ten are lower."""
    offsets = np.array([-1.0, -2, -3, -4, -5, -6, -7, -8, -9, 1.0])[:, None]
    inner = Probe([np.zeros(1)] * 2)
    method = GradientSampling(
        inner, n=11, sigma=0.3, sigma_strategy="value", sigma_target=target,
        distribution=lambda rng, shape: offsets[: shape[0]],
    )  # fmt: skip
    run = Recorder(lambda x: (float(x[0]), np.ones(1)), method, np.zeros(1)).run(2)
    assert run.iterates[1].info["sigma"] == pytest.approx(0.4 if grows else 0.2)


def test_strategy_tells_the_inner_method():
    inner = Probe([START] * 2)
    Recorder(kinked, GradientSampling(inner, n=9, sigma_strategy="value")).run(3)
    assert inner.seen[0][2] is REDRAWN


def test_nonfinite_samples_are_left_out_and_counted():
    def half(x):
        return (np.nan, x) if x[0] > 2.0 else kinked(x)

    inner = Probe([START])
    run = Recorder(half, GradientSampling(inner, n=50)).run(2)
    points = run.asks[0][0]
    bad = int((points[:, 0] > 2.0).sum())
    assert 0 < bad < 50
    assert run.iterates[0].info["n_left_out"] == bad
    good = [kinked(x) for x in points if x[0] <= 2.0]
    np.testing.assert_allclose(inner.seen[0][0], np.mean([f for f, _ in good]))
    res = minimize(
        half, [1.9, 0.0, 0.0], jac=True, method=GradientSampling(n=50), rng=0,
        options={"maxfev": 2000},
    )  # fmt: skip
    assert res.n_left_out > 0
    assert res.n_nonfinite == res.n_left_out
    assert res.fun < 0.5


def test_no_finite_sample_answers_infinity():
    inner = Probe([START])
    Recorder(lambda x: (np.nan, x), GradientSampling(inner, n=5)).run(2)
    assert inner.seen[0][0] == np.inf
    assert not np.isfinite(inner.seen[0][1]).any()
    res = minimize(lambda x: (np.inf, x), START, jac=True, method=GradientSampling(n=5), rng=0)
    assert (res.status, res.success) == (3, False)


@pytest.mark.parametrize("design", ["iid", "sobol", "orthogonal"])
def test_values_alone_are_exact_for_quadratics(design):
    """With as many pairs as variables the slopes are fitted, not averaged."""
    hessian = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    inner = Probe([START])
    method = GradientSampling(inner, n=21, design=design, sigma=[0.1, 1.0, 10.0])
    run = Recorder(
        lambda x: (0.5 * float(x @ hessian @ x) - x[0], None), method, has_gradient=False
    )
    run.run(2)
    assert {order for _, order in run.asks} == {0}
    np.testing.assert_allclose(inner.seen[0][1], hessian @ START - [1, 0, 0], rtol=1e-9)


@pytest.mark.parametrize("distribution", ["gaussian", "uniform", "sphere", "rademacher", "own"])
def test_few_pairs_are_unbiased(distribution):
    """Fewer pairs than variables: right on the average over many draws."""
    own = {"own": lambda rng, shape: rng.laplace(size=shape)}
    slope = np.arange(1.0, 13.0)
    inner = Probe([np.zeros(12)] * 4000)
    method = GradientSampling(
        inner, n=7, fixed=False, distribution=own.get(distribution, distribution), sigma=0.5
    )
    Recorder(lambda x: (float(slope @ x), None), method, np.zeros(12), False).run(4001)
    mean = np.mean([gradient for _, gradient, _ in inner.seen], axis=0)
    # a user's own distribution is normalized by the moments of each draw, which is not exact
    np.testing.assert_allclose(mean, slope, atol=0.12 * 12 if distribution == "own" else 1.3)


@pytest.mark.parametrize("aggregate", ["mean", "max", "min", "min-norm", "min-value", "softmin"])
def test_values_alone_work_with_every_aggregate(aggregate):
    method = GradientSampling(n=30, aggregate=aggregate, sigma=0.3, termination=NoImprovement(n=2))
    res = minimize(lambda x: kinked(x)[0], START, method=method, rng=0, options={"maxfev": 1500})
    assert res.njev == 0
    assert res.fun < 0.8 * kinked(START)[0]


def test_samples_are_mirrored_at_bounds():
    seen = []

    def fun(x):
        seen.append(x.copy())
        return kinked(x)

    res = minimize(
        fun, [1.5, 0.5, 2.0], jac=True, bounds=[(1, 2), (0.4, None), (None, 3)],
        method=GradientSampling(n=30, sigma=2.0, termination=UpdateNorm(1e-3)), rng=0,
        options={"maxfev": 3000},
    )  # fmt: skip
    seen = np.array(seen)
    assert (seen >= [1, 0.4, -np.inf]).all()
    assert (seen <= [2, np.inf, 3]).all()
    np.testing.assert_allclose(res.x, [1, 0.4, 0], atol=0.05)


def test_gradient_is_that_of_the_value_at_bounds_too():
    from scipy.optimize import approx_fprime

    box = (np.array([0.0, -1.0, 1.0]), np.array([1.0, np.inf, 1.5]))
    problem = Problem(np.array([0.2, -0.9, 1.2]), box, True, (3,))
    sampler = SmoothedFunction(n=40, sigma=0.7).sampler(problem, np.random.default_rng(0))

    def value_and_gradient(x):
        steps, reply = sampler.evaluate(x, 1), None
        while True:
            try:
                ask = steps.send(reply)
            except StopIteration as end:
                return end.value
            pairs = [rippled(p) for p in ask.points]
            reply = Answers(np.array([f for f, _ in pairs]), np.array([g for _, g in pairs]))

    x = np.array([0.2, -0.9, 1.2])
    numeric = approx_fprime(x, lambda x: value_and_gradient(x)[0], 1e-7)
    np.testing.assert_allclose(value_and_gradient(x)[1], numeric, atol=1e-4)


@pytest.mark.parametrize("inner", [LBFGS(), BFGS(), None, GradientDescent(lr=0.05)])
def test_smoothing_passes_over_ripples(inner):
    method = GradientSampling(inner, sigma=0.5, n=60)
    res = minimize(
        rippled, [2.0, -1.5, 1.0], jac=True, method=method, rng=2, options={"maxfev": 6000}
    )
    plain = minimize(rippled, [2.0, -1.5, 1.0], jac=True, method="lbfgs")
    assert res.fun < plain.fun - 1


def test_nests_in_itself():
    method = GradientSampling(GradientSampling(LBFGS(), n=4, sigma=0.3), n=5, sigma=0.3)
    run = Recorder(kinked, method).run(2)
    # five outer points, each evaluated at four inner ones, for every ask of L-BFGS
    assert sum(len(points) for points, _ in run.asks) % 20 == 0


@pytest.mark.parametrize("inner", [None, LBFGS()])
def test_tolerance_reaches_the_inner_method(inner):
    method = GradientSampling(inner, n=5, sigma=0.1)
    assert method.with_tolerance(1e-3).inner.gtol == 1e-3
    loose, tight = (
        minimize(lambda x: (x @ x, 2 * x), [3.0, 4.0], jac=True, method=method, tol=tol, rng=0)
        for tol in (1.0, 1e-9)
    )
    assert loose.nfev < tight.nfev
    assert "aggregated" in tight.message


def test_own_rng_makes_the_run_independent_of_the_other():
    method = GradientSampling(n=9, rng=5)
    runs = [
        minimize(kinked, START, jac=True, method=method, rng=seed, options={"maxfev": 200})
        for seed in (0, 1)
    ]
    assert np.array_equal(runs[0].x, runs[1].x)


def test_shrinking_ends_by_itself():
    method = GradientSampling(n=4, termination=AfterSteps(2), decay=1e-3, sigma=0.1)
    res = minimize(kinked, START, jac=True, method=method, rng=0, options={"maxiter": 10**6})
    assert res.status == 0
    assert "rounding" in res.message


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"inner": "lbfgs"}, TypeError, "inner"),
        ({"sigma": -1.0}, ValueError, "sigma"),
        ({"sigma": "wide"}, TypeError, "sigma"),
        ({"n": 0}, ValueError, "n must be"),
        ({"n": 2.5}, TypeError, "n must be"),
        ({"aggregate": "median"}, ValueError, "aggregate"),
        ({"temperature": 0.0}, ValueError, "temperature"),
        ({"rng": "seed"}, TypeError, "rng must be a Generator"),
        ({"rng": np.random.RandomState(0)}, TypeError, "rng must be a Generator"),
        ({"rng": -1}, ValueError, "rng must be a Generator"),
        ({"distribution": "cauchy"}, ValueError, "distribution"),
        ({"distribution": np.ones(2)}, ValueError, "distribution"),
        ({"design": "grid"}, ValueError, "design"),
        ({"include_x0": 1}, TypeError, "include_x0"),
        ({"termination": "soon"}, TypeError, "termination"),
        ({"decay": 1.5}, ValueError, "decay"),
        ({"sigma_strategy": "luck"}, ValueError, "sigma_strategy"),
        ({"decay": [0.5, 1.5]}, ValueError, "decay"),
        ({"sigma_nplus": [[2.0]]}, ValueError, "sigma_nplus"),
        ({"sigma_target": 2.0}, ValueError, "sigma_target"),
        ({"sigma_nplus": 0}, ValueError, "sigma_nplus"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        GradientSampling(**options)


def test_bad_combinations_raise_before_any_evaluation():
    def never(x):
        raise AssertionError("evaluated")

    with pytest.raises(ValueError, match="sigma must be one number or 3"):
        minimize(never, START, method=GradientSampling(sigma=[1.0, 2.0]))
    with pytest.raises(ValueError, match="n must leave room for a pair"):
        minimize(never, START, method=GradientSampling(n=2))
    with pytest.raises(ValueError, match="needs gradients"):
        minimize(never, START, method=GradientSampling(sigma_strategy="grad-norm"))


def test_sigma_per_coordinate_leaves_out_fixed_variables():
    seen = []

    def fun(x):
        seen.append(x.copy())
        return kinked(x)

    method = GradientSampling(n=30, sigma=[1e-3, 5.0, 1.0])
    bounds = [(None, None), (0.5, 0.5), (None, None)]
    options = {"maxfev": 30}
    minimize(fun, [1.0, 0.5, 2.0], jac=True, method=method, bounds=bounds, rng=0, options=options)
    spread = np.std(seen, axis=0)
    assert spread[0] < 1e-2 < 0.3 < spread[2]
    assert spread[1] == 0
