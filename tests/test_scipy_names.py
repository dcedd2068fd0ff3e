"""Scripts for SciPy's methods: names, options, results, callbacks."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import OptimizeWarning, rosen, rosen_der, rosen_hess, rosen_hess_prod

import smoothmin
from smoothmin import BFGS, LBFGS, Optimizer, minimize, show_options
from smoothmin._registry import COMMON_OPTIONS, method_class, option_names
from smoothmin._scipy_names import NAMES
from smoothmin._scipy_options import FINAL_RADIUS

X0 = [-1.2, 1.0, 0.8]
VALUES_ONLY = ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"]
every_name = pytest.mark.parametrize("name", [entry.name for entry in NAMES.values()])


def derivatives(name):
    """What SciPy's method of that name needs, or takes."""
    if name in VALUES_ONLY:
        return {}
    needs = NAMES[name.lower()].needs
    return {"jac": rosen_der} | ({"hess": rosen_hess} if len(needs) > 1 else {})


def parabola(x):
    return float(x @ x) / 2, x.copy()


# names


def test_the_names_are_scipys():
    from scipy.optimize._minimize import MINIMIZE_METHODS

    assert set(NAMES) == {name for name in MINIMIZE_METHODS if name != "_custom"}


@every_name
@pytest.mark.filterwarnings("ignore:hess is used by:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:no method uses products:RuntimeWarning")
def test_every_name_runs_and_says_what(name):
    res = minimize(rosen, X0, method=name, rng=0, **derivatives(name))
    assert res.success
    assert res.fun < 1e-8
    assert res.method == method_class(name).name
    assert (res.njev == 0) == (name in VALUES_ONLY)


def test_case_and_underscores_do_not_matter():
    kw = {"jac": rosen_der, "options": {"maxiter": 3}}
    one, other = (minimize(rosen, X0, method=m, **kw) for m in ("L-BFGS-B", "l_bfgs_b"))
    assert_array_equal(one.x, other.x)


@pytest.mark.parametrize("name", ["CG", "TNC", "trust-constr"])
def test_names_without_a_matrix_have_none_for_many_variables(name):
    few, many = (minimize(parabola, np.ones(n), jac=True, method=name).method for n in (500, 501))
    assert (few, many) == ("bfgs", "lbfgs")


@pytest.mark.parametrize(
    ("name", "given", "missing"),
    [
        ("Newton-CG", {}, "jac"),
        ("Newton-CG", {"jac": False}, "jac"),
        ("dogleg", {"jac": rosen_der}, "hess"),
        ("dogleg", {"jac": rosen_der, "hessp": rosen_hess_prod}, "hess"),
        ("trust-exact", {"jac": rosen_der}, "hess"),
        ("trust-ncg", {"jac": rosen_der}, "hess or hessp"),
        ("trust-krylov", {"hess": rosen_hess}, "jac"),
    ],
)
@pytest.mark.filterwarnings("ignore:Method dogleg does not use:RuntimeWarning")
def test_what_scipy_needs_is_needed(name, given, missing):
    with pytest.raises(ValueError, match=f"{missing} is required for method='{name}'"):
        minimize(rosen, X0, method=name, **given)
    with pytest.raises(ValueError, match="required"):
        scipy.optimize.minimize(rosen, X0, method=name, **given)


@pytest.mark.parametrize("jac", [None, "2-point", "cs"])
def test_differences_of_differences_are_refused_as_in_scipy(jac):
    for function in (minimize, scipy.optimize.minimize):
        with pytest.raises(ValueError, match="gradient"):
            function(rosen, X0, method="trust-constr", jac=jac, hess="2-point")


@pytest.mark.filterwarnings("ignore:hess is used by:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:no method uses products:RuntimeWarning")
def test_a_product_with_the_hessian_is_as_good():
    kw = {"jac": rosen_der, "hessp": rosen_hess_prod}
    assert minimize(rosen, X0, method="trust-ncg", **kw).success


def test_an_optimizer_takes_the_names():
    optimizer = Optimizer(X0, method="COBYQA", options={"final_tr_radius": 1e-3})
    while not optimizer.stop():
        points = optimizer.ask()
        optimizer.tell(points, [rosen(x) for x in points])
    assert optimizer.result.success
    assert optimizer.result.method == method_class("COBYQA").name


# options


def their_options(name):
    """The options on SciPy's page, by their parameters, with their defaults."""
    import scipy.optimize._minimize as theirs

    function = {
        "l-bfgs-b": "_minimize_lbfgsb",
        "nelder-mead": "_minimize_neldermead",
        "newton-cg": "_minimize_newtoncg",
        "trust-constr": "_minimize_trustregion_constr",
        "trust-exact": "_minimize_trustregion_exact",
    }.get(name.lower(), "_minimize_" + name.lower().replace("-", "_"))
    parameters = inspect.signature(getattr(theirs, function)).parameters.values()
    arguments = {"callback", "jac", "grad", "hess", "hessp", "bounds", "constraints", "args"}
    return {
        p.name: p.default
        for p in parameters
        if p.default is not p.empty and p.name not in arguments
    }


@every_name
@pytest.mark.filterwarnings("ignore:hess is used by:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:no method uses products:RuntimeWarning")
def test_every_option_of_scipys_is_known_and_their_defaults_are_fine(name):
    known = {*NAMES[name.lower()].options, *COMMON_OPTIONS}
    options = their_options(name)
    assert options.keys() <= known
    plain = {k: v for k, v in options.items() if v is None or isinstance(v, (bool, int, float))}
    with warnings.catch_warnings():
        warnings.simplefilter("error", OptimizeWarning)
        res = minimize(rosen, X0, method=name, options=plain, rng=0, **derivatives(name))
    assert res.fun < 1e-3


@every_name
def test_meanings_are_options_of_what_runs_and_are_shown(name):
    entry = NAMES[name.lower()]
    text = show_options(name, disp=False)
    for n in (2, 10_000):
        known = {*option_names(method_class(entry.method_for(n))), *COMMON_OPTIONS, FINAL_RADIUS}
        # a memory is of no use to a matrix
        assert {m.option for m in entry.options.values() if m.option} <= known
    for option, meaning in entry.options.items():
        assert f"{option} : {meaning.text}" in text
    assert set(entry.tol) <= set(entry.options)
    assert f'method="{entry.name}" of SciPy runs {entry.runs}' in show_options(disp=False)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("L-BFGS-B", {"maxls": 5}),
        ("TNC", {"stepmx": 3.0}),
        ("Powell", {"direc": np.eye(3)}),
        ("Nelder-Mead", {"fatol": 1e-2}),
    ],
)
def test_what_is_not_taken_is_warned_of_with_the_reason(name, options):
    (option,) = options
    with pytest.warns(OptimizeWarning, match=f"option {option} of method='{name}' is not") as w:
        minimize(rosen, X0, method=name, options={**options, "maxfev": 30})
    assert w[0].filename == __file__


@pytest.mark.parametrize(
    ("method", "option", "ours"),
    [
        ("lbfgs", "maxcor", "memory"),
        ("lbfgs", "maxfun", "maxfev"),
        ("gradient-sampling", "maxfun", "maxfev"),
        ("model-descent", "rhobeg", "scale"),
    ],
)
def test_hints_name_what_an_option_of_scipys_is_called_here(method, option, ours):
    with pytest.warns(OptimizeWarning, match=rf"{option} \(did you mean {ours}\?\)"):
        minimize(rosen, X0, method=method, options={option: 3, "maxiter": 1})


@pytest.mark.parametrize(
    ("name", "option"),
    [("L-BFGS-B", "maxfun"), ("TNC", "maxfun"), ("COBYLA", "maxiter"), ("Powell", "maxfev")],
)
def test_limits_of_evaluations(name, option):
    res = minimize(rosen, X0, method=name, options={option: 20})
    assert (res.nfev, res.status) == (20, 2)


@pytest.mark.parametrize(
    ("name", "option"),
    [("L-BFGS-B", "maxfun"), ("TNC", "maxfun"), ("COBYLA", "maxiter"), ("Powell", "maxfev")],
)
@pytest.mark.parametrize("value", [-3, np.nan, "many"])
def test_bad_limits_are_refused_by_the_name_that_was_given(name, option, value):
    with pytest.raises((TypeError, ValueError), match=f"{option} must"):
        minimize(rosen, X0, method=name, options={option: value})


def test_the_callers_options_are_left_alone():
    options = {"maxcor": 3, "gtol": 1e-3}
    kept = dict(options)
    minimize(rosen, X0, jac=rosen_der, method="L-BFGS-B", options=options)
    assert options == kept


def test_memory_is_maxcor():
    kw = {"jac": rosen_der}
    theirs = minimize(rosen, X0, method="L-BFGS-B", options={"maxcor": 2}, **kw)
    ours = LBFGS(memory=2, first_step=1.0, c2=0.9)
    assert_array_equal(theirs.x, minimize(rosen, X0, method=ours, **kw).x)


@pytest.mark.parametrize("ftol", [1e-1, 1e-2, 1e-3])
def test_loose_tolerances_end_runs_as_soon_as_in_scipy(ftol):
    counts = []
    for pairs in (1, 2, 3, 5):
        start = np.tile([-1.2, 1.0], pairs)
        call = {"jac": rosen_der, "method": "L-BFGS-B", "options": {"ftol": ftol}}
        theirs = scipy.optimize.minimize(rosen, start, **call).nfev
        counts.append(minimize(rosen, start, **call).nfev / theirs)
    assert np.exp(np.log(counts).mean()) <= 1.2


@pytest.mark.parametrize("given", [{"c1": 1e-3}, {"c2": 0.95}, {"c1": 0.92, "c2": 0.95}])
def test_constants_that_are_given_are_taken(given):
    res = minimize(rosen, X0, jac=rosen_der, method="CG", options=given)
    assert res.success


# tolerances, as SciPy's formulas have them


def iterates(method, **options):
    values, points = [rosen(np.array(X0))], [np.array(X0)]

    def callback(intermediate_result):
        values.append(intermediate_result.fun)
        points.append(intermediate_result.x)

    res = minimize(rosen, X0, jac=rosen_der, method=method, options=options, callback=callback)
    return res, np.array(values), np.array(points)


@pytest.mark.parametrize(
    ("name", "option"),
    [("L-BFGS-B", "ftol"), ("SLSQP", "ftol"), ("bfgs", "xrtol"), ("Newton-CG", "xtol")],
)
@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-4])
def test_a_tolerance_ends_the_run_at_the_first_step_that_meets_it(name, option, tolerance):
    res, f, x = iterates(name, **{option: tolerance})
    length = np.linalg.norm(np.diff(x, axis=0), axis=1)
    unit = np.maximum(np.maximum(np.abs(f[:-1]), np.abs(f[1:])), 1.0)
    measure = {
        ("L-BFGS-B", "ftol"): -np.diff(f) / unit,
        ("SLSQP", "ftol"): -np.diff(f),
        ("bfgs", "xrtol"): length / (tolerance + np.linalg.norm(x[1:], axis=1)),
        # sure to be no longer than SciPy's mean of the elements
        ("Newton-CG", "xtol"): length / np.sqrt(x.shape[1]),
    }[name, option]
    assert res.success
    told = tolerance * np.sqrt(x.shape[1]) if name == "Newton-CG" else tolerance
    assert f"tol={told:.3g}" in res.message
    assert measure[-1] <= tolerance
    assert (measure[:-1] > tolerance).all()


@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_gtol_is_for_the_norm_that_is_asked_for(order):
    res, _, x = iterates("BFGS", gtol=1e-2, norm=order)
    sizes = [np.linalg.norm(rosen_der(point), order) for point in x]
    assert res.success
    assert sizes[-1] <= 1e-2 < min(sizes[:-1])


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "lbfgs", "trust-constr"])
@pytest.mark.parametrize("how", ["gtol", "tol"])
def test_a_start_that_meets_the_tolerance_is_the_end(method, how):
    kw = {"tol": 0.1} if how == "tol" else {"options": {"gtol": 0.1}}
    res = minimize(parabola, np.full(5, 1e-3), jac=True, method=method, **kw)
    assert (res.nit, res.nfev, res.success) == (0, 1, True)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("Nelder-Mead", "xatol"),
        ("Powell", "xtol"),
        ("COBYLA", "tol"),
        ("COBYQA", "final_tr_radius"),
    ],
)
def test_final_radii_are_in_the_variables_units(name, option):
    loose, tight = (
        minimize(rosen, X0, method=name, options={option: radius}, rng=0) for radius in (1e-1, 1e-7)
    )
    assert loose.nfev < tight.nfev
    assert np.abs(tight.x - 1).max() < 1e-5
    assert tight.radius <= 1e-6
    by_tol = minimize(rosen, X0, method=name, tol=1e-7, rng=0)
    assert by_tol.nfev == tight.nfev


def test_a_simplex_gives_start_and_scale():
    simplex = np.array([[2.0, 3.0], [2.5, 3.0], [2.0, 3.25]])
    points = []

    def fun(x):
        points.append(x.copy())
        return float(x @ x)

    minimize(fun, [9.0, 9.0], method="Nelder-Mead", options={"initial_simplex": simplex})
    assert_array_equal(points[0], simplex[0])
    assert_allclose(np.ptp(points[:3], axis=0), [0.5, 0.25])
    with pytest.raises(ValueError, match="initial_simplex must have shape"):
        minimize(fun, [9.0, 9.0], method="Nelder-Mead", options={"initial_simplex": np.eye(2)})


@pytest.mark.parametrize(
    ("name", "option"), [("COBYLA", "rhobeg"), ("COBYQA", "initial_tr_radius")]
)
def test_the_first_radius_is_the_scale(name, option):
    points = []

    def fun(x):
        points.append(x.copy())
        return float(x @ x)

    minimize(fun, [3.0, 3.0], method=name, options={option: 0.25, "maxfev": 9})
    assert_allclose(np.ptp(points[:3], axis=0), 0.25)


@pytest.mark.parametrize("option", ["gtol", "ftol", "fatol", "xtol", "xrtol", "norm"])
@pytest.mark.parametrize("cls", [BFGS, LBFGS])
def test_bad_tolerances_are_refused(cls, option):
    for bad in (np.nan, "small") if option == "norm" else (np.nan, -1.0, "small"):
        with pytest.raises((TypeError, ValueError), match=option):
            cls(**{option: bad})


@pytest.mark.parametrize(
    "constants", [{"c1": 0.0}, {"c1": 0.6}, {"c2": 1.0}, {"c1": 0.3, "c2": 0.2}]
)
def test_bad_constants_of_the_search_are_refused(constants):
    with pytest.raises(ValueError, match=r"c[12] must"):
        minimize(rosen, X0, jac=rosen_der, method="BFGS", options=constants)


@pytest.mark.parametrize("c2", [0.01, 0.9])
def test_slopes_at_the_steps_ends_are_as_flat_as_c2_asks(c2):
    _, _, x = iterates("BFGS", c2=c2)
    steps = np.diff(x, axis=0)[:-1]
    before = np.array([rosen_der(p) @ s for p, s in zip(x, steps, strict=False)])
    after = np.array([rosen_der(p) @ s for p, s in zip(x[1:], steps, strict=False)])
    assert (after >= c2 * before).all()


# steps of differences


@pytest.mark.parametrize("bounds", [None, [(-20, 20)] * 3])
def test_eps_is_the_absolute_step(bounds):
    points = []

    def fun(x):
        points.append(x.copy())
        return rosen(x)

    options = {"eps": [1e-3, 1e-4, 1e-5], "maxfev": 4}
    minimize(fun, [10.0, 1.0, -0.1], method="BFGS", options=options, bounds=bounds)
    assert_allclose(np.abs(np.diagonal(points[1:] - points[0])), [1e-3, 1e-4, 1e-5], rtol=1e-9)


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_relative_steps_are_by_the_size_of_x_and_usual_at_zero(jac):
    points = []

    def fun(x):
        points.append(x.copy())
        return (x @ x) / 2

    options = {"finite_diff_rel_step": 1e-3, "maxfev": 4}
    minimize(fun, [10.0, 0.1, 0.0], method="BFGS", jac=jac, options=options)
    steps = np.abs(np.diagonal(points[1:4] - points[0]))
    assert_allclose(steps[:2], [1e-2, 1e-4], rtol=1e-9)
    assert 0 < steps[2] < 1e-4


@pytest.mark.parametrize("option", ["eps", "finite_diff_rel_step"])
def test_bad_steps_are_refused(option):
    for bad in (0.0, np.nan, "small", [1e-3, 1e-3]):
        with pytest.raises((TypeError, ValueError), match=option):
            minimize(rosen, X0, method="BFGS", options={option: bad})


# results


@pytest.mark.parametrize("name", ["BFGS", "L-BFGS-B"])
def test_hess_inv_is_that_of_the_minimum(name):
    res = minimize(rosen, [-1.2, 1.0], jac=rosen_der, method=name, options={"gtol": 1e-10})
    true = np.linalg.inv(rosen_hess(np.ones(2)))
    dense = res.hess_inv if name == "BFGS" else res.hess_inv.todense()
    assert_allclose(dense, true, rtol=0.05)
    assert_allclose(dense, dense.T)
    assert res.nhev == 0
    again = pickle.loads(pickle.dumps(res)).hess_inv
    assert_allclose(again @ np.ones(2), dense @ np.ones(2))


@pytest.mark.parametrize("name", ["BFGS", "L-BFGS-B"])
@pytest.mark.parametrize("options", [{"maxiter": 0}, {"maxiter": 3}, {"maxfev": 1}, {"maxfev": 9}])
def test_hess_inv_is_there_whatever_ends_the_run(name, options):
    res = minimize(rosen, X0, jac=rosen_der, method=name, options=options)
    assert res.hess_inv.shape == (3, 3)
    assert (np.linalg.eigvalsh(res.hess_inv @ np.eye(3)) > 0).all()


@pytest.mark.parametrize("name", ["BFGS", "L-BFGS-B"])
def test_fixed_variables_have_no_inverse_curvature(name):
    def fun(x):
        return float(x[0] ** 2 + 2 * x[2] ** 2), np.array([2 * x[0], 0.0, 4 * x[2]])

    bounds = [(None, None), (1, 1), (None, None)]
    res = minimize(fun, [3.0, 1.0, 2.0], jac=True, method=name, bounds=bounds)
    assert_allclose(res.hess_inv @ np.eye(3), np.diag([0.5, 0.0, 0.25]), atol=1e-3)


@pytest.mark.parametrize("unit", [1e-130, 1e130])
def test_hess_inv_is_in_the_units_of_the_function(unit):
    def fun(x):
        return unit * float(x[0] ** 2 + 2 * x[1] ** 2), unit * np.array([2 * x[0], 4 * x[1]])

    res = minimize(fun, [3.0, 2.0], jac=True, method="BFGS")
    assert_allclose(res.hess_inv * unit, np.diag([0.5, 0.25]), atol=1e-3)


def test_hess_inv0_is_the_first_metric():
    hessian = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])
    fun = {"fun": lambda x: float(x @ hessian @ x) / 2, "jac": lambda x: hessian @ x}
    inverse = np.linalg.inv(hessian)
    options = {"hess_inv0": inverse, "maxiter": 1}
    res = minimize(x0=X0, method="BFGS", options=options, **fun)
    assert_allclose(res.x, 0, atol=1e-12)  # Newton's step
    with pytest.raises(ValueError, match=r"hess_inv0 must have shape \(3, 3\)"):
        minimize(x0=X0, method="BFGS", options={"hess_inv0": np.eye(2)}, **fun)
    with pytest.raises(ValueError, match="hess_inv0 must be symmetric and positive"):
        BFGS(hess_inv0=-np.eye(3))


def test_hess_inv0_is_for_all_variables_though_some_are_fixed():
    def fun(x):
        return float(x[0] ** 2 + 2 * x[2] ** 2), np.array([2 * x[0], 0.0, 4 * x[2]])

    bounds = [(None, None), (1, 1), (None, None)]
    options = {"hess_inv0": np.diag([0.5, 9.0, 0.25]), "maxiter": 1}
    res = minimize(fun, [3.0, 1.0, 2.0], jac=True, method="BFGS", bounds=bounds, options=options)
    assert_allclose(res.x, [0, 1, 0], atol=1e-12)  # Newton's step


# callbacks, and what scripts import


def test_a_callback_of_two_gets_point_and_state():
    states = []

    def callback(xk, state):
        states.append(state)
        assert_array_equal(xk, state.x)
        return len(states) == 3

    res = minimize(rosen, X0, jac=rosen_der, method="trust-constr", callback=callback)
    assert (res.nit, res.status) == (3, 99)
    assert [state.niter for state in states] == [1, 2, 3]
    assert_array_equal(states[-1].grad, rosen_der(states[-1].x))


def test_a_second_parameter_with_a_default_is_not_asked_for():
    seen = []
    minimize(parabola, X0, jac=True, method="BFGS", callback=lambda x, log=seen: log.append(x))
    assert len(seen) > 0
    assert all(np.shape(x) == (3,) for x in seen)


@pytest.mark.parametrize(
    "name", ["Bounds", "LinearConstraint", "NonlinearConstraint", "OptimizeResult"]
)
def test_scipys_classes_are_scipys(name):
    assert getattr(smoothmin, name) is getattr(scipy.optimize, name)
