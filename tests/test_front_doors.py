"""Other libraries' doors: SciPy's global methods, scikit-learn, optimagic, autograd.

`basinhopping` and `dual_annealing` are in `test_minimize_methods.py`.
"""

import importlib.util
import pathlib
import sys

import numpy as np
import pytest
import scipy
import scipy.optimize
from scipy.optimize import rosen

from smoothmin import BFGS, minimize

ROOT = pathlib.Path(__file__).parents[1]
BOX = [(-4.0, 4.0)] * 2


def ripples(x):
    return float(20 + np.sum(x**2 - 10 * np.cos(2 * np.pi * x)))


@pytest.mark.skipif(
    tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 17),
    reason="before SciPy 1.17 only its own methods polish",
)
def test_differential_evolution_polishes_with_a_method_of_ours():
    seen = []

    def polish(fun, x0, **kwargs):
        seen.append(x0)
        return minimize(fun, x0, method="lbfgs", rng=0, bounds=kwargs.get("bounds"))

    res = scipy.optimize.differential_evolution(ripples, BOX, maxiter=8, rng=0, polish=polish)
    assert seen
    assert res.fun <= ripples(seen[0])


def test_shgo_with_a_local_method_of_ours():
    kwargs = {"method": BFGS()}
    res = scipy.optimize.shgo(ripples, BOX, n=8, iters=1, minimizer_kwargs=kwargs)
    assert res.fun < 1e-6


def example(name):
    path = ROOT / "notebooks" / "docs" / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that its classes can be pickled
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
def test_a_scikit_learn_estimator():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    regressor = example("quantile_regressor").QuantileRegressor
    checks.check_estimator(regressor(max_iter=5))
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((200, 3))
    target = inputs @ [1.0, -2.0, 0.5] + 3 + rng.standard_normal(200)
    fitted = regressor(quantile=0.8).fit(inputs, target)
    below = np.mean(target <= fitted.predict(inputs))
    assert abs(below - 0.8) <= 0.02


@pytest.mark.parametrize("name", ["DerivativeFree", "GradientSampling", "LBFGS"])
def test_optimagic(name):
    om = pytest.importorskip("optimagic")
    ours = importlib.import_module("smoothmin.optimagic")
    algorithm = getattr(ours, name)
    res = om.minimize(
        fun=lambda x: x @ x,
        params=np.array([2.0, 3.0]),
        algorithm=algorithm(seed=0, stopping_maxfun=500),
        bounds=om.Bounds(lower=np.array([1.0, -5.0])),
    )
    np.testing.assert_allclose(res.params, [1.0, 0.0], atol=1e-4)
    if name == "DerivativeFree":
        many = om.minimize(
            fun=rosen,
            params=np.zeros(2),
            algorithm=algorithm(seed=0, n_cores=2, stopping_maxfun=20),
        )
        assert many.fun < 1.0


def test_autograd():
    pytest.importorskip("autograd")
    import autograd.numpy as anp
    from autograd import value_and_grad

    def fun(x):
        return anp.sum(anp.abs(x - 1.0)) + anp.sum(x**2)

    res = minimize(value_and_grad(fun), np.array([3.0, -2.0]), jac=True)
    assert res.success
    np.testing.assert_allclose(res.x, 0.5, atol=1e-5)
