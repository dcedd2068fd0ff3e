"""What options of the reformulations mean, to the letter."""

import numpy as np
import pytest
from scipy.optimize import OptimizeWarning

import smoothmin as sm


def bowl(x):
    return float(x @ x), 2 * x


FIXED = {
    "descent": sm.GradientDescent(lr=0.1, gtol=0),
    "momentum": sm.GradientDescent(lr=0.1, gtol=0, momentum=0.5, nesterov=True),
    "laplacian": sm.LaplacianDescent(step="fixed", lr=0.1),
    "smoothed": sm.LaplacianSmoothing(sm.GradientDescent(lr=0.1, gtol=0)),
}


@pytest.mark.parametrize("name", FIXED)
def test_iterations_are_steps(name):
    seen = []
    res = sm.minimize(
        bowl, [3.0, 4.0, 1.0], jac=True, method=FIXED[name], callback=seen.append,
        options={"maxiter": 3, "return_all": True},
    )  # fmt: skip
    assert (res.nit, len(seen), len(res.allvecs)) == (3, 3, 4)
    assert not np.array_equal(seen[0], [3.0, 4.0, 1.0])
    assert np.array_equal(res.allvecs[1:], seen)


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_criterion_that_fires_loses_no_step(name, reset, steps):
    seen = []
    method = sm.GradientSampling(
        FIXED[name], n=5, termination=sm.AfterSteps(steps), reset_on_termination=reset
    )
    options = {"maxiter": 12}
    res = sm.minimize(
        bowl, [3.0, 4.0], jac=True, method=method, rng=0, options=options,
        callback=lambda x: seen.append(tuple(x)),
    )  # fmt: skip
    assert len(set(seen)) == 12
    np.testing.assert_allclose(res.sigma, (2 / 3) ** (11 // steps))


def test_a_method_without_memory_has_none_to_reset():
    ends = []
    for reset in (True, False):
        method = sm.GradientSampling(
            FIXED["descent"], n=5, termination=sm.AfterSteps(2), reset_on_termination=reset
        )
        options = {"maxiter": 9, "return_all": True}
        res = sm.minimize(bowl, [3.0, 4.0], jac=True, method=method, rng=0, options=options)
        ends.append(res.allvecs)
    assert np.array_equal(*ends)


def test_new_perturbations_at_every_step_cost_no_more():
    calls = []
    for fixed in (True, False):
        method = sm.GradientSampling(FIXED["descent"], n=7, fixed=fixed)
        options = {"maxiter": 10}
        res = sm.minimize(bowl, [3.0, 4.0], jac=True, method=method, rng=0, options=options)
        calls.append(res.nfev)
    assert calls == [77, 77]


def test_rounds_without_a_step_come_to_a_limit():
    method = sm.GradientSampling(
        sm.GradientDescent(lr=0.1), n=5, termination=sm.Never(), decay=1.0, design="antithetic"
    )
    res = sm.minimize(bowl, [0.0, 0.0], jac=True, method=method, rng=0, options={"maxiter": 30})
    assert res.status == 1


@pytest.mark.parametrize("strategy", ["value", "grad-norm"])
def test_a_strategy_compares_with_the_point_itself(strategy):
    """At the minimum no sample is better, so sigma shrinks at every step."""
    calls = []
    method = sm.GradientSampling(
        sm.GradientDescent(lr=1e-9, gtol=0), n=6, include_x0=False, sigma_strategy=strategy
    )
    res = sm.minimize(
        lambda x: calls.append(x.copy()) or bowl(x), [0.0, 0.0], jac=True, method=method, rng=0,
        options={"maxiter": 4},
    )  # fmt: skip
    np.testing.assert_allclose(res.sigma, (2 / 3) ** 3)
    assert len(calls) == res.nfev == 5 * 7
    assert not calls[0].any()


def test_values_per_block():
    method = sm.GradientSampling(
        sm.GradientDescent(lr=[0.1, 0.2], gtol=0),
        sigma=[1.0, 2.0],
        decay=[0.5, 1.0],
        n=5,
        shapes=[(2, 1), 3],
        termination=sm.AfterSteps(2),
    )
    res = sm.minimize(bowl, np.ones(5), jac=True, method=method, rng=0, options={"maxiter": 5})
    np.testing.assert_allclose(res.sigma, [0.25, 0.25, 2, 2, 2])
    bounds = [(None, None)] * 4 + [(1, 1)]
    res = sm.minimize(
        bowl, np.ones(5), jac=True, method=method, rng=0, bounds=bounds, options={"maxiter": 5}
    )
    np.testing.assert_allclose(res.sigma, [0.25, 0.25, 2, 2])


@pytest.mark.parametrize(
    "method",
    [
        sm.GradientDescent(lr=[0.1, 0.2]),
        sm.GradientDescent(lr=[0.1, 0.2], shapes=[2, 3]),
        sm.GradientDescent(lr=[0.1, 0.2, 0.3], shapes=[2, 2]),
        sm.LaplacianSmoothing(sigma=[1.0, 2.0, 3.0], shapes=[2, 2]),
        sm.LaplacianSmoothing(sigma=[1.0, 2.0]),
        sm.GradientSampling(decay=[0.5, 0.5, 0.5], shapes=[2, 2]),
    ],
)
def test_wrong_numbers_of_blocks_are_refused(method):
    with pytest.raises(ValueError, match=r"shapes|one number"):
        sm.minimize(bowl, np.ones(4), jac=True, method=method)


def test_the_last_iterate_is_kept():
    def hole(x):
        e = np.exp(-((x - 1.3) ** 2).sum() / (2 * 0.02**2))
        return 0.5 * float(x @ x) - 3 * e, x + 3 * e * (x - 1.3) / 0.02**2

    method = sm.GradientSampling(sm.GradientDescent(lr=0.2), sigma=0.5)
    runs = {
        which: sm.minimize(
            hole, [2.5], jac=True, rng=0, method=method, options={"maxiter": 60, "result": which}
        )
        for which in ("best", "last")
    }
    assert runs["best"].x[0] > 1
    assert abs(runs["last"].x[0]) < 0.5
    for res in runs.values():
        assert np.array_equal(res.x_last, runs["last"].x)
        assert res.fun_last == runs["last"].fun
    with pytest.raises(ValueError, match="result"):
        sm.minimize(hole, [2.5], jac=True, options={"result": "first"})


@pytest.mark.parametrize("ord", [1, 2, np.inf])
def test_norms_have_an_order(ord):
    for kind in (sm.GradientNorm, sm.UpdateNorm):
        seen = [np.array([3.0, 4.0])]
        sm.minimize(
            bowl, seen[0], jac=True, method=FIXED["descent"], callback=seen.append,
            options={"termination": kind(0.1, ord=ord)},
        )  # fmt: skip
        scale = (
            2.0 if kind is sm.GradientNorm else 0.25
        )  # a step is x / 5, from 1.25 of where it ends
        scale = 2.0 if kind is sm.GradientNorm else 0.25
        sizes = [scale * np.linalg.norm(x, ord) for x in seen]
        assert sizes[-1] <= 0.1 < sizes[-2]


def test_mini_batches_are_as_good_as_plain_stochastic_descent():
    rng = np.random.default_rng(0)
    data, true = rng.standard_normal((500, 4)), np.array([1.0, -2.0, 0.5, 3.0])
    target = data @ true + 0.1 * rng.standard_normal(500)
    best = np.linalg.lstsq(data, target, rcond=None)[0]

    def loss(x, rows):
        residual = data[rows] @ x - target[rows]
        return residual @ residual / (2 * len(rows)), data[rows].T @ residual / len(rows)

    errors = []
    descent = sm.GradientDescent(lr=0.05, gtol=0)
    for method in (descent, sm.GradientSampling(descent, sigma=0.01, n=6)):
        draws = np.random.default_rng(1)
        batch = draws.integers(500, size=25)

        def next_batch(x, draws=draws, batch=batch):
            batch[:] = draws.integers(500, size=25)

        res = sm.minimize(
            loss, np.zeros(4), (batch,), jac=True, method=method, rng=0, callback=next_batch,
            options={"maxiter": 400, "result": "last"},
        )  # fmt: skip
        full = loss(res.x, np.arange(500))[0]
        errors.append(full - loss(best, np.arange(500))[0])
    assert max(errors) < 1e-3


def test_names_of_reformulations():
    for name in ("GradientSampling", "gradientsampling"):
        res = sm.minimize(bowl, [3.0, 4.0], jac=True, method=name, rng=0, options={"sigma": 0.1})
        assert res.method == "GradientSampling"
    res = sm.minimize(bowl, [3.0, 4.0], jac=True, method="laplacian-smoothing")
    assert res.method == "LaplacianSmoothing"
    text = sm.show_options("GradientSampling", disp=False)
    assert "sigma_nplus" in text
    with pytest.warns(OptimizeWarning, match='Burke.*method="GradientSampling"'):
        sm.minimize(bowl, [3.0, 4.0], jac=True, method="gradient-sampling", options={"sigma": 0.1})
