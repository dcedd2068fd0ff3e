"""`least_squares`, with SciPy's signature, over the engine of `minimize`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import NonlinearConstraint

from smoothmin._check import require_integer, require_one_of, require_real, require_scale
from smoothmin._domain import as_bounds, as_start
from smoothmin._machine import EPS
from smoothmin._method import Method
from smoothmin._minimize import minimize
from smoothmin._protocol import Array
from smoothmin._status import Status
from smoothmin._structure import Structure
from smoothmin._types import BoundsLike, Fun, Scheme, Seed, Start
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.residuals.gauss_newton import GaussNewton
from smoothmin.residuals.losses import Loss
from smoothmin.residuals.model_gauss_newton import ModelGaussNewton
from smoothmin.residuals.result import Ended, FitResult

if TYPE_CHECKING:
    from smoothmin.typing import CommonOptions

SCHEMES = ("2-point", "3-point", "cs")
METHODS = ("trf", "dogbox", "lm")
LIMITS = {Status.MAXFEV: 0, Status.MAXITER: 0, Status.CALLBACK: -2}  # SciPy's numbers
ALSO = ("noise", "n_nonfinite", "n_failed", "first_failure", "allvecs", "history")  # if there
TR_SOLVERS = ("exact", "lsmr")


class Residuals:
    """The user's residuals and their Jacobian, evaluated once a point, which may be in blocks."""

    def __init__(
        self,
        fun: Any,
        jac: Any,
        loss: Loss,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        structure: Structure | None = None,
    ) -> None:
        self._fun, self._loss, self._structure = fun, loss, structure
        self._jac = self._by_complex_steps if jac == "cs" else self._by_user
        self._given, self._args, self._kwargs = jac, args, dict(kwargs)
        # one attribute each, replaced as a whole: threads see a point with its own residuals
        self._last: tuple[Array, Array] | None = None
        self._slope: tuple[Array, Array] | None = None

    def flat(self, x: Any) -> Array:
        """A point, (n,)."""
        found: Array = x if self._structure is None else self._structure.flat(x, "x")
        return found

    def rows(self, x: Any) -> Array:
        """The residuals (m,) at ``x``."""
        x, known = self.flat(x), self._last
        if known is not None and np.array_equal(known[0], x):
            return known[1]
        found = self._call(x)
        if found.dtype.kind not in "biufO" or any(number is None for number in found.flat[:1]):
            raise TypeError(f"fun must return real numbers, got {found!r:.80}")
        rows: Array = np.array(found, dtype=float)
        if not rows.size or (known is not None and rows.shape != known[1].shape):
            raise ValueError(
                "fun must always return as many residuals, at least one, got "
                f"{rows.size}" + ("" if known is None else f" after {known[1].size}")
            )
        self._last = x.copy(), rows
        return rows

    def _user(self, fun: Any, x: NDArray[Any]) -> Any:
        """What a callable of the user's returns at a flat ``x``."""
        given = x.copy() if self._structure is None else self._structure.build(x.copy())
        return fun(given, *self._args, **self._kwargs)

    def _call(self, x: NDArray[Any]) -> NDArray[Any]:
        found = np.atleast_1d(self._user(self._fun, x))
        if found.ndim != 1:
            raise ValueError(f"fun must return an array of one dimension, got shape {found.shape}")
        return found

    def _by_complex_steps(self, x: Array) -> Any:
        """The Jacobian (m, n) by complex steps (Squire, Trapp, SIAM Rev. 40, 1998)."""
        steps = 1j * EPS * np.eye(x.size)
        return np.array([self._call(x + step).imag / EPS for step in steps]).T

    def _by_user(self, x: Array) -> Any:
        found = self._user(self._given, x)
        if self._structure is not None and isinstance(found, Mapping):
            found = self._structure.matrix(found)
        if hasattr(found, "matmat"):  # a linear operator
            return found.matmat(np.eye(x.size))
        return found.toarray() if hasattr(found, "toarray") else found

    def jacobian(self, x: Any) -> Array:
        """The Jacobian (m, n) at ``x``, dense."""
        given, known = x, self._slope
        x = self.flat(x)
        if known is not None and np.array_equal(known[0], x):
            return known[1]
        found = np.asarray(self._jac(x), dtype=float)
        shape = (self.rows(given).size, x.size)
        if found.size != shape[0] * shape[1]:
            raise ValueError(f"jac must return an array of shape {shape}, got {found.shape}")
        jacobian: Array = found.reshape(shape)
        self._slope = x.copy(), jacobian
        return jacobian

    def cost(self, x: Any) -> float:
        """The loss of the residuals at ``x``, NaN where any is not finite."""
        rows = self.rows(x)
        return self._loss.cost(rows) if np.isfinite(rows).all() else np.nan

    @property
    def by_steps(self) -> bool:
        """Whether the Jacobian is made by complex steps, n evaluations each."""
        return bool(self._jac == self._by_complex_steps)

    def slope(self, x: Any) -> Any:
        """Its gradient, in the blocks of ``x``."""
        slope: Array = self.jacobian(x).T @ self._loss.slopes(self.rows(x))
        return slope if self._structure is None else self._structure.build(slope)


def least_squares(
    fun: Fun,
    x0: Start,
    jac: Fun | Scheme | None = None,
    bounds: BoundsLike | tuple[ArrayLike, ArrayLike] | Mapping[str, object] = (-np.inf, np.inf),
    method: str = "trf",
    ftol: float | None = NEGLIGIBLE,
    xtol: float | None = NEGLIGIBLE,
    gtol: float | None = NEGLIGIBLE,
    x_scale: ArrayLike | Mapping[str, ArrayLike] | None = None,
    loss: str | Fun = "linear",
    f_scale: float = 1.0,
    diff_step: ArrayLike | None = None,
    tr_solver: str | None = None,
    tr_options: Mapping[str, object] | None = None,
    jac_sparsity: object = None,
    max_nfev: int | None = None,
    verbose: int = 0,
    args: object = (),
    kwargs: Mapping[str, object] | None = None,
    callback: Fun | None = None,
    workers: object = None,
    *,
    quantile: float = 0.5,
    options: CommonOptions | None = None,
    rng: Seed = None,
) -> FitResult:
    """Fit: minimize a loss of residuals, knowing each of them.

    From values alone, a model of every residual takes far fewer evaluations than one of the
    sum of their squares.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)``, the residuals, an array (m,) or a number.
    x0 : array_like, shape (n,), or dict
        A dict of numbers and arrays gives parameters names: ``fun``, ``jac``, ``callback`` and
        ``res.x`` have such a dict, too; all else is over the flat ``x`` in its order.
    jac : callable or {"2-point", "3-point", "cs"}, optional
        The Jacobian (m, n), dense or sparse, or a dict of blocks (m, ...); differences, as in
        SciPy; or None, the default, for models of the residuals through the values that there are.
    bounds : 2-tuple of array_like or Bounds, or dict, optional
        No evaluation leaves them. With parameters in blocks a dict of pairs, as in `minimize`.
    method : {"trf", "dogbox", "lm"}, default "trf"
        SciPy's names; all run the same here.
    ftol, xtol, gtol : float or None, default 1e-8
        As SciPy's. From values alone ``xtol`` is the last radius of the trust region, in units
        of ``x_scale``, and the others are of no effect.
    x_scale : float, array_like of shape (n,), dict of blocks, or "jac", optional
        Typical lengths along the variables; with a Jacobian 1 by default, from values a tenth
        of the larger of 1 and ``|x0|``, or a fifth of the box.
    loss : str or callable, default "linear"
        SciPy's "linear", "soft_l1", "huber", "cauchy", "arctan" or a callable as there; or
        "l1", the sum of absolute residuals, or "quantile": these have kinks where a residual is
        zero, and are minimized as such.
    f_scale : float, default 1.0
        Where SciPy's losses begin to bend.
    diff_step : float or array_like of shape (n,), optional
        Relative steps of differences, which are taken for the Jacobian then: "2-point" if
        ``jac`` is None.
    tr_solver, tr_options, jac_sparsity : optional
        Of no effect, with a warning: steps are exact, and differences take n evaluations.
    max_nfev : int, optional
        Evaluations of ``fun``, those of differences included.
    verbose : {0, 1, 2}, default 0
        1 and 2 print the end; for lines while it runs there is ``options={"disp": True}``.
    args, kwargs : tuple and dict, optional
        Further arguments of ``fun`` and ``jac``.
    callback : callable, optional
    workers : optional
        As in `minimize`.
    quantile : float, default 0.5
        Of "quantile": the share of residuals below zero.
    options : dict, optional
        As in `minimize`.
    rng : optional
        As in `minimize`.

    Returns
    -------
    FitResult
        With SciPy's fields, ``x``, ``cost``, ``fun`` (the residuals), ``jac`` (their Jacobian),
        ``grad``, ``optimality``, ``active_mask``, ``nfev``, ``njev``, ``status`` (positive if
        converged), ``message``, ``success``; each is in the docstring of `FitResult`.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.

    Warns
    -----
    RuntimeWarning
        For arguments of no effect.

    References
    ----------
    .. [1] C. Cartis, L. Roberts, "A derivative-free Gauss-Newton method", Math. Program.
       Comput. 11 (2019), :doi:`10.1007/s12532-019-00161-7`.
    .. [2] J. E. Dennis, D. M. Gay, R. E. Welsch, "An adaptive nonlinear least-squares
       algorithm", ACM Trans. Math. Softw. 7 (1981), :doi:`10.1145/355958.355965`.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import least_squares
    >>> def residuals(x):  # Rosenbrock's function
    ...     return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])
    >>> res = least_squares(residuals, [-1.2, 1.0])
    >>> res.success, bool(res.cost < 1e-20), res.nfev < 60
    (True, True, True)
    """
    _check(fun, jac, method, verbose, kwargs, max_nfev)
    for name, tolerance in (("ftol", ftol), ("xtol", xtol), ("gtol", gtol)):
        if tolerance is not None:
            require_real(name, tolerance, minimum=0)
    chosen, structure = Loss.of(loss, f_scale, quantile), Structure.of(x0)
    n = _size(x0, structure)
    limits = _bounds(bounds, n, structure)
    _unused(tr_solver, tr_options, jac_sparsity)
    jac = _derivative(jac, diff_step, chosen)
    args = args if isinstance(args, tuple) else (args,)
    given = jac if callable(jac) or jac == "cs" else None
    residuals = Residuals(fun, given, chosen, args, kwargs or {}, structure)
    res = minimize(
        residuals.cost,
        x0,
        method=_method(chosen, jac, ftol, xtol, gtol, _lengths(x_scale, n, structure)),
        jac=jac if given is None else residuals.slope,
        bounds=limits,
        constraints=_rows(residuals, jac, chosen),
        callback=callback,
        options=_options(max_nfev, diff_step if jac in SCHEMES[:2] else None) | dict(options or {}),
        rng=rng,
        workers=workers,
    )
    found = _result(res, residuals, chosen, given is not None, as_bounds(limits, (n,)))
    if verbose:
        print(f"{found.message}\ncost {found.cost:.6g}, {found.nfev} evaluations")
    return found


def _check(fun: Any, jac: Any, method: Any, verbose: Any, kwargs: Any, max_nfev: Any) -> None:
    """Raise for what is no function, derivative or method of SciPy's, and so on."""
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {fun!r}")
    require_one_of("method", method, METHODS)
    if not (jac is None or callable(jac)):
        require_one_of("jac", jac, SCHEMES)
    require_integer("verbose", verbose, 0)
    if verbose > 2:
        raise ValueError(f"verbose must be 0, 1 or 2, got {verbose!r}")
    if max_nfev is not None:
        require_integer("max_nfev", max_nfev, 1)
    if not (kwargs is None or isinstance(kwargs, Mapping)):
        raise TypeError(f"kwargs must be a dict, got {kwargs!r}")


def _size(x0: Any, structure: Structure | None) -> int:
    """How many parameters there are."""
    if structure is not None:
        return sum(structure.sizes)
    start = as_start(x0)
    if start.ndim > 1:
        raise ValueError(f"x0 must have one dimension, got shape {start.shape}")
    return start.size


def _lengths(x_scale: Any, n: int, structure: Structure | None) -> Any:
    """``x_scale``, flat and checked."""
    if isinstance(x_scale, str):
        require_one_of("x_scale", x_scale, ("jac",))
        return x_scale
    if structure is not None and isinstance(x_scale, Mapping):
        x_scale = structure.flat(x_scale, "x_scale")
    require_scale("x_scale", x_scale, optional=True)
    if np.size(x_scale) not in (1, n):
        raise ValueError(f"x_scale must be one number or {n} of them, got {x_scale!r:.80}")
    return x_scale


def _method(loss: Loss, jac: Any, ftol: Any, xtol: Any, gtol: Any, x_scale: Any) -> Method | None:
    """Who minimizes; None for the default, of kinks with a gradient."""
    if jac is None:
        scale = None if isinstance(x_scale, str) else x_scale
        return ModelGaussNewton(loss, scale, NEGLIGIBLE if xtol is None else xtol)
    if loss.kinked:
        return None
    return GaussNewton(loss, ftol, xtol, gtol, 1.0 if x_scale is None else x_scale)


def _unused(tr_solver: Any, tr_options: Any, jac_sparsity: Any) -> None:
    """Warn of what is said to SciPy's solvers alone."""
    if tr_solver is not None:
        require_one_of("tr_solver", tr_solver, TR_SOLVERS)
    if not (tr_options is None or isinstance(tr_options, Mapping)):
        raise TypeError(f"tr_options must be a dict, got {tr_options!r}")
    if tr_solver or tr_options:
        message = "tr_solver and tr_options are of no effect: steps are exact"
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    if jac_sparsity is not None:
        message = "jac_sparsity is of no effect: differences take n evaluations"
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def _derivative(jac: Any, diff_step: Any, loss: Loss) -> Any:
    """The Jacobian asked for: a callable, a scheme of differences or None for models."""
    if diff_step is not None:
        require_scale("diff_step", diff_step)
        if callable(jac) or jac == "cs":
            message = "diff_step is of no effect: no differences are taken"
            warnings.warn(message, RuntimeWarning, stacklevel=3)
    if callable(jac):
        return jac
    if loss.kinked:  # differences see kinks late, models of residuals at once
        return None
    return "2-point" if jac is None and diff_step is not None else jac


def _options(max_nfev: int | None, diff_step: Any) -> dict[str, Any]:
    """Those of `minimize`."""
    given = {"maxfev": max_nfev, "finite_diff_rel_step": diff_step}
    return {name: value for name, value in given.items() if value is not None}


def _rows(residuals: Residuals, jac: Any, loss: Loss) -> Any:
    """The residuals as rows that are evaluated with the loss."""
    if jac is not None and loss.kinked:
        return ()
    derivative = residuals.jacobian if callable(jac) or jac == "cs" else jac or "2-point"
    return NonlinearConstraint(residuals.rows, -np.inf, np.inf, jac=derivative)


def _bounds(bounds: Any, n: int, structure: Structure | None) -> Any:
    """SciPy's pair of arrays, or those of blocks, as one `Bounds`."""
    from scipy.optimize import Bounds

    if bounds is None or hasattr(bounds, "lb"):
        return bounds
    if structure is not None and isinstance(bounds, Mapping):
        bounds = as_bounds(structure.pairs(bounds), (n,))
    lower, upper = sides(bounds, n)
    return None if np.isinf(lower).all() and np.isinf(upper).all() else Bounds(lower, upper)


def sides(bounds: Any, n: int) -> tuple[Array, Array]:
    """Lower and upper bounds (n,) of a `Bounds` or a pair."""
    try:
        given = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
        lower, upper = (np.broadcast_to(np.asarray(side, float), (n,)) for side in given)
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds must be a pair of arrays of shape ({n},), got {bounds!r:.80}"
        ) from None
    return lower, upper


def _result(
    res: Any, residuals: Residuals, loss: Loss, exact: bool, box: tuple[Array, Array] | None
) -> FitResult:
    """SciPy's fields."""
    rows, x = residuals.rows(res.x), residuals.flat(res.x)
    jacobian = residuals.jacobian(res.x) if exact else res.get("residual_jacobian")
    if jacobian is None:
        jacobian = np.full((rows.size, x.size), np.nan)
    grad = jacobian.T @ loss.slopes(rows)
    mask = np.zeros(x.size, dtype=int)
    if box is not None:
        mask = (x >= box[1]).astype(int) - (x <= box[0]).astype(int)
    pushed = np.where(mask * grad < 0, 0.0, grad)
    optimality = float(np.abs(pushed).max())
    if loss.kinked:  # where one gradient of many tells nothing
        optimality = res.get("stationarity", np.nan)
    status = Status(res.status)
    known = {key: res[key] for key in ALSO if res.get(key)}
    return FitResult(
        message=res.message,
        success=res.success,
        status=int(res.get("criterion", Ended.GTOL))
        if status.success
        else LIMITS.get(status, -int(status)),
        method=res.method,
        cost=res.fun,
        x=res.x,
        fun=rows,
        jac=jacobian,
        grad=grad,
        optimality=optimality,
        active_mask=mask,
        nfev=res.nfev + (res.njev * x.size if residuals.by_steps else 0),
        njev=res.njev,
        nit=res.nit,
        **known,
    )
