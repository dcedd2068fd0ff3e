"""`Result`: SciPy's result still, that prints what one wants to know first."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize import rosen, rosen_der

from smoothmin import Optimizer, Result, minimize
from smoothmin._registry import METHODS, method_class, option_names
from smoothmin._result import WITH_RESTARTS, advise, explanations
from smoothmin._status import KINK, PLATEAU, Status

X0 = np.array([-1.2, 1.0])


@pytest.fixture(scope="module")
def results():
    """Of every method, with a gradient and without."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "\\w+ takes values alone")
        return [
            minimize(rosen, X0, jac=jac, method=method, rng=0, options={"maxfev": 400})
            for method in METHODS
            for jac in (rosen_der, None)
        ]


def test_it_is_scipys_result_a_dict_and_survives_copies():
    res = minimize(rosen, X0, jac=rosen_der)
    assert isinstance(res, scipy.optimize.OptimizeResult)
    assert isinstance(res, dict)
    for other in (pickle.loads(pickle.dumps(res)), copy.copy(res), copy.deepcopy(res), res.copy()):
        assert type(other) is Result
        assert other.keys() == res.keys()
        assert other.fun == res["fun"]
    res.mine = 3
    assert res["mine"] == 3
    assert "mine" in dir(res)
    assert dict(res)["nfev"] == res.nfev
    with pytest.raises(AttributeError):
        res.nothing  # noqa: B018
    assert repr(Result()) == "Result()"


def test_all_fields_of_all_methods_are_documented(results):
    known = explanations()
    more = minimize(
        rosen,
        X0,
        constraints={"type": "ineq", "fun": lambda x: 1 - x[0]},
        rng=0,
        options={"return_all": True, "history": True, "maxfev": 200},
    )
    for res in [*results, more]:
        assert not set(res) - set(known), res.method


def test_nothing_is_printed_bare(results):
    for res in results:
        text = str(res)
        assert "[nan" not in text.lower().replace(" ", "")
        first = text.splitlines()[0]
        assert first.strip().startswith("message: ")
        for key, value in res.items():
            printed = re.search(rf"^ +{key}: ", text, re.MULTILINE)
            if key not in ("error", "phase_nfev", "phase_gain", "x_last", "fun_last"):
                assert printed or value is None or key in ("nhev", "n_nonfinite", "n_failed")


def test_what_it_cost_by_phase_and_how_sure_it_is():
    rng = np.random.default_rng(0)
    res = minimize(lambda x: float(x @ x) + 0.01 * rng.standard_normal(), [2.0, 3.0], rng=0)
    text = str(res)
    for name, count in res.phase_nfev.items():
        assert f"{name} {count}" in text
    assert "95 % interval" in text
    assert "standard deviation of the values' noise" in text


def ended(**fields):
    plain = {"success": False, "status": 4, "message": "", "method": "bfgs", "njev": 0, "fun": 1.0}
    return Result(plain | fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"noise": 1e-4}, "differences drown in noise of 0.0001: values alone"),
        ({"noise": 1e-4, "method": "derivative-free"}, "averages"),
        ({"status": 2}, "a larger maxfev"),
        ({"status": 1}, "a larger maxiter"),
        ({"status": 5, "feasible": False}, "no feasible point"),
        ({"status": 5, "feasible": True, "constr_violation": 1e-9}, "a larger maxtime"),
        ({"feasible": True, "constr_violation": 1e-9, "njev": 3}, "rescale"),
        ({"message": "`fun` has steps: x."}, "integrality"),
        ({"status": 3, "fun": np.nan}, "a start where `fun` is finite"),
        ({"status": 3, "fun": -1e300}, "bounds"),
        ({"status": 3, "fun": -np.inf}, "bounds, if values fall"),
        ({"message": "so this is a kink."}, "gradient-sampling"),
        ({"message": KINK}, "gradient-sampling"),
        ({"message": PLATEAU}, "does `fun` depend on x?"),
        ({"status": 7}, "journal"),
        ({"status": 8}, "check_grad"),
        ({"status": 9}, "constr_residuals"),
        ({"njev": 3}, "rescale"),
        ({}, 'method="derivative-free"'),
        ({"method": "derivative-free"}, "`restarts`"),
        ({"method": "model-descent", "noise": 1e-4}, 'method="derivative-free"'),
    ],
)
def test_what_to_try_next(fields, words):
    res = ended(**fields)
    assert words in advise(res)
    assert f"next: {advise(res)}"[:40] in str(res)


def test_success_and_other_libraries_results_need_no_advice():
    assert advise(ended(success=True, status=0)) == ""
    assert advise(ended(status=42)) == ""
    assert "42" in str(ended(status=42))
    assert all(
        advise(ended(status=s)) for s in Status if not s.success and s is not Status.CALLBACK
    )


def test_a_descent_that_ends_on_a_kink_says_so():
    res = minimize(
        lambda x: 8 * abs(x[0] ** 2 - x[1]) + (1 - x[0]) ** 2, [-1.0, 1.5], method="lbfgs"
    )
    assert not res.success
    assert "kink" in res.message
    assert "gradient-sampling" in advise(res)


def test_real_runs_say_what_next():
    short = minimize(rosen, X0, options={"maxfev": 5}, rng=0)
    assert "next: a larger maxfev" in str(short)


def test_blocks_and_fixed_variables_are_printed():
    def fun(p):
        return float((p["a"] ** 2).sum() + p["b"] ** 2)

    res = minimize(fun, {"a": np.ones(30), "b": 1.0}, rng=0, options={"maxfev": 40})
    assert "'b': " in str(res)
    fixed = minimize(rosen, X0, jac=rosen_der, bounds=[(-1.2, -1.2), (0, 3)])
    assert "or a fixed variable" in str(fixed)


@pytest.mark.parametrize(
    "jac", [{"a": np.full((2, 2), np.nan), "b": np.nan}, [np.full(2, np.nan), np.full(3, np.nan)]]
)
def test_gradients_in_blocks_that_are_not_known_are_not_printed(jac):
    assert str(Result(jac=jac)) == " jac: not known at this point"


def test_fields_are_explained_in_plain_words():
    for name, text in explanations().items():
        assert "`" not in text, name
        assert text, name
    res = minimize(rosen, X0, method="SLSQP", jac=rosen_der)
    assert "multipliers" in res
    assert "multipliers" not in str(res)  # there are none


def test_a_single_failure_is_in_the_singular():
    text = str(Result(nfev=3, n_nonfinite=1, n_failed=1))
    assert "1 value was not finite; 1 evaluation raised" in text
    assert "2 values were not finite" in str(Result(nfev=3, n_nonfinite=2))


def test_large_arrays_are_summed_up():
    field, rows = np.linspace(0, 1, 400).reshape(20, 20), [np.zeros(500), -np.zeros(1)]
    text = str(Result(x=field, hess_inv=field, constr=rows, maxcv=0.5))
    assert text.count("20 x 20 numbers, 0 to 1") == 2
    assert "maxcv" not in text
    assert "-0.0" not in text
    assert len(text) < 500


def test_an_optimizers_result_is_one_too():
    optimizer = Optimizer(X0, rng=0)
    optimizer.tell(optimizer.ask(), [rosen(x) for x in optimizer.ask()])
    assert type(optimizer.result) is Result


def test_noise_below_rounding_is_not_printed_as_noise():
    text = str(ended(fun=0.04, noise=7e-18, error=3e-18))
    assert "+-" not in text
    assert "none was seen" in text


def test_arrays_of_blocks_are_printed_below_each_other():
    text = str(ended(x={"a": np.ones((2, 2)), "b": 1.0}))
    first, second, third = text.split("x: ")[1].splitlines()[:3]
    assert first.startswith("{'a': [[")
    assert second.index("[") == third.index("'b'") + len("'b': ") + 1
    assert "{'a': 1, 'b': 2}" in str(ended(x={"a": 1.0, "b": 2.0}))


def test_constraints_are_said_to_be_met_within_ctol():
    rows = {"type": "ineq", "fun": lambda x: x[0] - 1}
    res = minimize(lambda x: x @ x, [3.0, 1.0], constraints=rows, rng=0)
    assert res.feasible is True
    assert (
        res.feasible
        is not minimize(
            lambda x: x @ x,
            [0.0, 1.0],
            constraints=[rows, {"type": "ineq", "fun": lambda x: -x[0]}],
            rng=0,
        ).feasible
    )


def test_a_gradient_of_zero_on_a_plateau_is_called_so():
    res = minimize(lambda x: 1.0, [3.0, 4.0], jac=lambda x: 0 * x)
    assert res.success
    assert "a minimum, or a plateau" in res.message
    bowl = minimize(lambda x: x @ x, [0.0, 0.0], jac=lambda x: 2 * x)
    assert bowl.success
    assert "plateau" not in bowl.message


def test_only_options_of_the_method_are_advised():
    assert set(WITH_RESTARTS) == {
        name for name in METHODS if "restarts" in option_names(method_class(name))
    }
