"""Covariances, standard errors and profiles of parameters that minimize a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult

from smoothmin._check import as_numbers, require_integer, require_real, require_takes
from smoothmin._domain import Domain
from smoothmin._factors import MINOR, SMALL
from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._noise import NOISE_FLOOR, measure_noise
from smoothmin._precision import Precision
from smoothmin._protocol import Answers, Array, Done, advance
from smoothmin._source import Objective, as_gradient, as_value
from smoothmin._types import BoundsGiven, Fun, Start
from smoothmin.uncertainties.curvature import Curvature, at_minimum
from smoothmin.uncertainties.profile import Profile

ERRORDEFS = {"likelihood": 0.5, "chi2": 1.0}
ONE_ERROR = math.erf(math.sqrt(0.5))  # probability within one standard error of a normal variable


@dataclass(frozen=True)
class Uncertainty:
    """How sure parameters are.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The minimum, flat.
    covariance : ndarray, shape (n, n)
        ``2 errordef H^-1``, H being the Hessian. Rows and columns of parameters that are fixed
        or at a bound are zero, of such with a kink NaN; of such that change nothing, infinite
        on the diagonal.
    errors : ndarray, shape (n,)
        Standard errors, the roots of its diagonal.
    correlations : ndarray, shape (n, n)
        Of free parameters; NaN else.
    hessian : ndarray, shape (n, n)
    errordef : float
        The rise of the function that is one standard error.
    at_bound, kinked, unseen : ndarrays of bool, shape (n,)
        Parameters at a bound or fixed; where the function has a kink, so that it has no
        curvature; that change nothing.
    made_definite : bool
        Whether the Hessian was not positive definite and was made so.
    warnings : list of str
        What makes these numbers doubtful, in words.
    nfev : int
        Evaluations, a gradient being one.
    names : tuple of str
        What the parameters are called: by the keys of a dict, else by their number.
    """

    x: Array
    covariance: Array
    errors: Array
    correlations: Array
    hessian: Array
    errordef: float
    at_bound: NDArray[np.bool_]
    kinked: NDArray[np.bool_]
    unseen: NDArray[np.bool_]
    made_definite: bool
    warnings: list[str]
    nfev: int
    names: tuple[str, ...]
    _profile: Profile = field(repr=False)

    def interval(self, index: int | str, level: float = ONE_ERROR) -> tuple[float, float]:
        """The profile's interval of one parameter, asymmetric as it is (MINOS).

        Where the least value with this parameter held exceeds the minimum by ``errordef``
        times the quantile of chi-square with one degree of freedom; where the variance of
        residuals was estimated, of F with one and with theirs.

        Parameters
        ----------
        index : int or str
            Number of the parameter in the flat vector, or its name.
        level : float, default 0.683
            Confidence, in (0, 1); the default is that of one standard error.

        Returns
        -------
        lower, upper : float
            A bound, or infinity, where the function does not rise so far.

        References
        ----------
        W. Eadie et al., Statistical Methods in Experimental Physics (1971), section 9.3.
        """
        number = self._number(index)
        _require_level(level)
        return self._profile.interval(number, level)

    def profile(self, index: int | str, points: ArrayLike) -> Array:
        """The least value with one parameter held, less the minimum, at ``points`` (m,)."""
        number = self._number(index)
        held = as_numbers("points", points).ravel()
        if not np.isfinite(held).all():
            raise ValueError(f"points must be finite, got {points!r:.80}")
        return np.array([self._profile.rise(number, float(at)) for at in held])

    def contour(
        self, first: int | str, second: int | str, level: float = ONE_ERROR, points: int = 40
    ) -> Array:
        """Where both parameters together lie with a probability: the profile's contour.

        Parameters
        ----------
        first, second : int or str
        level : float, default 0.683
            By chi-square with two degrees of freedom, for which 0.393 touches the standard
            errors, or by F with two as in `interval`.
        points : int, default 40

        Returns
        -------
        ndarray, shape (points, 2)
            In order around the minimum.
        """
        pair = self._number(first, "first"), self._number(second, "second")
        if pair[0] == pair[1]:
            raise ValueError(f"first and second must differ, got {first!r:.80} twice")
        _require_level(level)
        require_integer("points", points, 3)
        for index in pair:
            if not np.isfinite(self.errors[index]):
                name = self.names[index]
                raise ValueError(f"index {name}: the parameter has no error to draw a contour by")
        return self._profile.contour(*pair, level, int(points))

    def _number(self, index: Any, name: str = "index") -> int:
        """That of a free parameter that is called so."""
        if isinstance(index, str):
            if index not in self.names:
                raise ValueError(f"{name} must be one of {list(self.names)}, got {index!r:.80}")
            index = self.names.index(index)
        require_integer(name, index, 0)
        if index >= self.x.size:
            raise ValueError(f"{name} must be less than {self.x.size}, got {index!r:.80}")
        if self.at_bound[index]:
            raise ValueError(f"index {self.names[index]}: the parameter is fixed or at a bound")
        return int(index)

    def __str__(self) -> str:
        """A table of parameters and errors, then what to beware of."""
        width = max(4, *map(len, self.names))
        lines = [f"{'':>{width}}{'value':>14}{'error':>12}"]
        for k, (value, error) in enumerate(zip(self.x, self.errors, strict=True)):
            note = " at a bound" if self.at_bound[k] else " kink" if self.kinked[k] else ""
            lines.append(f"{self.names[k]:>{width}}{value:>14.6g}{error:>12.3g}{note}")
        return "\n".join([*lines, *self.warnings])


def uncertainty(
    fun: Fun,
    res: OptimizeResult | Start,
    args: object = (),
    *,
    jac: Fun | bool | None = None,
    bounds: BoundsGiven | None = None,
    errordef: float | str = "likelihood",
    residuals: int | None = None,
    noise: float | None = None,
) -> Uncertainty:
    """Covariance, errors and profiles of the parameters at a minimum.

    It assumes that ``fun`` is the negative logarithm of a likelihood, up to a constant, or a
    sum of squares as ``errordef`` says, and errors and correlations assume that it is a
    parabola within an error or two; `Uncertainty.interval` and `Uncertainty.contour` do not.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, as in `minimize`.
    res : OptimizeResult or array_like
        A result of `minimize`, or of SciPy, or the minimum itself, a number if there is one
        parameter.
    args : tuple, optional
    jac : callable or bool, optional
        As in `minimize`; with it the Hessian takes 2 n gradients instead of 2 n (n - 1)
        values more.
    bounds : optional
        As in `minimize`. Parameters at a bound are held there.
    errordef : float or {"likelihood", "chi2"}, default "likelihood"
        The rise of ``fun`` that is one standard error: 0.5 for a negative log-likelihood, 1
        for a chi-square.
    residuals : int, optional
        ``fun`` is a sum of so many squared residuals, up to a factor, whose variance is unknown
        and estimated: ``errordef`` is ``fun / (residuals - n)`` instead, and intervals are by
        F's distribution, which for few residuals are wider than by the normal one.
    noise : float, optional
        Standard deviation of the values; what ``res`` found, or rounding, by default.

    Returns
    -------
    Uncertainty

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import minimize, uncertainty
    >>> times = np.array([1.2, 0.4, 2.2, 0.9, 0.1, 1.6])
    >>> def loss(rate):  # of exponential times: the error is rate / sqrt(6)
    ...     return rate[0] * times.sum() - times.size * np.log(rate[0])
    >>> res = minimize(loss, [1.0], bounds=[(1e-3, None)])
    >>> sure = uncertainty(loss, res, bounds=[(1e-3, None)])
    >>> bool(abs(sure.errors[0] - res.x[0] / np.sqrt(6)) < 1e-3)
    True
    >>> low, high = sure.interval(0)
    >>> bool(high - res.x[0] > res.x[0] - low)
    True
    """
    args = args if isinstance(args, tuple) else (args,)
    require_takes("fun", fun, 1 + len(args))
    _check(errordef, residuals, noise)
    start = getattr(res, "x", res)
    if start is None or isinstance(start, (str, bytes)):
        raise TypeError(f"res must be a result or an array of parameters, got {res!r:.80}")
    domain = Domain.build(start, bounds)
    function = _Free(fun, jac, args, domain)
    x = domain.start if domain.free is None else domain.start[domain.free]
    if residuals is not None:
        require_integer("residuals", residuals, x.size + 1)
    value = function.value(x)
    if not math.isfinite(value):
        raise ValueError("fun must be finite at the minimum, and has no finite value there")
    rise = _errordef(errordef, residuals, value, x.size)
    freedom = math.inf if residuals is None else residuals - x.size
    box = domain.box or (np.full(x.size, -np.inf), np.full(x.size, np.inf))
    scale = _scale(res, x, rise, domain)
    level, nfev = _noise(noise, res, function, x, scale, domain)
    held = np.minimum(x - box[0], box[1] - x) <= 0
    looked, size = noise is not None, max(abs(value), rise)
    while True:
        noise = max(level, function.precision.unit * size)
        inner, inside = function.restricted(x, ~held), (box[0][~held], box[1][~held])
        start = scale[~held]
        found = at_minimum(inner.value, inner.slope, x[~held], value, rise, noise, inside, start)
        nfev += found.nfev
        if found.pressed.any():
            held[~held] = found.pressed
            continue
        if found.odd and not looked:  # noise may be behind it that shows on a larger scale
            known = np.isfinite(found.lengths)
            scale[np.flatnonzero(~held)[known]] = found.lengths[known]
            more, count = _measured(function, x, scale, domain)
            nfev, looked, level = nfev + count, True, max(level, more)
        if not max(level, function.precision.unit * size) > noise:
            break
    return _joined(found, domain, held, inner, value, rise, noise, inside, nfev + 1, freedom)


class _Free:
    """Value and gradient in free variables."""

    def __init__(self, fun: Any, jac: Any, args: tuple[Any, ...], domain: Domain) -> None:
        from smoothmin._structure import InBlocks

        jac = True if isinstance(jac, np.bool_) and jac else jac
        if not (jac is None or isinstance(jac, bool) or callable(jac)):
            raise TypeError(f"jac must be callable or a bool, got {jac!r}")
        if domain.structure is not None:
            fun = InBlocks(fun, domain.structure, "both" if jac is True else "value")
            jac = InBlocks(jac, domain.structure, "gradient") if callable(jac) else jac
        self._objective = Objective(fun, jac or None, args)
        self._domain = domain
        self.precision = Precision()
        self._x: Array | None = None
        self._free: NDArray[np.bool_] | None = None

    @property
    def slope(self) -> Callable[[Array], Array] | None:
        """The gradient, if there is one."""
        return self._slope if self._objective.has_gradient else None

    def restricted(self, x: Array, free: NDArray[np.bool_]) -> _Free:
        """Of the variables that are ``free``, the others staying at ``x``."""
        part = object.__new__(_Free)
        part._objective, part._domain = self._objective, self._domain
        part._x, part._free, part.precision = x, free, self.precision
        return part

    def value(self, part: Array) -> float:
        """A number, infinite where the function has none."""
        found = as_value(self._objective.value(self._user(part)))
        self.precision.add(found)
        return math.inf if math.isnan(found) else found

    def _slope(self, part: Array) -> Array:
        _, found = self._objective.value_and_gradient(self._user(part))
        rows = as_gradient(found, self._domain.shape).reshape(1, -1)
        whole: Array = self._domain.gather(rows)[0]
        return whole if self._free is None else whole[self._free]

    def _user(self, part: Array) -> Array:
        if self._x is not None and self._free is not None:
            whole = self._x.copy()
            whole[self._free] = part
            part = whole
        user: Array = self._domain.spread(part[None])[0]
        return user


def _check(errordef: float | str, residuals: int | None, noise: float | None) -> None:
    """Raise for what is wrong without any evaluation."""
    if residuals is not None:
        require_integer("residuals", residuals, 1)
    if isinstance(errordef, str):
        if errordef not in ERRORDEFS:
            names = sorted(ERRORDEFS)
            raise ValueError(f"errordef must be a number or one of {names}, got {errordef!r:.80}")
    else:
        require_real("errordef", errordef, above=0, below=np.inf)
    if noise is not None:
        require_real("noise", noise, minimum=0, below=np.inf)


def _errordef(given: float | str, residuals: int | None, value: float, n: int) -> float:
    if residuals is not None:
        if not value > 0:
            raise ValueError(f"a sum of squares must be positive at its minimum, got {value!r:.80}")
        return value / (residuals - n)
    return ERRORDEFS[given] if isinstance(given, str) else float(given)


def _noise(
    given: float | None, res: Any, function: _Free, x: Array, scale: Array, domain: Domain
) -> tuple[float, int]:
    """That of the values, told, found by the run, or measured; and the evaluations of that."""
    if given is not None:
        return float(given), 0
    known = getattr(res, "get", lambda *_: None)("noise")
    if known is not None:
        return float(known), 0
    return _measured(function, x, scale, domain)


def _measured(function: _Free, x: Array, scale: Array, domain: Domain) -> tuple[float, int]:
    """The noise on a short line, and the evaluations."""
    talk, count = measure_noise(domain.problem(False), x, scale, np.random.default_rng(0)), 0
    ask = advance(talk)
    while not isinstance(ask, Done):
        values = np.array([function.value(point) for point in ask.points])
        count += len(values)
        ask = advance(talk, Answers(values))
    return ask.value, count


def _scale(res: Any, x: Array, errordef: float, domain: Domain) -> Array:
    """Where the search for steps begins: what a run has learnt, or a hundredth of x."""
    known = getattr(res, "get", lambda *_: None)("hess_inv")
    guess = SMALL * np.maximum(np.abs(x), SMALL)
    if isinstance(known, np.ndarray) and known.shape == (domain.start.size,) * 2:
        diagonal = np.diag(known)
        diagonal = diagonal if domain.free is None else diagonal[domain.free]
        usable = np.isfinite(diagonal) & (diagonal > 0)
        guess = np.where(usable, np.sqrt(2 * errordef * np.where(usable, diagonal, 1)), guess)
    return guess


def _joined(
    found: Curvature,
    domain: Domain,
    held: NDArray[np.bool_],
    inner: _Free,
    value: float,
    errordef: float,
    noise: float,
    box: Any,
    nfev: int,
    freedom: float,
) -> Uncertainty:
    """What is known of the free parameters, in the user's."""
    size = domain.start.size
    free = np.arange(size) if domain.free is None else domain.free
    free = free[~held]
    seen = np.isfinite(found.lengths)
    inner_covariance, made = _covariance(found, seen, errordef)
    covariance, hessian = np.zeros((size, size)), np.zeros((size, size))
    covariance[np.ix_(free, free)], hessian[np.ix_(free, free)] = inner_covariance, found.hessian
    covariance[np.ix_(free[found.kinked], free)] = np.nan
    covariance[np.ix_(free, free[found.kinked])] = np.nan
    errors = np.sqrt(np.diag(covariance))
    at_bound = np.ones(size, bool)
    at_bound[free] = False
    kinked, unseen = np.zeros(size, bool), np.zeros(size, bool)
    kinked[free], unseen[free] = found.kinked, ~(seen | found.lower)
    with np.errstate(all="ignore"):
        correlations = covariance / np.outer(errors, errors)
    names = tuple(map(str, range(size)))
    if domain.structure is not None:
        names = domain.structure.labels
    away = _away(found, seen, errordef)
    messages = _warnings(found, np.array(names), free, at_bound, made, away)
    place = {int(index): k for k, index in enumerate(free)}
    x = domain.start if domain.free is None else domain.start[domain.free]
    profile = Profile(
        inner.value, inner.slope, x[~held], value, errordef, noise, box, inner_covariance, place,
        freedom,
    )  # fmt: skip
    return Uncertainty(
        domain.start.copy(), covariance, errors, correlations, hessian, errordef,
        at_bound, kinked, unseen, made, messages, nfev, names, profile,
    )  # fmt: skip


def _covariance(found: Curvature, seen: NDArray[np.bool_], errordef: float) -> tuple[Array, bool]:
    """``2 errordef H^-1``, positive definite, and whether it had to be made so."""
    n = seen.size
    covariance = np.diag(np.full(n, np.inf))
    if not seen.any():
        return covariance, False
    basis = found.basis[np.ix_(seen, seen)]
    scaled = basis.T @ found.hessian[np.ix_(seen, seen)] @ basis / (2 * errordef)
    values, vectors = np.linalg.eigh(scaled)
    least = max(HALF_OF_DIGITS * max(float(values.max()), HALF_OF_DIGITS), found.error)
    made = bool(values.min() < least)
    inverse = (vectors / np.maximum(values, least)) @ vectors.T
    covariance[np.ix_(seen, seen)] = basis @ inverse @ basis.T
    return covariance, made


def _away(found: Curvature, seen: NDArray[np.bool_], errordef: float) -> float:
    """How far the minimum of the parabola is, in errors: what MINUIT calls distance, its root."""
    usable = seen & ~found.kinked
    if not usable.any():
        return 0.0
    basis = found.basis[np.ix_(usable, usable)]
    values, vectors = np.linalg.eigh(basis.T @ found.hessian[np.ix_(usable, usable)] @ basis)
    values = values / (2 * errordef)
    if not values.min() > max(HALF_OF_DIGITS, found.error):
        return 0.0  # there is no parabola
    slope = vectors.T @ basis.T @ found.gradient[usable]
    away = float(np.linalg.norm(slope / np.sqrt(values))) / (2 * errordef)
    seen_from = NOISE_FLOOR * found.slope_error * math.sqrt(values.size)
    return away if away > seen_from else 0.0


def _warnings(
    found: Curvature,
    names: NDArray[Any],
    free: NDArray[Any],
    at_bound: Any,
    made: bool,
    away: float,
) -> list[str]:
    """What to beware of."""

    def among(which: Any) -> str:
        return ", ".join(names[free][which])

    lower, unseen = found.lower, ~np.isfinite(found.lengths) & ~found.lower
    told = [
        (at_bound.any(), "Fixed or at a bound, errors of the others hold with these held: "
         f"{', '.join(names[at_bound])}."),
        (found.walled.any(), "Within an error of a bound, or of where values end, so that only "
         f"`interval` has a meaning: {among(found.walled)}."),
        (found.kinked.any(), f"A kink: no curvature, and no error, along {among(found.kinked)}."),
        (found.bent.any(), "No parabola within an error, so that only `interval` and `contour` "
         f"have a meaning: {among(found.bent)}."),
        (unseen.any(), f"The function does not change with {among(unseen)} alone."),
        (made, "The Hessian was not positive definite and was made so: some combination of "
         "parameters is not determined, errors are at least these, or this is no minimum."),
        (lower.any(), f"Lower values were met along {among(lower)}: this is not a minimum."),
        # errors that move intervals in a digit that is read
        (away > MINOR, f"The minimum is {away:.2g} errors away: go on with the descent first."),
        (found.blurred, "Noise leaves of the errors less than a digit."),
        (found.jac_differs, "`jac` contradicts the values, which were used alone."),
    ]  # fmt: skip
    return [text for holds, text in told if holds]


def _require_level(level: Any) -> None:
    require_real("level", level, above=0, below=1)
