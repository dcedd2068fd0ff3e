"""The demo's problems: right gradients, known minima, and a race that is fair."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from smoothmin.demo import photograph, predator_prey, race, regression


@pytest.fixture(scope="module")
def quantiles():
    return regression.run(budget=1000)


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_regression_reaches_the_linear_program(quantiles, quantile):
    racers, exact = quantiles[quantile]
    assert racers[0].fun - exact < 1e-9
    assert racers[0].fun >= exact - 1e-12
    assert all(racer.fun > exact + 1e-6 for racer in racers[1:])
    assert all(racer.nfev == len(racer.trace) <= 1000 for racer in racers)


def test_pinball_gradient():
    design, response = regression.data()
    assert design.shape == (442, 11)
    loss = regression.Pinball(design, response, 0.7)
    point = np.random.default_rng(0).standard_normal(11)
    assert check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], point) < 1e-5


def test_misfit_of_the_published_fit_is_low():
    """Rates close to those usually reported for these data fit to within a factor or so."""
    logs = np.log([0.55, 0.028, 0.80, 0.024, 33.9, 5.9])
    assert predator_prey.misfit(logs) < 3.5
    assert predator_prey.misfit(predator_prey.START) > 20


def test_integration_keeps_the_conserved_quantity():
    logs = np.log([0.55, 0.028, 0.80, 0.024, 33.9, 5.9])
    birth, predation, death, growth = np.exp(logs[:4])
    hares, lynxes = predator_prey.integrate(logs, np.linspace(0, 20, 50), rtol=1e-9)
    constant = growth * hares - death * np.log(hares) + predation * lynxes - birth * np.log(lynxes)
    np.testing.assert_allclose(constant, constant[0], rtol=1e-5)


def test_parameters_that_take_too_many_steps_are_no_solution(monkeypatch):
    assert np.isfinite(predator_prey.misfit(predator_prey.START))
    monkeypatch.setattr(predator_prey, "MAX_CALLS", 20)
    assert np.isnan(predator_prey.misfit(predator_prey.START))


def test_restoration_gradient():
    rng = np.random.default_rng(0)
    problem = photograph.Restoration(rng.random((6, 7)), rng)
    image = rng.random((6, 7))

    def value(x):
        return problem(x.reshape(6, 7))[0]

    assert check_grad(value, lambda x: problem(x.reshape(6, 7))[1].ravel(), image.ravel()) < 1e-5


def test_blur_keeps_the_mean_and_is_its_own_adjoint():
    rng = np.random.default_rng(0)
    problem = photograph.Restoration(rng.random((6, 7)), rng)
    u, v = rng.random((6, 7)), rng.random((6, 7))
    assert np.sum(problem._blurred(u) * v) == pytest.approx(np.sum(u * problem._blurred(v)))
    assert problem._blurred(u).mean() == pytest.approx(u.mean())


def test_a_race_stops_at_its_budget():
    racers = race.race(
        lambda x: (float(x @ x), 2 * x), np.ones(3), jac=True, budget=2,
        ours={"method": "lbfgs"}, theirs=["CG", "Nelder-Mead"], name="lbfgs",
    )  # fmt: skip
    assert [racer.nfev for racer in racers[1:]] == [2, 2]
    assert racers[0].nfev <= 2
    assert "SciPy CG" in race.table("title", racers)
