"""`curve_fit`, with SciPy's signature, on top of `least_squares`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeWarning

from smoothmin._check import (
    as_numbers,
    require_bool,
    require_integer,
    require_one_of,
    require_real,
    require_scale,
)
from smoothmin._machine import EPS
from smoothmin._precision import Precision
from smoothmin._protocol import Array
from smoothmin._types import BoundsLike, Fun, Scheme, Seed
from smoothmin.residuals.least_squares import least_squares, sides
from smoothmin.residuals.losses import Loss
from smoothmin.residuals.result import FitResult

if TYPE_CHECKING:
    from smoothmin.typing import CommonOptions


class FitOptions(TypedDict, total=False):
    """What `curve_fit` hands on to `least_squares`."""

    ftol: float | None
    xtol: float | None
    gtol: float | None
    x_scale: ArrayLike | None
    loss: str | Fun
    f_scale: float
    diff_step: ArrayLike | None
    tr_solver: str | None
    tr_options: Mapping[str, object] | None
    jac_sparsity: object
    max_nfev: int | None
    verbose: int
    callback: Fun | None
    workers: object
    quantile: float
    options: CommonOptions | None
    rng: Seed
    maxfev: int
    epsfcn: float | None
    diag: ArrayLike | None
    factor: float
    col_deriv: bool


@overload
def curve_fit(
    f: Fun,
    xdata: object,
    ydata: ArrayLike,
    p0: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: BoundsLike | tuple[ArrayLike, ArrayLike] = ...,
    method: str | None = None,
    jac: Fun | Scheme | None = None,
    *,
    full_output: Literal[False] = False,
    nan_policy: str | None = None,
    **kwargs: Unpack[FitOptions],
) -> tuple[Array, Array]: ...
@overload
def curve_fit(
    f: Fun,
    xdata: object,
    ydata: ArrayLike,
    p0: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: BoundsLike | tuple[ArrayLike, ArrayLike] = ...,
    method: str | None = None,
    jac: Fun | Scheme | None = None,
    *,
    full_output: Literal[True],
    nan_policy: str | None = None,
    **kwargs: Unpack[FitOptions],
) -> tuple[Array, Array, dict[str, object], str, int]: ...
def curve_fit(
    f: Fun,
    xdata: object,
    ydata: ArrayLike,
    p0: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: BoundsLike | tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
    method: str | None = None,
    jac: Fun | Scheme | None = None,
    *,
    full_output: bool = False,
    nan_policy: str | None = None,
    **kwargs: Unpack[FitOptions],
) -> tuple[Array, Array] | tuple[Array, Array, dict[str, object], str, int]:
    """Fit the parameters of a function to data.

    Parameters
    ----------
    f : callable
        ``f(xdata, *parameters)``, an array like ``ydata``.
    xdata : object
        Given to ``f``; an array of floats if it is a sequence.
    ydata : array_like, shape (m,)
    p0 : array_like, shape (n,), optional
        Where to begin: ones, or the middle of finite bounds, by default.
    sigma : float or array_like, shape (m,) or (m, m), optional
        Standard deviations of ``ydata``, one for all or each, or their covariance.
    absolute_sigma : bool, default False
        Whether ``sigma`` is meant in the data's units, not up to a factor.
    check_finite : bool, optional
        Whether data that are not finite raise: True by default, unless ``nan_policy`` is given.
    bounds, method, jac
        As in `least_squares`; ``jac(xdata, *parameters)``. Without ``jac`` the fit is from
        values alone, by models of each residual.
    full_output : bool, default False
        Whether to return more.
    nan_policy : {"raise", "omit"}, optional
        What to do about NaN in the data.
    **kwargs
        Of `least_squares`: ``loss``, ``max_nfev`` and so on; or as SciPy's "lm" has them:
        ``maxfev``, ``epsfcn`` (the square of ``diff_step``), ``diag`` (one by ``x_scale``),
        ``col_deriv``, and ``factor``, which is of no effect.

    Returns
    -------
    popt : ndarray, shape (n,)
    pcov : ndarray, shape (n, n)
        ``(J'J)^-1``, times the residual variance unless ``absolute_sigma``; infinite, with a
        warning, where it cannot be estimated: too few data, parameters that the data do not
        determine, or a loss with kinks. `uncertainty` knows more.
    infodict, mesg, ier
        With ``full_output``, as SciPy's.

    Raises
    ------
    RuntimeError
        If no minimum was found, with the reason.
    TypeError, ValueError
        For arguments of a wrong kind or value.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import curve_fit
    >>> t = np.linspace(0, 4, 30)
    >>> popt, pcov = curve_fit(lambda t, a, b: a * np.exp(-b * t), t, 2.5 * np.exp(-1.3 * t))
    >>> bool(np.allclose(popt, [2.5, 1.3]))
    True
    """
    if not callable(f):
        raise TypeError(f"f must be callable, got {f!r}")
    require_bool("absolute_sigma", absolute_sigma)
    named, by_columns = _as_least_squares(dict(kwargs))
    x, y = _data(xdata, ydata, check_finite, nan_policy)
    start = _start(f, p0, bounds)
    x, y, weight = _weights(x, y, sigma, nan_policy)

    rounded = Precision()  # what the function's values are

    def residuals(p: Array) -> Array:
        found = np.asarray(f(x, *p), dtype=float).ravel()
        for value in found if not rounded.known else ():
            rounded.add(float(value))
        if found.size not in (1, y.size):
            raise ValueError(f"f must return as many values as ydata, {y.size}, got {found.size}")
        return weight(found - y)

    def jacobian(p: Array) -> Array:
        assert callable(jac)
        found = np.asarray(jac(x, *p), dtype=float)
        return weight((found.T if by_columns else found).reshape(y.size, p.size))

    loss = named.get("loss", "linear")
    if y.size < start.size and loss == "linear" and method == "lm":
        raise TypeError(f"method='lm' needs as many data as parameters, got {y.size}")
    given: Fun | Scheme | None = jacobian if callable(jac) else jac
    found = least_squares(residuals, start, given, bounds, method or "trf", **named)
    if not found.success:
        raise RuntimeError(f"Optimal parameters not found: {found.message}")
    if jac is None:
        rounding = rounded.unit * float(np.abs(weight(y)).max())
        found.jac = _differences(residuals, found, bounds, rounding)
        found.nfev += 2 * start.size
    pcov = _covariance(found, y.size, absolute_sigma, Loss.of(loss, named.get("f_scale", 1.0), 0.5))
    if not full_output:
        return found.x, pcov
    info = {"nfev": found.nfev, "fvec": found.fun} | ({"njev": found.njev} if jac else {})
    return found.x, pcov, info, found.message, found.status


def _as_least_squares(given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Options of SciPy's `leastsq` by the names of `least_squares`; whether ``jac`` has columns."""
    for name in given:
        if name not in FitOptions.__annotations__:
            raise TypeError(f"curve_fit() got an unexpected keyword argument {name!r}")
    by_columns = bool(given.pop("col_deriv", False))
    if maxfev := given.pop("maxfev", None):  # 0 is SciPy's default
        require_integer("maxfev", maxfev, 1)
        given.setdefault("max_nfev", maxfev)
    if (epsfcn := given.pop("epsfcn", None)) is not None:
        require_real("epsfcn", epsfcn, above=0, below=np.inf)
        given.setdefault("diff_step", np.sqrt(epsfcn))
    if (diag := given.pop("diag", None)) is not None:
        require_scale("diag", diag)
        given.setdefault("x_scale", 1 / np.asarray(diag, dtype=float))
    if given.pop("factor", None) is not None:
        message = "factor is of no effect: the first radius is x_scale"
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    return given, by_columns


def _data(xdata: Any, ydata: Any, check: bool | None, policy: str | None) -> tuple[Any, Array]:
    if policy is not None:
        require_one_of("nan_policy", policy, ("raise", "omit"))
    check = policy is None if check is None else check
    y = as_numbers("ydata", ydata)
    x = np.asarray(xdata, dtype=float) if isinstance(xdata, (list, tuple, np.ndarray)) else xdata
    if y.size == 0:
        raise ValueError(f"ydata must not be empty, got shape {y.shape}")
    for name, values in (("xdata", x), ("ydata", y)):
        numeric = isinstance(values, np.ndarray)
        if numeric and check and not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity (see nan_policy)")
        if numeric and policy == "raise" and np.isnan(values).any():
            raise ValueError(f"{name} must not be NaN with nan_policy='raise'")
    return x, y.ravel()


def _start(f: Any, p0: Any, bounds: Any) -> Array:
    """Where to begin: given, or by what bounds say."""
    if p0 is not None:
        return np.atleast_1d(as_numbers("p0", p0))
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        raise ValueError("p0 must be given: the number of parameters is not known") from None
    if any(p.kind in (p.VAR_POSITIONAL, p.KEYWORD_ONLY) for p in parameters) or len(parameters) < 2:
        raise ValueError("p0 must be given: the number of parameters is not known")
    n = len(parameters) - 1
    low, high = sides(bounds, n)
    start = np.ones(n)
    bounded, below, above = (
        np.isfinite(low) & np.isfinite(high),
        np.isfinite(low),
        np.isfinite(high),
    )
    start[above] = high[above] - 1
    start[below] = low[below] + 1
    start[bounded] = 0.5 * (low[bounded] + high[bounded])
    return start


def _weights(
    x: Any, y: Array, sigma: Any, policy: str | None
) -> tuple[Any, Array, Callable[[Array], Array]]:
    """Data without what is omitted, and what makes residuals independent of unit variance."""
    kept = np.ones(y.size, bool)
    if policy == "omit":
        kept = ~np.isnan(y)
        if isinstance(x, np.ndarray) and x.shape[-1:] == y.shape:
            kept &= ~np.isnan(x).reshape(-1, y.size).any(axis=0)
        if not kept.all():
            x, y = x[..., kept] if isinstance(x, np.ndarray) else x, y[kept]
    if sigma is None:
        return x, y, lambda r: r
    given = as_numbers("sigma", sigma)
    given = np.full(kept.size, given.item()) if given.size == 1 else given
    if given.shape not in ((kept.size,), (kept.size,) * 2):
        shapes = f"{(kept.size,)} or {(kept.size,) * 2}"
        raise ValueError(f"sigma must have shape {shapes}, got {given.shape}")
    given = given[np.ix_(kept, kept)] if given.ndim == 2 else given.ravel()[kept]
    if given.shape == (y.size,):
        if not (given > 0).all():
            raise ValueError(f"sigma must be positive, got {sigma!r:.80}")
        return x, y, lambda r: (r.T / given).T
    try:
        factor = scipy.linalg.cholesky(given, lower=True)
    except np.linalg.LinAlgError:
        raise ValueError("sigma must be positive definite") from None
    return x, y, lambda r: scipy.linalg.solve_triangular(factor, r, lower=True)


def _differences(
    residuals: Callable[[Array], Array], found: FitResult, bounds: Any, rounding: float
) -> Array:
    """The Jacobian at the end by central steps, which are clipped to bounds.

    Noise ``e`` and third derivatives are balanced by steps ``(3 e L^2 / j)^(1/3)``, j being a
    typical slope and L the larger of the parameter and its error (Gill, Murray, Saunders, Wright,
    SIAM J. Sci. Stat. Comput. 4, 1983).
    """
    x, spread = found.x, np.sqrt(2 * found.cost)
    noise = max(rounding, found.get("noise", 0.0) / (spread or 1.0))
    slopes = np.linalg.norm(found.jac, axis=0) / np.sqrt(found.fun.size)
    with np.errstate(all="ignore"):
        errors = spread / (slopes * found.fun.size)
        length = np.where(np.isfinite(errors), np.maximum(np.abs(x), errors), np.abs(x))
        length[length == 0] = 1.0
        steps = np.cbrt(3 * noise * length**2 / slopes)
    steps = np.where(np.isfinite(steps) & (steps > 0), steps, np.cbrt(3 * EPS) * length)
    lower, upper = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    columns = []
    for k, step in enumerate(steps):
        ends = np.array([x, x])
        ends[:, k] += -step, step
        ends = np.clip(ends, lower, upper)
        columns.append((residuals(ends[1]) - residuals(ends[0])) / (ends[1, k] - ends[0, k]))
    return np.column_stack(columns)


def _covariance(found: Any, m: int, absolute: bool, loss: Loss) -> Array:
    """``(J'J)^-1``, rows by the bends of the loss, of the singular values that rounding leaves."""
    n = found.x.size
    unknown = np.full((n, n), np.inf)
    jacobian = found.jac * np.sqrt(loss.bends(found.fun))[:, None]
    if loss.kinked or not np.isfinite(jacobian).all():
        warnings.warn("Covariance of the parameters could not be estimated",
                      OptimizeWarning, stacklevel=3)  # fmt: skip
        return unknown
    _, values, right = np.linalg.svd(jacobian, full_matrices=False)
    least = EPS * max(jacobian.shape) * values[0]
    if values.size < n or values.min() <= least or (m <= n and not absolute):
        warnings.warn("Covariance of the parameters could not be estimated",
                      OptimizeWarning, stacklevel=3)  # fmt: skip
        return unknown
    inverse: Array = (right.T / values**2) @ right
    return inverse if absolute else inverse * (2 * found.cost / (m - n))
