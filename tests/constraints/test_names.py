"""SciPy's names and options with constraints."""

import warnings

import numpy as np
import pytest
from problems import suzuki, suzuki_rows, suzuki_slopes
from scipy.optimize import NonlinearConstraint

from smoothmin import minimize

ROWS = NonlinearConstraint(suzuki_rows, 0, np.inf, jac=suzuki_slopes)
OPTIONS = {
    "SLSQP": {"ftol": 1e-9, "maxiter": 200},
    "trust-constr": {"gtol": 1e-6, "xtol": 1e-8, "maxiter": 300},
    "COBYLA": {"rhobeg": 0.5, "catol": 1e-5, "maxiter": 900, "tol": 1e-6},
    "COBYQA": {"initial_tr_radius": 0.5, "feasibility_tol": 1e-6, "final_tr_radius": 1e-6},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_names_run_with_their_options(name):
    runs = "sqp" if name in ("SLSQP", "trust-constr") else "constrained-model"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        res = minimize(
            lambda x: suzuki(x)[0],
            np.zeros(4),
            jac=(lambda x: suzuki(x)[1]) if runs == "sqp" else None,
            method=name,
            constraints=ROWS,
            options=OPTIONS[name],
            rng=0,
        )
    assert res.method == runs
    assert res.fun == pytest.approx(-44, abs=1e-3)
    assert res.maxcv <= 1e-4


@pytest.mark.parametrize(("jac", "runs"), [(True, "sqp"), (None, "constrained-model")])
def test_defaults(jac, runs):
    res = minimize(
        suzuki if jac else lambda x: suzuki(x)[0], np.zeros(4), jac=jac, constraints=ROWS, rng=0
    )
    assert res.method == runs
    assert res.success
