"""Why a run ended: every status number and its sentence, in one place."""

from enum import IntEnum


class Status(IntEnum):
    """Reason for the end of a run, the same for every method.

    ``success`` is true for `CONVERGED` and `TARGET` only.
    """

    CONVERGED = 0
    MAXITER = 1
    MAXFEV = 2
    NONFINITE = 3
    PRECISION = 4
    MAXTIME = 5
    TARGET = 6
    INTERRUPTED = 7
    GRADIENT = 8
    INFEASIBLE = 9
    CALLBACK = 99

    @property
    def success(self) -> bool:
        """Whether a run that ended so did what it was asked for."""
        return self in (Status.CONVERGED, Status.TARGET)


def maxiter_reached(limit: int) -> str:
    """Sentence of `Status.MAXITER`."""
    return f"Maximum number of iterations reached: maxiter={limit}."


def maxfev_reached(limit: int) -> str:
    """Sentence of `Status.MAXFEV`."""
    return f"Maximum number of function evaluations reached: maxfev={limit}."


def maxtime_reached(limit: float) -> str:
    """Sentence of `Status.MAXTIME`."""
    return f"Time limit reached: maxtime={limit:g} s."


def target_reached(value: float, target: float) -> str:
    """Sentence of `Status.TARGET`."""
    return f"Target reached: {value:.6g} <= f_target={target:.6g}."


def nonfinite_start(value: float) -> str:
    """Sentence of `Status.NONFINITE` when the start has no finite value."""
    return f"`fun` is not finite at `x0`: {value}."


def all_failed(count: int) -> str:
    """Sentence of `Status.NONFINITE` when ``fun`` raised an exception wherever it was called."""
    return f"`fun` raised an exception at all points, {count}: `first_failure` is the first."


def unbounded(value: float) -> str:
    """Sentence of `Status.NONFINITE` when a value of minus infinity was seen."""
    return f"`fun` returned {value}: it is unbounded below."


def stopped_by_journal(why: str) -> str:
    """Sentence of `Status.INTERRUPTED` when a journal could not be written any more."""
    return f"The run was stopped: {why}."


def no_progress(requests: int) -> str:
    """Sentence of `Status.PRECISION` when a run without limits comes to nothing."""
    return f"No progress in {requests} requests for values, and no limit was given."


def raised(error: BaseException) -> str:
    """Sentence of `Status.INTERRUPTED` for the result that an exception carries."""
    return f"The run was ended by {error!r}."


def gradient_contradicted(length: float, predicted: float, change: float, whose: str = "") -> str:
    """Sentence of `Status.GRADIENT`."""
    return (
        f"The gradient{whose} contradicts the values: over a step of {length:.3g} it predicts a "
        f"change of {predicted:.3g}, and the values change by {change:.3g}. "
        "`scipy.optimize.check_grad` compares it with differences."
    )


def contradictory(where: str) -> str:
    """Sentence of `Status.INFEASIBLE`; ``where`` says what was seen."""
    return f"{where}: the constraints may contradict each other."


LEFT_NUMBERS = (
    "The run left the range of numbers: the next point is not finite. "
    "`fun` may be unbounded below, or steps too long."
)
NONFINITE_GRADIENT = "The gradient is not finite at `x0`."
POLLED_LOWER = (
    "Values along the coordinates are lower, again and again, where the gradient promises nothing: "
    "it may be wrong. `scipy.optimize.check_grad` compares it with differences."
)
DIFFERENCES_TOO_COARSE = (
    "Values along the coordinates are lower, again and again, where differences promise nothing: "
    "they are too coarse there."
)
ZERO_GRADIENT = (
    "The gradient is zero at two points between which values differ. "
    "`scipy.optimize.check_grad` compares it with differences."
)
NO_FINITE_SAMPLE = "No sample around `x0` has a finite value and gradient."
NO_VALUE_FOUND = "No sample of the search has a finite value."
OTHER_MINIMA = " There are other minima; with `restarts` more of them are looked for."
NO_OTHER_MINIMA = " Nothing speaks for other minima; with `restarts` they are looked for."
CALLBACK_RAISED = "`callback` raised `StopIteration`."
CALLBACK_TRUE = "`callback` returned True."
FUN_RAISED = "`fun` raised `StopIteration`."
NOTHING_FINITE = "No value was finite."
DIED = "`fun` returned no finite values any more: the lowest before need not be a minimum."
MET_BEFORE = "The run ends at a point that violates constraints, which it has met before."
LEFT_BEHIND = "The run ends at a point that is higher than a feasible one before."
UNBOUNDED = "Values fall for as far as numbers go: `fun` seems to be unbounded below."
INFIMUM_FAR_AWAY = (
    "Values do not rise twice as far from the start, though the run has gone very far: `fun` may "
    "fall without end, or to an infimum that it has at infinity only."
)
INTERRUPTED = "Interrupted by the keyboard."
UNDER_WAY = "The run is under way."
PLATEAU = "On a plateau of `fun`: values do not differ, which does not make it a minimum."
STEPS = (
    "`fun` has steps: values were constant around where the search ended, and lower a step away, "
    "which is the point returned."
)
LEVEL = "values around do not differ: a minimum, or a plateau"
ALL_FIXED = "All variables are fixed by the bounds."
NOTHING_FREE = "The linear equalities leave no variable free."
KINK = "Gradients nearby differ as across a kink."
