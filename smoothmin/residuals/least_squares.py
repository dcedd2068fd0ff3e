"""`least_squares`, with SciPy's signature, over the engine of `minimize`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import NonlinearConstraint, OptimizeResult

from smoothmin._check import require_integer, require_one_of, require_real, require_scale
from smoothmin._domain import as_start
from smoothmin._method import Method
from smoothmin._minimize import minimize
from smoothmin._protocol import Array
from smoothmin._status import Status
from smoothmin._types import BoundsLike, Fun, Scheme, Seed
from smoothmin.residuals.gauss_newton import TOLERANCE, GaussNewton
from smoothmin.residuals.losses import Loss
from smoothmin.residuals.model_gauss_newton import ModelGaussNewton

if TYPE_CHECKING:
    from smoothmin.typing import CommonOptions

SCHEMES = ("2-point", "3-point", "cs")
COMPLEX_STEP = 1e-30  # has no rounding error to be balanced with
METHODS = ("trf", "dogbox", "lm")
SEEN = {Status.CONVERGED: 1, Status.TARGET: 1, Status.MAXFEV: 0, Status.MAXITER: 0}
SEEN |= {Status.CALLBACK: -2}
TR_SOLVERS = ("exact", "lsmr")


class Residuals:
    """The user's residuals and their Jacobian, evaluated once a point."""

    def __init__(
        self, fun: Any, jac: Any, loss: Loss, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self._fun, self._loss = fun, loss
        self._jac = self.by_complex_steps if jac == "cs" else jac
        self._args, self._kwargs = args, dict(kwargs)
        # one attribute each, replaced as a whole: threads see a point with its own residuals
        self._last: tuple[Array, Array] | None = None
        self._slope: tuple[Array, Array] | None = None

    def rows(self, x: Array) -> Array:
        """The residuals (m,) at ``x``."""
        known = self._last
        if known is not None and np.array_equal(known[0], x):
            return known[1]
        found = self._call(x)
        if found.dtype.kind not in "biufO":
            raise TypeError(f"fun must return real numbers, got dtype {found.dtype}")
        rows: Array = np.array(found, dtype=float)
        if not rows.size or (known is not None and rows.shape != known[1].shape):
            raise ValueError(
                "fun must always return as many residuals, at least one, got "
                f"{rows.size}" + ("" if known is None else f" after {known[1].size}")
            )
        self._last = x.copy(), rows
        return rows

    def _call(self, x: NDArray[Any]) -> NDArray[Any]:
        found = np.atleast_1d(self._fun(x.copy(), *self._args, **self._kwargs))
        if found.ndim != 1:
            raise ValueError(f"fun must return an array of one dimension, got shape {found.shape}")
        return found

    def by_complex_steps(self, x: Array, *_: Any, **__: Any) -> Array:
        """The Jacobian (m, n) by complex steps (Squire, Trapp, SIAM Rev. 40, 1998)."""
        steps = 1j * COMPLEX_STEP * np.eye(x.size)
        return np.array([self._call(x + step).imag / COMPLEX_STEP for step in steps]).T

    def jacobian(self, x: Array) -> Array:
        """The user's Jacobian (m, n) at ``x``, dense."""
        known = self._slope
        if known is not None and np.array_equal(known[0], x):
            return known[1]
        given = self._jac(x.copy(), *self._args, **self._kwargs)
        found = np.asarray(given.toarray() if hasattr(given, "toarray") else given, dtype=float)
        shape = (self.rows(x).size, x.size)
        if found.size != shape[0] * shape[1]:
            raise ValueError(f"jac must return an array of shape {shape}, got {found.shape}")
        jacobian: Array = found.reshape(shape)
        self._slope = x.copy(), jacobian
        return jacobian

    def cost(self, x: Array) -> float:
        """The loss of the residuals at ``x``, NaN where any is not finite."""
        rows = self.rows(x)
        return self._loss.cost(rows) if np.isfinite(rows).all() else np.nan

    @property
    def by_steps(self) -> bool:
        """Whether the Jacobian is made by complex steps, n evaluations each."""
        return bool(self._jac == self.by_complex_steps)

    def slope(self, x: Array) -> Array:
        """Its gradient."""
        slope: Array = self.jacobian(x).T @ self._loss.slopes(self.rows(x))
        return slope


def least_squares(
    fun: Fun,
    x0: ArrayLike,
    jac: Fun | Scheme | None = None,
    bounds: BoundsLike | tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
    method: str = "trf",
    ftol: float | None = TOLERANCE,
    xtol: float | None = TOLERANCE,
    gtol: float | None = TOLERANCE,
    x_scale: ArrayLike | None = None,
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
) -> OptimizeResult:
    """Fit: minimize a loss of residuals, knowing each of them.

    From values alone, a model of every residual takes far fewer evaluations than one of the
    sum of their squares.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)``, the residuals, an array (m,) or a number.
    x0 : array_like, shape (n,)
    jac : callable or {"2-point", "3-point", "cs"}, optional
        The Jacobian (m, n), dense or sparse; differences, as in SciPy; or None, the default,
        for models of the residuals through the values that there are.
    bounds : 2-tuple of array_like or Bounds, optional
        No evaluation leaves them.
    method : {"trf", "dogbox", "lm"}, default "trf"
        SciPy's names; all run the same here.
    ftol, xtol, gtol : float or None, default 1e-8
        As SciPy's. From values alone ``xtol`` is the last radius of the trust region, in units
        of ``x_scale``, and the others are of no effect.
    x_scale : float, array_like of shape (n,) or "jac", optional
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
        1 and 2 print the end.
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
    OptimizeResult
        With SciPy's fields: ``x``, ``cost``, ``fun`` (the residuals), ``jac`` (their
        Jacobian, the models' from values alone), ``grad``, ``optimality``, ``active_mask``,
        ``nfev``, ``njev``, ``status`` (positive if converged, 0 for a limit, -2 for a callback
        that raised `StopIteration`), ``message``, ``success``.

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
    _check(fun, jac, method, verbose, kwargs, x_scale, max_nfev)
    for name, tolerance in (("ftol", ftol), ("xtol", xtol), ("gtol", gtol)):
        if tolerance is not None:
            require_real(name, tolerance, minimum=0)
    chosen, start = Loss.of(loss, f_scale, quantile), _start(x0)
    _unused(tr_solver, tr_options, jac_sparsity)
    jac = _derivative(jac, diff_step, chosen)
    args = args if isinstance(args, tuple) else (args,)
    given = jac if callable(jac) or jac == "cs" else None
    residuals = Residuals(fun, given, chosen, args, kwargs or {})
    res = minimize(
        residuals.cost,
        start,
        method=_method(chosen, jac, ftol, xtol, gtol, x_scale),
        jac=jac if given is None else residuals.slope,
        bounds=_bounds(bounds, start.size),
        constraints=_rows(residuals, jac, chosen),
        callback=callback,
        options=_options(max_nfev, diff_step if jac in SCHEMES[:2] else None) | dict(options or {}),
        rng=rng,
        workers=workers,
    )
    found = _result(res, residuals, chosen, given is not None, _bounds(bounds, start.size))
    if verbose:
        print(f"{found.message}\ncost {found.cost:.6g}, {found.nfev} evaluations")
    return found


def _check(
    fun: Any, jac: Any, method: Any, verbose: Any, kwargs: Any, x_scale: Any, max_nfev: Any
) -> None:
    """Raise for what is no function, derivative or method of SciPy's, and so on."""
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {fun!r}")
    require_one_of("method", method, METHODS)
    if not (jac is None or callable(jac)):
        require_one_of("jac", jac, SCHEMES)
    require_integer("verbose", verbose, 0)
    if max_nfev is not None:
        require_integer("max_nfev", max_nfev, 1)
    if not (kwargs is None or isinstance(kwargs, Mapping)):
        raise TypeError(f"kwargs must be a dict, got {kwargs!r}")
    if isinstance(x_scale, str):
        require_one_of("x_scale", x_scale, ("jac",))
    else:
        require_scale("x_scale", x_scale, optional=True)


def _start(x0: Any) -> Array:
    """The start, (n,)."""
    start = as_start(x0)
    if start.ndim > 1:
        raise ValueError(f"x0 must have one dimension, got shape {start.shape}")
    return start


def _method(loss: Loss, jac: Any, ftol: Any, xtol: Any, gtol: Any, x_scale: Any) -> Method | None:
    """Who minimizes; None for the default, of kinks with a gradient."""
    if jac is None:
        scale = None if isinstance(x_scale, str) else x_scale
        return ModelGaussNewton(loss, scale, TOLERANCE if xtol is None else xtol)
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


def _bounds(bounds: Any, n: int) -> Any:
    """SciPy's pair of arrays as one `Bounds`."""
    from scipy.optimize import Bounds

    if bounds is None or hasattr(bounds, "lb"):
        return bounds
    try:
        lower, upper = bounds
        lower, upper = (np.broadcast_to(np.asarray(side, float), (n,)) for side in (lower, upper))
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds must be a pair of arrays of shape ({n},), got {bounds!r}"
        ) from None
    return None if np.isinf(lower).all() and np.isinf(upper).all() else Bounds(lower, upper)


def _result(
    res: OptimizeResult, residuals: Residuals, loss: Loss, exact: bool, bounds: Any
) -> OptimizeResult:
    """SciPy's fields."""
    rows = residuals.rows(res.x)
    jacobian = residuals.jacobian(res.x) if exact else res.get("residual_jacobian")
    if jacobian is None:
        jacobian = np.full((rows.size, res.x.size), np.nan)
    grad = jacobian.T @ loss.slopes(rows)
    mask = np.zeros(res.x.size, dtype=int)
    if bounds is not None:
        mask = (res.x >= bounds.ub).astype(int) - (res.x <= bounds.lb).astype(int)
    pushed = np.where(mask * grad < 0, 0.0, grad)
    status = Status(res.status)
    kept = {"method": res.method, "nit": res.nit, "message": res.message, "success": res.success}
    return OptimizeResult(
        x=res.x,
        cost=res.fun,
        fun=rows,
        jac=jacobian,
        grad=grad,
        optimality=float(np.abs(pushed).max()),
        active_mask=mask,
        nfev=res.nfev + (res.njev * res.x.size if residuals.by_steps else 0),
        njev=res.njev,
        status=SEEN.get(status, -int(status)),
        **kept,
    )
