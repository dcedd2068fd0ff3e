"""`History`: what was evaluated, in bounded memory, with every method and way to evaluate."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import History, Optimizer, minimize
from smoothmin._history import Recorder, Steps
from smoothmin._machine import ROWS
from smoothmin._registry import METHODS

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

X0 = np.array([-1.2, 1.0, 0.7])


def run(**how):
    options = {"history": "points", "maxfev": 120} | how.pop("options", {})
    return minimize(rosen, X0, rng=0, **{"options": options, **how})


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("jac", [rosen_der, None])
def test_every_method_has_a_row_an_evaluation(method, jac):
    res = run(method=method, jac=jac)
    history = res.history
    assert_array_equal(history.nfev, np.arange(1, res.nfev + 1))
    assert_array_equal(history.value, [rosen(x) for x in history.points])
    assert_array_equal(history.best, np.minimum.accumulate(history.value))
    assert history.best[-1] == res.fun
    assert (np.diff(history.time) >= 0).all()
    assert history.phase.dtype.kind == "U"
    assert (history.phase != "").all()


def test_phases_are_those_of_the_accounts():
    res = run(bounds=[(-2, 2)] * 3, options={"maxfev": None})
    counts = {name: int((res.history.phase == name).sum()) for name in res.phase_nfev}
    assert counts == {name: count for name, count in res.phase_nfev.items() if count}


def test_however_evaluated_it_is_the_same(tmp_path):
    alone = run().history
    assert run(workers=map).history == alone
    assert run(options={"journal": tmp_path / "kept"}).history == alone
    assert run(options={"journal": tmp_path / "kept"}).history == alone
    wide = minimize(
        lambda x: np.array([rosen(column) for column in x.T]),
        X0,
        rng=0,
        vectorized=True,
        options={"history": "points", "maxfev": 120},
    )
    assert wide.history == alone
    told = Optimizer(X0, rng=0, options={"history": "points", "maxfev": 120})
    while not told.stop():
        points = told.ask()
        told.tell(points, [rosen(x) for x in points])
        told = pickle.loads(pickle.dumps(told)) if len(points) == 1 else told
    assert told.result.history == alone


def test_a_table_for_pandas():
    table = run().history.to_dict()
    assert list(table) == ["nfev", "value", "best", "time", "phase", "x0", "x1", "x2"]
    assert len({len(column) for column in table.values()}) == 1
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(table)["best"].is_monotonic_decreasing


def test_columns_by_name_and_what_is_none():
    history = run(method="bfgs", jac=rosen_der).history
    assert history["best"] is history.best is history["best_fun"] is history.best_fun
    assert history.evaluation is history.nfev
    assert list(history.steps) == ["nit", "nfev", "fun", "best_fun"]
    assert_array_equal(history["nit"], history.steps["nit"])
    with pytest.raises(KeyError, match="columns are"):
        history["height"]
    with pytest.raises(AttributeError, match="no column 'height'"):
        history.height  # noqa: B018
    assert "evaluations" in repr(history)
    assert pickle.loads(pickle.dumps(history)) == history


def test_points_have_the_shape_of_x0_and_no_points_unless_asked_for():
    start = np.zeros((2, 2))
    res = minimize(
        lambda x: float(((x - 1) ** 2).sum()),
        start,
        bounds=[(0, 2), (0, 0), (0, 2), (0, 2)],
        rng=0,
        options={"history": "points"},
    )
    assert res.history.points.shape[1:] == (2, 2)
    assert (res.history.points[:, 0, 1] == 0).all()
    assert run(options={"history": True}).history.points is None
    assert "history" not in run(options={"history": False})


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_memory_is_bounded_and_the_best_is_right_in_every_row(batch):
    rng = np.random.default_rng(0)
    values = rng.standard_normal(5 * ROWS)
    recorder = Recorder(2, points=True)
    low = np.minimum.accumulate(values)
    for k in range(0, len(values), batch):
        part = values[k : k + batch]
        recorder.add(np.stack([part, -part], axis=1), part, low[k + len(part) - 1], None)
    history = recorder.history("m", {}, lambda points: points)
    assert ROWS / 2 < len(history.nfev) <= ROWS + 1
    assert history.nfev[0] == 1
    assert history.nfev[-1] == len(values)
    assert_array_equal(history.value, values[history.nfev - 1])
    assert_array_equal(history.best, low[history.nfev - 1])
    assert_array_equal(history.points[:, 1], -history.value)


def test_steps_are_thinned_alike_and_late_columns_are_filled():
    steps = Steps(("nit",))
    for k in range(2 * ROWS + 2):
        steps.add({"nit": k} | ({"late": 1.0} if k == 4 else {}))
    columns = steps.columns
    assert {len(column) for column in columns.values()} == {len(columns["nit"])}
    assert len(columns["nit"]) <= ROWS + 1
    assert columns["nit"][:3] == [0, 4, 8]
    assert columns["late"][:3] == [None, 1.0, None]


@pytest.mark.parametrize("value", ["yes", 2.5, [True]])
def test_history_is_checked(value):
    with pytest.raises((TypeError, ValueError), match="history"):
        run(options={"history": value})


def test_it_is_a_mapping():
    history = History({"nfev": np.arange(2), "time": np.zeros(2)})
    assert dict(history).keys() == {"nfev", "time"}
    assert history == History({"nfev": np.arange(2), "time": np.ones(2)})
    assert history != 3
