"""Every option on SciPy's pages, for every name: an effect that can be seen, or a warning."""

import warnings

import numpy as np
import pytest
from scipy.optimize import OptimizeWarning, rosen, rosen_der, rosen_hess
from test_scipy_names import VALUES_ONLY, X0, derivatives, every_name, their_options

from smoothmin import minimize, show_options
from smoothmin._scipy_names import NAMES

# another value than SciPy's default; which of two runs differ by nothing else
VALUES = {
    "accuracy": 1e-3, "barrier_tol": 1e-2, "c1": 0.4, "c2": 0.45, "direc": 2 * np.eye(3),
    "disp": True, "eps": 1e-3, "eta": 0.1, "f_target": 40.0, "factorization_method": "SVD",
    "fatol": 10.0, "final_tr_radius": 0.1, "finite_diff_rel_step": 1e-3, "ftol": 0.1, "gtol": 0.5,
    "hess_inv0": np.diag([0.01, 0.02, 0.03]), "inexact": False, "initial_barrier_parameter": 3.0,
    "initial_barrier_tolerance": 3.0, "initial_constr_penalty": 50.0,
    "initial_simplex": np.vstack([X0, X0 + 3 * np.eye(3)]), "initial_tr_radius": 0.01,
    "initial_trust_radius": 0.01, "max_trust_radius": 0.02, "maxCGit": 3, "maxcor": 1, "maxfev": 9,
    "maxfun": 5, "maxiter": 2, "maxls": 2, "mesg_num": 5, "minfev": 3.0, "norm": 1,
    "offset": [1, 1, 1.0], "rescale": 2.0, "return_all": True, "rhobeg": 0.01, "scale": [1, 2, 3.0],
    "stepmx": 0.1, "subproblem_maxiter": 1, "tol": 0.1, "verbose": 2, "xatol": 0.1, "xrtol": 0.3,
    "xtol": 0.8,
}  # fmt: skip
WITH = {"norm": {"gtol": 1.0}}  # without which it means nothing
# purposes that are met whatever they say, as `show_options` tells
MET = {"adaptive", "sparse_jacobian", "iprint", ("COBYQA", "scale")}
ELSEWHERE = {"workers", "catol", "feasibility_tol"}


def disc(x):
    return 1.2 - x @ x


def valley(x):
    """Quicker than Rosenbrock's function, of the same start."""
    return float(np.array([1.0, 5.0, 20.0]) @ (x - 2) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2)


def slope(x):
    rise = 20 * (x[1] - x[0] ** 2)
    return np.array([2.0, 10.0, 40.0]) * (x - 2) + [-2 * x[0] * rise, rise, 0.0]


def run(name, options, by_differences, constrained):
    """What can be seen of a run: points, the result's fields, and warnings."""
    points = []

    def fun(x):
        points.append(tuple(x))
        return valley(x) if constrained else rosen(x)

    given = {} if name in VALUES_ONLY else derivatives(name)
    if constrained and given:
        given["jac"] = slope
    if by_differences:
        given.pop("jac")
    if constrained:
        given["constraints"] = {"type": "ineq", "fun": disc}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        res = minimize(fun, X0, method=name, options=options, rng=0, **given)
    return points, set(res), [str(each.message) for each in told]


@every_name
@pytest.mark.parametrize("constrained", [False, True])
def test_every_option_has_an_effect_or_a_warning(name, constrained, capsys):
    entry = NAMES[name.lower()]
    if constrained and not entry.constrained:
        return
    ways = [False] if entry.needs or name in VALUES_ONLY else [False, True]
    usual = {}  # what is seen without the option
    for option in their_options(name).keys() - MET - ELSEWHERE:
        if (name, option) in MET:
            continue
        seen, context = False, WITH.get(option, {})
        for by_differences in ways:
            key = by_differences, *context
            if key not in usual:
                usual[key] = (*run(name, context, by_differences, constrained), capsys.readouterr())
            options = {**context, option: VALUES[option]}
            points, fields, told = run(name, options, by_differences, constrained)
            warned = any(f"option {option} of" in text for text in told)
            found = (points, fields, told, capsys.readouterr())
            seen |= warned or any(found[k] != usual[key][k] for k in (0, 1, 3))
        assert seen, option


@every_name
def test_what_is_met_whatever_it_says_is_told(name):
    text = show_options(name, disp=False)
    for option in their_options(name):
        if option in MET or (name, option) in MET:
            assert f"{option} : nothing to do: " in text


@pytest.mark.parametrize(("name", "option"), [("COBYLA", "catol"), ("COBYQA", "feasibility_tol")])
def test_a_violation_within_the_tolerance_is_none(name, option):
    apart = [
        {"type": "ineq", "fun": lambda x: x[0] - 1},
        {"type": "ineq", "fun": lambda x: 0.8 - x[0]},
    ]
    for tolerance in (1e-3, 0.3):
        given = {"constraints": apart, "options": {option: tolerance}}
        res = minimize(rosen, X0, method=name, rng=0, **given)
        assert res.success == (tolerance == 0.3)


@pytest.mark.parametrize("by_differences", [False, True])
def test_a_loose_gtol_ends_a_constrained_run(by_differences):
    """As soon as the gradient of the Lagrangian is as small as that."""
    given = derivatives("trust-constr")
    if by_differences:
        given = {}

    def evaluations(gtol):
        options = {} if gtol is None else {"gtol": gtol}
        constraints = {"type": "ineq", "fun": lambda x: 4 - x @ x, "jac": lambda x: -2 * x}
        res = minimize(
            lambda x: rosen(x) + x[0], X0, method="trust-constr", constraints=constraints,
            options=options, **({"jac": lambda x: given["jac"](x) + np.eye(3)[0]} if given else {}),
        )  # fmt: skip
        assert res.success
        return res.nfev

    counts = [evaluations(gtol) for gtol in (30.0, 1e-1, None)]
    assert counts[0] < counts[1] <= counts[2]


def test_a_start_that_meets_gtol_is_the_end_under_constraints():
    given = {"type": "ineq", "fun": lambda x: 1 - x[0], "jac": lambda x: -np.eye(2)[0]}
    best = minimize(
        lambda x: float((x - 2) @ (x - 2)), [0.0, 0.0], jac=lambda x: 2 * (x - 2),
        method="trust-constr", constraints=given,
    )  # fmt: skip
    again = minimize(
        lambda x: float((x - 2) @ (x - 2)), best.x, jac=lambda x: 2 * (x - 2),
        method="trust-constr", constraints=given, options={"gtol": 1e-4},
    )  # fmt: skip
    assert again.success
    assert again.nfev <= 6  # a few beside a start that may be a saddle


@pytest.mark.parametrize("name", ["dogleg", "trust-ncg", "trust-exact", "trust-krylov"])
def test_the_first_step_by_a_hessian_is_as_long_as_the_initial_radius(name):
    points = []

    def fun(x):
        points.append(x.copy())
        return rosen(x)

    options = {"initial_trust_radius": 0.01}
    minimize(fun, [-1.2, 1.0], jac=rosen_der, hess=rosen_hess, method=name, options=options)
    np.testing.assert_allclose(np.linalg.norm(points[1] - points[0]), 0.01)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *[("L-BFGS-B", "maxcor"), ("SLSQP", "ftol"), ("TNC", "ftol"), ("TNC", "gtol")],
        *[("Nelder-Mead", "xatol"), ("Powell", "xtol"), ("Newton-CG", "xtol")],
        *[("COBYLA", "rhobeg"), ("COBYLA", "catol"), ("COBYQA", "initial_tr_radius")],
        *[("COBYQA", "feasibility_tol"), ("trust-constr", "verbose")],
        *[("trust-constr", "initial_tr_radius"), ("dogleg", "initial_trust_radius")],
    ],
)
@pytest.mark.parametrize("value", [np.nan, "loose", [1, 2]])
def test_bad_values_are_refused_by_the_name_that_was_given(name, option, value):
    with pytest.raises((TypeError, ValueError), match=f"^{option} must"):
        minimize(rosen, X0, method=name, options={option: value}, **derivatives(name))


def test_slsqps_ftol_is_for_violations_too():
    """As SciPy's page says; without it they may be larger than what it asks of values."""
    rows = [
        {"type": "ineq", "fun": lambda x: np.prod(x) - 25},
        {"type": "eq", "fun": lambda x: x @ x - 40},
    ]

    def fun(x):
        return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]

    given = {"method": "SLSQP", "bounds": [(1, 5)] * 4, "constraints": rows}
    fine = minimize(fun, [1.0, 5.0, 5.0, 1.0], options={"ftol": 1e-12}, **given)
    assert fine.success
    assert fine.constr_violation <= 40e-12
    asked = minimize(fun, [1.0, 5.0, 5.0, 1.0], options={"ftol": 1e-12, "ctol": 1e-3}, **given)
    assert asked.success
    assert asked.nfev <= fine.nfev  # what the user says of them counts


def test_printing_is_asked_for_by_disp():
    with pytest.warns(OptimizeWarning, match=r"iprint \(did you mean disp\?\)"):
        minimize(rosen, [-1.2, 1.0], method="bfgs", options={"iprint": 1, "maxiter": 1})
