"""Termination criteria: each alone, with patience, combined, and as an option."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin import (
    AfterEvaluations,
    AfterSeconds,
    AfterSteps,
    Criterion,
    GradientNorm,
    Never,
    NoImprovement,
    TargetValue,
    UpdateNorm,
    minimize,
)
from smoothmin._method import Method
from smoothmin._protocol import Ask, Iterate
from smoothmin._status import Status
from smoothmin._stopping import Progress, as_termination


def steps(fun=None, grad=None, x=None, count=12):
    """Progress of a run of which some sequences are given."""
    for k in range(1, count + 1):
        yield Progress(
            nit=k,
            nfev=10 * k,
            seconds=0.5 * k,
            x=np.array([float(k) if x is None else x[k - 1], 0.0]),
            fun=-float(k) if fun is None else fun[k - 1],
            grad=None if grad is None else np.array([0.0, grad[k - 1]]),
        )


def fires_at(criterion, progress):
    """The step at which a criterion fires, its status and its sentence."""
    watch = criterion.start()
    for now in progress:
        message = watch(now)
        if message:
            return now.nit, watch.status, message
    return None


@pytest.mark.parametrize(
    ("criterion", "nit", "status"),
    [
        (AfterSteps(4), 4, Status.MAXITER),
        (AfterEvaluations(35), 4, Status.MAXFEV),
        (AfterSeconds(2.0), 4, Status.MAXTIME),
        (TargetValue(-4.0), 4, Status.TARGET),
        (AfterSteps(4, n=3), 6, Status.MAXITER),
        (TargetValue(-4.0, n=3), 6, Status.TARGET),
    ],
)
def test_counts_and_targets(criterion, nit, status):
    found = fires_at(criterion, steps())
    assert found[:2] == (nit, status)
    assert found[2].endswith(".")


def test_never():
    assert fires_at(Never(), steps(grad=[0.0] * 12, x=[0.0] * 12)) is None


def test_gradient_norm_with_patience():
    grad = [3, 1e-7, 3, 1e-7, 1e-7, 1e-7, 1, 1, 1, 1, 1, 1]
    assert fires_at(GradientNorm(), steps(grad=grad))[:2] == (2, Status.CONVERGED)
    assert fires_at(GradientNorm(n=2), steps(grad=grad))[0] == 5
    assert fires_at(GradientNorm(n=3), steps(grad=grad))[0] == 6
    assert fires_at(GradientNorm(n=4), steps(grad=grad)) is None
    assert fires_at(GradientNorm(tol=1.0), steps(grad=grad))[0] == 2
    assert fires_at(GradientNorm(tol=3.0), steps(grad=grad))[0] == 1
    assert fires_at(GradientNorm(), steps()) is None
    assert fires_at(GradientNorm(), steps(grad=[np.nan] * 12)) is None


def test_update_norm_with_patience():
    x = [0, 0, 5, 5, 5, 6, 6, 6, 6, 7, 8, 9]
    assert fires_at(UpdateNorm(), steps(x=x))[0] == 2
    assert fires_at(UpdateNorm(n=2), steps(x=x))[0] == 5
    assert fires_at(UpdateNorm(n=3), steps(x=x))[0] == 9
    assert fires_at(UpdateNorm(n=4), steps(x=x)) is None
    assert fires_at(UpdateNorm(tol=1.0, n=4), steps(x=x))[0] == 7


def test_no_improvement():
    fun = [5, 4, 4, 4.5, 3, 3, 3, 3, 2, 2, 2, 2]
    assert fires_at(NoImprovement(n=1), steps(fun=fun))[0] == 3
    assert fires_at(NoImprovement(n=2), steps(fun=fun))[0] == 4
    assert fires_at(NoImprovement(n=3), steps(fun=fun))[0] == 8
    assert fires_at(NoImprovement(n=4), steps(fun=fun)) is None
    assert fires_at(NoImprovement(tol=1.0, n=3), steps(fun=fun))[0] == 4


def test_small_decreases_add_up():
    fun = [10 - 0.3 * k for k in range(12)]
    assert fires_at(NoImprovement(tol=1.0, n=4), steps(fun=fun)) is None
    assert fires_at(NoImprovement(tol=1.0, n=3), steps(fun=fun))[0] == 4


def test_values_that_are_no_numbers_are_no_improvement():
    fun = [5, np.nan, np.nan, 4, np.nan, np.nan, np.nan, np.inf, np.nan, 3, 2, 1]
    assert fires_at(NoImprovement(n=3), steps(fun=fun))[0] == 7
    assert fires_at(NoImprovement(n=3), steps(fun=[np.nan] * 12))[0] == 3
    assert fires_at(TargetValue(10.0), steps(fun=[np.nan] * 12)) is None


def test_either_fires_with_the_first_and_tells_which():
    either = AfterSteps(5) | TargetValue(-3.0)
    assert fires_at(either, steps())[:2] == (3, Status.TARGET)
    either = AfterSteps(2) | TargetValue(-3.0)
    assert fires_at(either, steps())[:2] == (2, Status.MAXITER)
    assert fires_at(Never() | AfterSteps(2), steps())[0] == 2


def test_both_fire_at_the_same_step_only():
    grad = [1e-9, 1, 1, 1e-9, 1, 1, 1, 1e-9, 1, 1, 1, 1]
    both = GradientNorm() & TargetValue(-6.0)
    nit, status, message = fires_at(both, steps(grad=grad))
    assert (nit, status) == (8, Status.CONVERGED)
    assert "Gradient norm" in message
    assert "Value" in message
    # a limit among them is no success, whatever its place
    assert fires_at(GradientNorm() & AfterSteps(3), steps(grad=grad))[:2] == (4, Status.MAXITER)
    assert fires_at(AfterSteps(3) & GradientNorm(), steps(grad=grad))[:2] == (4, Status.MAXITER)
    assert fires_at(Never() & AfterSteps(2), steps()) is None


def test_parts_keep_their_patience_in_combinations():
    grad = [1e-9, 1e-9, 1, 1e-9, 1e-9, 1e-9, 1, 1, 1, 1, 1, 1]
    patient = GradientNorm(n=3)
    assert fires_at(patient | AfterSteps(9), steps(grad=grad))[0] == 6
    assert fires_at(patient & AfterSteps(2), steps(grad=grad))[0] == 6
    nested = (patient & AfterSteps(7)) | (AfterSteps(8) & AfterEvaluations(85))
    assert fires_at(nested, steps(grad=grad))[:2] == (9, Status.MAXITER)


def test_a_criterion_is_immutable_and_watches_are_fresh():
    criterion = NoImprovement(n=2) | UpdateNorm(n=2)
    fun, x = [1.0] * 12, [1.0] * 12
    first = fires_at(criterion, steps(fun=fun, x=x))
    assert fires_at(criterion, steps(fun=fun, x=x)) == first
    with pytest.raises(AttributeError):
        AfterSteps(3).steps = 4
    assert AfterSteps(3) == AfterSteps(3, n=1) != AfterSteps(4)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: AfterSteps(0), ValueError),
        (lambda: AfterSteps(2.0), TypeError),
        (lambda: AfterSteps(2, n=0), ValueError),
        (lambda: AfterEvaluations(-1), ValueError),
        (lambda: AfterSeconds(-0.1), ValueError),
        (lambda: AfterSeconds("1"), TypeError),
        (lambda: GradientNorm(-1.0), ValueError),
        (lambda: GradientNorm(tol=np.nan), ValueError),
        (lambda: UpdateNorm(tol=-1.0), ValueError),
        (lambda: NoImprovement(tol=-1.0), ValueError),
        (lambda: NoImprovement(n=0), ValueError),
        (lambda: TargetValue(np.nan), ValueError),
        (lambda: Never(n=True), TypeError),
        (lambda: Never() | 3, TypeError),
        (lambda: Never() & "x", TypeError),
        (lambda: as_termination("name", AfterSteps), TypeError),
        (lambda: as_termination("name", "steps"), TypeError),
        (lambda: as_termination("name", [Never(), 3]), TypeError),
    ],
)
def test_misuse_is_refused(make, error):
    with pytest.raises(error, match=r"must|combines"):
        make()


# as an option


class Walk(Method):
    """Walks down a line; the gradient reported is 1 over the step's number."""

    def run(self, problem, rng):
        x = problem.x0
        for k in range(1, 10**6):
            answers = yield Ask(x[None, :], 0)
            yield Iterate(x, float(answers.values[0]), np.full(x.size, 1 / k))
            x = x - 1.0


def walk(termination, **kw):
    options = {"termination": termination}
    return minimize(lambda x: x.sum(), [0.0], method=Walk(), options=options, **kw)


@pytest.mark.parametrize(
    ("termination", "nit", "status", "success"),
    [
        (AfterSteps(7), 7, 1, False),
        (AfterEvaluations(7), 7, 2, False),
        (AfterSeconds(0.0), 1, 5, False),
        (GradientNorm(0.25), 4, 0, True),
        (UpdateNorm(1.0, n=3), 4, 0, True),
        (NoImprovement(tol=5.0, n=4), 5, 0, True),
        (TargetValue(-5.0), 6, 6, True),
        (Never(), 1000, 1, False),
        (None, 1000, 1, False),
        (TargetValue(-5.0) | AfterSteps(3), 3, 1, False),
        (TargetValue(-5.0) & AfterSteps(3), 6, 1, False),
        ([TargetValue(-5.0), AfterSteps(9)], 6, 6, True),
        ((GradientNorm(0.5), TargetValue(-5.0)), 2, 0, True),
    ],
)
def test_a_criterion_ends_a_run(termination, nit, status, success):
    res = walk(termination)
    assert (res.nit, res.status, res.success) == (nit, status, success)
    if termination and not isinstance(termination, Never):
        assert res.message[0].isupper() or res.message[0].isdigit()


def test_the_gradient_watched_is_projected_at_bounds():
    res = walk(GradientNorm(1e-12), bounds=[(-50.0, 5.0)])
    assert res.status == 0
    assert_array_equal(res.x, [-50.0])


class Low(Criterion):
    """The simplest a user can write: without a patience, answered by a truth value."""

    def __init__(self, answer=bool):
        self.answer = answer

    def holds(self, now, before):
        return self.answer(now.fun <= -5.0)


@pytest.mark.parametrize("answer", [bool, np.bool_])
def test_a_criterion_may_answer_by_a_truth_value(answer):
    for criterion in (Low(answer), Low(answer) & AfterSteps(3), Low(answer) | AfterSteps(9)):
        res = walk(criterion)
        assert res.nit == 6
        assert "Low holds." in res.message


def test_what_is_no_answer_is_refused():
    with pytest.raises(TypeError, match=r"what Low\.holds returns must be True or False"):
        walk(Low(np.atleast_1d))
