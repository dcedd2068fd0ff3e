"""`Result`: SciPy's `OptimizeResult`, documented field by field, that prints what matters first."""

from __future__ import annotations

import inspect
import math
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from smoothmin._machine import PRODUCTS
from smoothmin._status import Status

HEAD = ("message", "success", "status", "method", "fun", "x", "jac", "nit", "nfev", "njev")
BESIDE = ("error", "noise", "phase_nfev", "phase_gain", "nhev", "n_nonfinite", "n_failed")
LAST = ("x_last", "fun_last")
TWICE = ("maxcv",)  # is printed by its other name

Rows: TypeAlias = list[tuple[str, str]]

if TYPE_CHECKING:
    from smoothmin._history import History


class Result(OptimizeResult):  # type: ignore[misc]
    """What a run has found, and how it went: a `scipy.optimize.OptimizeResult` with a longer print.

    A dict whose entries are attributes as well. Entries that a run has nothing to say to are
    missing; what else a method reports is an entry of that name.

    Attributes
    ----------
    x : ndarray, or blocks as ``x0``
        The best feasible point evaluated, the least infeasible one if there is none.
    fun : float
        The value there.
    jac : ndarray, or blocks as ``x0``
        The gradient there, NaN where it is not known, and for fixed variables.
    success : bool
        Whether the run has converged, or reached ``f_target``.
    status : int
        0 converged, 1 maxiter, 2 maxfev, 3 not finite or falling without end, 4 precision or line
        search, 5 maxtime, 6 target reached, 7 interrupted, 8 a gradient that contradicts the
        values, 9 constraints that may contradict each other, 99 callback.
    message : str
        What ended the run, and by which quantity.
    method : str
        The method that ran.
    nit : int
        Iterations.
    nfev : int
        Calls of ``fun``.
    njev : int
        Gradients computed by the user's code.
    nhev : int
        Evaluations of ``hess``.
    n_nonfinite : int
        Values that were not finite.
    n_failed : int
        Evaluations that raised, with ``on_error="nan"``.
    first_failure : str or None
        The traceback of the first of these.
    x_last : ndarray, or blocks as ``x0``
        The method's last iterate.
    fun_last : float
        The value there as the method saw it, smoothed if it was.
    noise : float
        Standard deviation of the values' noise, where it was looked for; 0 if none was seen.
    error : float
        Half-width of a 95 % interval around ``fun`` for the value there without noise.
    phase_nfev : dict of str to int
        What each kind of phase cost in evaluations.
    phase_gain : dict of str to float
        By how much each kind of phase lowered the best value.
    stationarity : float
        Norm of the shortest combination of gradients sampled within ``radius``: the certificate.
    radius : float
        Of the sampled region or the trust region, in the method's units of the variables.
    certified_radius : float
        Radius for which ``stationarity`` holds.
    sigma : float or ndarray
        Width of the smoothing or of the search's distribution at the last iterate.
        In the variables' units; of a search the largest of its standard deviations.
    reach : float
        Length of the last steps among integers, in units of the scale.
    phase : str
        What the last iterate was part of.
    n_left_out : int
        Samples that were left out for want of a finite value or gradient.
    dual_norm : float
        Norm of the gradient in the metric of the smoothing operator at the last iterate.
    mu : float
        Weight of the constraints' violation at the end.
    stagnated : bool
        Whether the search ended for want of lower values.
    jumps : bool
        Whether values jump, or end, along the steps.
    separable : bool
        Whether the function was found to be a sum over the variables.
    passes : int
        Passes of a homotopy from wide to narrow smoothing.
    boundary : str or tuple of str
        The boundary condition that the smoothing operator has.
    minima : list
        Further minima that were found, the lowest first.
    hess_inv : ndarray or LinearOperator
        The inverse Hessian as the run has learnt it, over the flat ``x``; 0 for fixed variables.
        From values alone it is of the last model or the last descent at the minimum, and missing
        where neither has met as many points as it takes, or a search went lower since; of
        "gradient-sampling" it is missing where the function has kinks. Without a method, but
        with bounds, it has SciPy's ``todense`` and ``matvec``, too.
    constr_violation : float
        The largest violation of constraints.
    maxcv : float
        ``constr_violation`` by its name in SciPy.
    feasible : bool
        Whether ``x`` meets all constraints, within the option ``ctol``.
    constr : list of ndarray
        Values of each constraint.
    constr_residuals : list of ndarray
        Violations of each constraint.
    multipliers : list of ndarray
        Multipliers of each constraint: the gradient is the sum of these times the rows' gradients.
        NaN where they are not known, as for equalities that all points have met.
    bound_multipliers : ndarray, or blocks as ``x0``
        Multipliers of the bounds.
    constr_nfev : list of int
        Evaluations of each constraint.
    constr_njev : list of int
        How many Jacobians of each constraint the user's code computed.
    allvecs : list
        Every iterate, with ``return_all``.
    history : History
        What was evaluated, with ``history``.

    Examples
    --------
    >>> from smoothmin import minimize
    >>> res = minimize(lambda x: float((x - 1) @ (x - 1)), [3.0, 2.0], rng=0)
    >>> print(res)  # doctest: +ELLIPSIS
      message: ...
      success: True
       status: 0 (converged)
       method: derivative-free
          fun: ...
            x: [ 1.000e+00  1.000e+00]
    ...
    """

    if TYPE_CHECKING:
        x: NDArray[np.float64]
        fun: float
        jac: NDArray[np.float64]
        success: bool
        status: int
        message: str
        method: str
        nit: int
        nfev: int
        njev: int
        history: History

    _first: ClassVar[tuple[str, ...]] = (*HEAD, *BESIDE, *LAST, *TWICE)  # not among the other rows

    def __repr__(self) -> str:
        """What one wants to know first: why it ended, what was found, how sure, at what cost."""
        if not self:
            return "Result()"
        rows = [*self._ended(), *self._found(), *_cost(self)]
        known = explanations(type(self))
        rows += [
            (key, _row(self[key], known.get(key)))
            for key in self
            if key not in self._first and _says(self[key])
        ]
        if advice := self._advice():
            rows.append(("next", advice))
        width = max(len(key) for key, _ in rows)
        lines = [f" {key:>{width}}: {text}" for key, text in rows]
        indent = "\n" + " " * (width + 3)
        return "\n".join(line.replace("\n", indent) for line in lines)

    __str__ = __repr__

    def _ended(self) -> Rows:
        """What stopped it."""
        rows = [(key, str(self[key])) for key in ("message", "success") if key in self]
        if "status" in self:
            rows.append(("status", f"{self['status']} ({self._status_name()})"))
        if "method" in self:
            rows.append(("method", str(self["method"])))
        return rows

    def _status_name(self) -> str:
        try:
            return Status(self["status"]).name.lower()
        except ValueError:
            return "of another library"

    def _found(self) -> Rows:
        """Value and point, and how sure they are."""
        return _found(self)

    def _advice(self) -> str:
        """What to try next, if there is anything to say."""
        return advise(self)

    def __dir__(self) -> list[str]:
        """The entries, and what any dict has."""
        return [*self, *super().__dir__()]

    def copy(self) -> Result:
        """A shallow copy, a result as well."""
        return type(self)(self)


def in_words_of_trust_constr(
    state: Mapping[str, Any], started: float, left: NDArray[np.float64] | None
) -> dict[str, Any]:
    """What is known of a step or of an end, by its names in results of SciPy's trust-constr.

    ``left`` is the gradient but for what bounds hold. NaN stands for what the method does not
    have. No conjugate gradients are taken, which SciPy says by zeros.
    """
    optimality = state.get("stationarity", np.nan)
    if left is not None:
        optimality = float(np.abs(left).max(initial=0.0))
    return {
        "niter": state["nit"],
        "execution_time": time.perf_counter() - started,
        "grad": state.get("jac"),
        "optimality": optimality,
        "constr_violation": state.get("constr_violation", 0.0),
        "tr_radius": state.get("radius", np.nan),
        "constr_penalty": state.get("mu", np.nan),
        "cg_niter": 0,
        "cg_stop_cond": 0,
    }


def explanations(kind: type[Result] = Result) -> dict[str, str]:
    """What each field is, the first clause of its text in the class docstring."""
    return _clauses(inspect.getdoc(kind) or "")


@cache
def _clauses(text: str) -> dict[str, str]:
    """The first clause of what a docstring says of each attribute."""
    found = re.findall(r"^(\w+) : .+\n((?: {4}.+\n)+)", text, re.MULTILINE)
    return {
        name: re.split(r"[:;.,]\s", " ".join(body.replace("`", "").split()) + " ")[0].strip()
        for name, body in found
    }


def _found(res: Result) -> Rows:
    """Value and point, and how sure they are."""
    rows = []
    noise, error = res.get("noise"), res.get("error")
    if noise is not None and not _noisy(res):
        noise = 0.0
    if "fun" in res:
        text = _number(res["fun"])
        if noise and error is not None and math.isfinite(error):
            text += f" +- {error:.2g} (95 % interval of the value without noise)"
        rows.append(("fun", text))
    if "x" in res:
        rows.append(("x", in_words(res["x"])))
    if "jac" in res:
        rows.append(("jac", gradient_in_words(res["jac"])))
    if noise is not None:
        text = (
            f"{noise:.2g} (standard deviation of the values' noise)"
            if noise
            else "none was seen beyond rounding"
        )
        rows.append(("noise", text))
    return rows


def gradient_in_words(jac: Any) -> str:
    """A gradient or a Jacobian, of which nothing may be known."""
    blocks = jac.values() if isinstance(jac, Mapping) else jac
    try:
        known = np.isfinite(np.concatenate([np.ravel(np.asarray(b, dtype=float)) for b in blocks]))
    except (TypeError, ValueError):  # of another library
        return in_words(jac)
    if not known.any():
        return "not known at this point"
    return in_words(jac) + ("" if known.all() else " (nan: not known, or a fixed variable)")


def _cost(res: Result) -> Rows:
    """Evaluations by phase, and which phases paid."""
    rows = []
    if "nfev" in res:
        text = str(res["nfev"])
        phases = res.get("phase_nfev")
        if phases:
            gains = res.get("phase_gain") or {}
            parts = [_phase(name, n, gains.get(name)) for name, n in phases.items() if n]
            text += f" evaluations: {', '.join(parts)}"
        if res.get("n_nonfinite"):
            count = res["n_nonfinite"]
            text += f"; {count} {'value was' if count == 1 else 'values were'} not finite"
        if res.get("n_failed"):
            count = res["n_failed"]
            text += f"; {count} evaluation{'s' * (count != 1)} raised"
        rows.append(("nfev", text))
    rows += [(key, str(res[key])) for key in ("njev", "nit") if key in res]
    return rows


def _phase(name: str, count: int, gain: float | None) -> str:
    return f"{name} {count}" + (f" (gained {gain:.3g})" if gain and math.isfinite(gain) else "")


def _row(value: Any, explained: str | None) -> str:
    """A field, and what it is."""
    text = in_words(value) if isinstance(value, (dict, list)) or np.ndim(value) else _number(value)
    return f"{text}  ({explained[0].lower()}{explained[1:]})" if explained else text


def _says(value: Any) -> bool:
    """Whether it is anything but missing numbers."""
    if value is None:
        return False
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return True
    return array.size > 0 and not np.isnan(array).all()


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def in_words(value: Any) -> str:
    """A number, array or blocks of them, as they are printed."""
    if isinstance(value, dict):
        return _blocks(value)
    if isinstance(value, (list, tuple)):
        if len(value) > 6:
            return f"{len(value)} entries"
        parts = ", ".join(in_words(part) for part in value)
        return f"[{parts}]" if isinstance(value, list) else f"({parts})"
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fc":
            with np.printoptions(threshold=20, edgeitems=4, linewidth=72):
                return str(value)
        if value.ndim > 1 and value.size > 36:
            return _summary(value)
        return _scientific(value)
    return _number(value)


def _blocks(value: dict[Any, Any]) -> str:
    """A dict, on lines of their own where there are arrays among its entries."""
    parts = []
    for key, part in value.items():
        name = f"{key!r}: "
        parts.append(name + in_words(part).replace("\n", "\n" + " " * (len(name) + 1)))
    arrays = any(np.ndim(part) for part in value.values())
    return "{" + (",\n " if arrays else ", ").join(parts) + "}"


def _summary(value: np.ndarray[Any, Any]) -> str:
    """Of a matrix or a field that is too large to be read: its shape and range."""
    known = value[~np.isnan(value)].real
    size = " x ".join(map(str, value.shape))
    return f"{size} numbers, {known.min():.3g} to {known.max():.3g}" if known.size else size


def _scientific(value: np.ndarray[Any, Any]) -> str:
    return np.array2string(
        value + 0.0,  # without a sign of zero
        72,
        formatter={"float_kind": lambda v: f"{v: .3e}"},
        threshold=20,
        edgeitems=4,
    )


def advise(res: Result) -> str:
    """What to try next where a run did not succeed; empty if there is nothing to say."""
    status = res.get("status")
    if res.get("success") or status is None:
        return ""
    for test, text in ADVICE:
        if test(res, status):
            farther = "`restarts`" if res.get("method") in WITH_RESTARTS else GLOBAL
            noise = res.get("noise") or 0.0
            return text.format(noise=noise, more=_more(res), farther=farther)
    return ""


def _more(res: Result) -> str:
    return {1: "maxiter", 2: "maxfev", 5: "maxtime"}.get(res["status"], "evaluations")


def _from_values(res: Result) -> bool:
    return bool(res.get("njev") == 0)


def _says_kink(res: Result) -> bool:
    return "kink" in str(res.get("message", ""))


def _noisy(res: Result) -> bool:
    """Whether noise was found that is more than rounding."""
    rounding = PRODUCTS * abs(float(res.get("fun", 0.0)))
    return bool((res.get("noise") or 0.0) > rounding)


WITH_RESTARTS = ("derivative-free", "gradient-sampling", "homotopy")  # an option of theirs
GLOBAL = 'method="derivative-free"'
BY_GRADIENTS = ("bfgs", "lbfgs", "gradient-descent", "laplacian", "gradient-sampling", "sqp")
# the first row that holds is told
ADVICE: tuple[tuple[Any, str], ...] = (
    (
        lambda r, s: s in (1, 2, 5) and r.get("feasible") is False,
        "no feasible point was found yet: a larger {more}, or a start that meets the constraints",
    ),
    (lambda r, s: s in (1, 2, 5), "a larger {more}; the run goes on from x as x0, or by `journal`"),
    (
        lambda r, s: s == 3 and r.get("n_failed"),
        "`first_failure` says what the function raised; a start where it has a value",
    ),
    (
        lambda r, s: s == 3 and not r.get("fun", np.nan) < np.inf,
        "a start where `fun` is finite; from values alone a finite box is sampled for one",
    ),
    (lambda r, s: s == 3, "bounds, if values fall without end; else find where values stop"),
    (
        lambda r, s: s == 4 and _noisy(r) and r.get("method") in BY_GRADIENTS,
        'differences drown in noise of {noise:.2g}: values alone, method="derivative-free", or a '
        "larger step (option `eps`)",
    ),
    (
        lambda r, s: s == 4 and _noisy(r),
        "noise of {noise:.2g} hides what may be left: averages of several values, or {farther}",
    ),
    (
        lambda r, s: s == 4 and "has steps" in str(r.get("message", "")),
        "start again from x; larger steps (`sigma`, `x_scale`) see beyond a step, and "
        "`integrality` takes steps that come from integers",
    ),
    (
        lambda r, s: s == 4 and "do not differ" in str(r.get("message", "")),
        "values that do not differ: does `fun` depend on x? Larger steps (`sigma`, `x_scale`) "
        "leave a plateau",
    ),
    (
        lambda r, s: s == 4 and _says_kink(r) and _from_values(r) and "noise" not in r,
        'at a kink, method="gradient-sampling"; in noise, jac=None, whose differences are as long '
        'as it demands, or values alone, method="derivative-free"',
    ),
    (
        lambda r, s: s == 4 and _says_kink(r) and r.get("method") != "gradient-sampling",
        'a method for kinks: method="gradient-sampling" with a gradient, "derivative-free" without',
    ),
    (
        lambda r, s: s == 4 and r.get("feasible") is False,
        "a start that meets the constraints, or a larger `ctol`",
    ),
    (
        lambda r, s: s == 4 and _from_values(r),
        "another start or seed, {farther}, or a gradient (`jac`)",
    ),
    (
        lambda r, s: s == 4,
        "values show no more here: start again from x, or rescale `fun` and `x_scale`",
    ),
    (lambda r, s: s == 7, "the same call with `journal` goes on where it was interrupted"),
    (lambda r, s: s == 8, "check `jac` beside differences, with scipy.optimize.check_grad"),
    (lambda r, s: s == 9, "see `constr_residuals` for which constraints contradict each other"),
)
