"""A smoothed objective as a plain pair of callables, for anyone's optimizer."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import as_generator, as_numbers, require_bool
from smoothmin._domain import Domain
from smoothmin._limits import Halt, Limits
from smoothmin._native import as_python
from smoothmin._protocol import Array, quiet
from smoothmin._source import Objective, Source, source_of
from smoothmin._types import Fun, Seed
from smoothmin._vectorized import Vectorized
from smoothmin.smoothing.aggregate import is_finite
from smoothmin.smoothing.perturbations import Distribution
from smoothmin.smoothing.smoothed_function import Sampler, SmoothedFunction

NO_LIMITS = Limits()


class _Smoothed:
    """Value and gradient with common perturbations, the last point remembered."""

    def __init__(
        self,
        objective: Objective,
        options: SmoothedFunction,
        rng: np.random.Generator,
        vectorized: bool,
    ) -> None:
        self._objective, self._options, self._rng = objective, options, rng
        self._vectorized = vectorized
        self._lock = threading.RLock()  # what evaluates holds one point's samples at a time
        self._context = quiet()
        self._seed = rng  # as it is when the perturbations are drawn
        self._sampler: Sampler | None = None
        self._at: tuple[tuple[int, ...], bytes] | None = None
        self._answer: tuple[float, Array] = (np.nan, np.empty(0))

    def _prepare(self, x: Array) -> Sampler:
        """Draw the perturbations when the number of variables is known."""
        domain = Domain.build(x, None)
        make = Vectorized if self._vectorized else source_of
        self._source: Source = make(self._objective, domain)
        problem = domain.problem(self._objective.has_gradient)
        self._shape = domain.shape
        self._seed = copy.deepcopy(self._rng)
        self._sampler = sampler = self._context.run(self._options.sampler, problem, self._rng)
        return sampler

    def _evaluate(self, x: ArrayLike) -> tuple[float, Array]:
        point = np.atleast_1d(as_numbers("x", x)).copy()
        flat = point.ravel()
        key = (point.shape, flat.tobytes())
        with self._lock:
            if key != self._at:
                if not is_finite(flat):  # as where no sample has a value
                    return np.inf, np.full(point.shape, np.nan)
                self._answer, self._at = self._aggregate(point, flat), key
            return self._answer

    def _aggregate(self, point: Array, flat: Array) -> tuple[float, Array]:
        """The value and the gradient of all samples around a point."""
        sampler = self._sampler or self._prepare(point)
        if point.shape != self._shape:
            raise ValueError(f"x must have shape {self._shape} as at first, got {point.shape}")
        for samples in sampler.questions(flat, sampler.begin(1)):
            self._source.sample(samples, self._raw)
            del samples  # before the next ones are made
        value, gradient = self._context.run(sampler.joined)
        return value, gradient if len(self._shape) == 1 else gradient.reshape(self._shape)

    def _raw(self, steps: Array, order: int, center: Array) -> tuple[Array, Any]:
        """Values and gradients without limits; what the user's code raises goes on."""
        values, gradients, ended = self._source(steps, order, NO_LIMITS, center)
        if ended is None:
            return values, gradients
        raise StopIteration if isinstance(ended, Halt) else ended

    def __getstate__(self) -> tuple[Any, ...]:
        """What a copy draws the same perturbations from."""
        return self._objective, self._options, self._seed, self._vectorized

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Begin anew."""
        self.__init__(*state)  # type: ignore[misc]

    def value(self, x: ArrayLike) -> float:
        """The smoothed value."""
        return float(self._evaluate(x)[0])

    def gradient(self, x: ArrayLike) -> Array:
        """The smoothed gradient, of the shape of ``x``."""
        return self._evaluate(x)[1].copy()


def smooth(
    fun: Fun,
    jac: Fun | bool | None = None,
    sigma: ArrayLike = 1.0,
    n: int = 100,
    aggregate: str = "mean",
    include_x0: bool = True,
    rng: Seed = None,
    *,
    args: object = (),
    distribution: Distribution = "gaussian",
    design: str = "iid",
    temperature: float | None = None,
    pre_generate: bool = True,
    vectorized: bool = False,
) -> tuple[Callable[[ArrayLike], float], Callable[[ArrayLike], Array]]:
    """Smooth a function with fixed perturbations.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float``, or ``(float, gradient)`` if ``jac`` is True.
    jac : callable or bool, optional
        The gradient, or True. None: the smoothed gradient comes from values alone.
    sigma, n, aggregate, include_x0, distribution, design, temperature, pre_generate
        As in `GradientSampling`.
    rng : seed or Generator, optional
        Source of the perturbations; they are drawn at the first call.
    args : tuple, optional
        Further arguments of ``fun`` and ``jac``.
    vectorized : bool, default False
        ``fun`` maps ``(d, S)`` to ``(S,)``, as in `minimize`.

    Returns
    -------
    value : callable
        ``value(x) -> float``.
    gradient : callable
        ``gradient(x) -> ndarray`` of the shape of ``x``. At one ``x`` the two share their
        evaluations.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Both are deterministic: the perturbations stay the same, so any optimizer can
    take them, and the gradient is that of the value (exactly for "mean" and
    "softmin" with gradients). They can be pickled if ``fun`` and ``jac`` can, and their
    copies are the same functions. Where ``x`` is not finite the value is infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.optimize import minimize
    >>> import smoothmin
    >>> def fun(x):
    ...     return x @ x + np.cos(9 * x).sum(), 2 * x - 9 * np.sin(9 * x)
    >>> value, gradient = smoothmin.smooth(fun, jac=True, sigma=0.5, rng=0)
    >>> res = minimize(value, [2.0, -1.5], jac=gradient)
    >>> bool(np.abs(res.x).max() < 0.3)
    True
    """
    objective_fun = as_python(fun)
    if not callable(objective_fun):
        raise TypeError(f"fun must be callable, got {fun!r}")
    if jac is not None and not isinstance(jac, (bool, np.bool_)) and not callable(jac):
        raise TypeError(f"jac must be callable, a bool or None, got {jac!r}")
    require_bool("vectorized", vectorized)
    options = SmoothedFunction(
        sigma=sigma,
        n=n,
        aggregate=aggregate,
        include_x0=include_x0,
        distribution=distribution,
        design=design,
        temperature=temperature,
        pre_generate=pre_generate,
    )
    arguments = args if isinstance(args, tuple) else (args,)
    gradient = jac if callable(jac) else (True if jac else None)
    objective = Objective(objective_fun, gradient, arguments)
    smoothed = _Smoothed(objective, options, as_generator(rng), vectorized)
    return smoothed.value, smoothed.gradient
