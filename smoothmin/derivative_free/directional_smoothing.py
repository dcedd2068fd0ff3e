"""`DirectionalSmoothing`: descend on the average along each coordinate, over shrinking lengths.

References: J. Zhang, H. Tran, D. Lu, G. Zhang, "Enabling long-range exploration in
minimization of multimodal functions", UAI (2021) (one-dimensional Gaussian smoothing
along orthonormal directions, by Gauss-Hermite quadrature); H. Tran, G. Zhang, "AdaDGS: an
adaptive black-box optimization method with a nonlocal directional Gaussian smoothing
gradient", arXiv:2011.02009 (the search over lengths of the step).

Deviations: the same points give the smoothed curvature too, so steps are Newton's along
each coordinate; both are a least-squares parabola's, weighted by the quadrature, which is
the same where nothing is cut off by a bound; the lowest samples of all coordinates taken
together are a candidate as well, and solve separable functions; the smoothing
shrinks when a step gains little, instead of following the step's length, and differs
from coordinate to coordinate, so that errors of the quadrature do not add up; the run ends
where parabolas are all there is, whose slopes take other methods a value each.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._check import require_real, require_scale
from smoothmin._factors import MINOR
from smoothmin._machine import LARGE, PRODUCTS
from smoothmin._method import Method
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps
from smoothmin._scale import typical_scale
from smoothmin._status import Status
from smoothmin._verdict import SHORT, Knowledge, judge

# Gauss-Hermite abscissae and weights for N(0, 1), the middle one apart
_ABSCISSAE, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
NODES = np.delete(_ABSCISSAE, 2)
WEIGHTS = np.delete(_WEIGHTS, 2) / _WEIGHTS.sum()
MIDDLE = float(_WEIGHTS[2] / _WEIGHTS.sum())
REACH = 3.0  # longest step of a coordinate, in units of sigma
LONGEST, SHORTEST = 2.0, 0.02  # shares of the step that are tried, and what is between
TRIALS = (10, 50)  # how many of them, a twentieth of the variables within these limits
LITTLE = 0.2  # share of the value gained by a step from which sigma is kept
JITTER = 0.3  # relative change of each coordinate's sigma, drawn anew for each step
ROUGH = 0.03  # sigma at the end by default, in units of the first
FOR_OTHERS = "the rest is for another method"


@dataclass(frozen=True)
class DirectionalSmoothing(Method):
    """Minimize roughly from values alone where there are many variables and minima.

    Parameters
    ----------
    sigma : float or array_like of shape (d,), optional
        First standard deviation of the smoothing along a coordinate. By default a fifth
        of the box's width, and without a box a tenth of the larger of 1 and ``|x0|``.
    decay : float, default 0.5
        Factor of ``sigma`` after a step that gained little.
    xtol : float, optional
        The run ends when ``sigma`` is no larger, in units of the first. By default that is
        0.03, and no success: the rest is for another method.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    A step takes four values for each variable, asked in batches.

    References
    ----------
    .. [1] J. Zhang, H. Tran, D. Lu, G. Zhang, "Enabling long-range exploration in
       minimization of multimodal functions", UAI (2021), section 3.
    .. [2] H. Tran, G. Zhang, "AdaDGS: an adaptive black-box optimization method with a
       nonlocal directional Gaussian smoothing gradient", arXiv:2011.02009.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import DirectionalSmoothing, minimize
    >>> def waves(x):
    ...     return float(np.sum(x**2 + 10 - 10 * np.cos(2 * np.pi * x)))
    >>> start = np.linspace(-4, 4, 60)
    >>> res = minimize(waves, start, method=DirectionalSmoothing(sigma=2.0), rng=0)
    >>> res.success, res.fun < 0.2 * waves(start)
    (False, True)
    """

    name: ClassVar[str] = "directional-smoothing"
    summary: ClassVar[str] = "values alone: many variables and minima, roughly"
    reference: ClassVar[str] = "Zhang et al. (2021)"
    handles_bounds: ClassVar[bool] = True
    scale_option: ClassVar[str | None] = "sigma"
    stochastic: ClassVar[bool] = True

    sigma: ArrayLike | None = None
    decay: float = 0.5
    xtol: float | None = None

    def __post_init__(self) -> None:
        require_scale("sigma", self.sigma, optional=True)
        require_real("decay", self.decay, above=0, below=1)
        if self.xtol is not None:
            require_real("xtol", self.xtol, above=0, below=1)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        sigma = typical_scale(problem, "sigma", self.sigma)
        x = problem.clip(problem.x0)
        answers = yield Ask(x.reshape(1, -1), 0)
        f = float(answers.values[0])
        if not np.isfinite(f):
            return Finish(Status.NONFINITE, _status.nonfinite_start(f))
        trials = int(np.clip(x.size // 20, *TRIALS))
        shares = np.append(1.0, np.geomspace(LONGEST, SHORTEST, trials))[:, None]
        size = 1.0
        last = ROUGH if self.xtol is None else self.xtol
        while size > last:
            lengths = size * sigma * rng.uniform(1 - JITTER, 1 + JITTER, x.size)
            offsets, rises = yield from _samples(problem, x, f, lengths)
            newton, steepest, promised, waves = _steps(offsets, rises, lengths)
            lowest = np.take_along_axis(offsets, rises.argmin(axis=1)[:, None], axis=1)[:, 0]
            lowest = np.where(rises.min(axis=1) < 0, lowest, 0.0)
            candidates = problem.clip(x + np.vstack([shares * newton, shares * steepest, lowest]))
            answers = yield Ask(candidates, 0)
            values = np.where(np.isfinite(answers.values), answers.values, np.inf)
            k = int(values.argmin())
            gain = f - float(values[k])
            if gain > 0:
                x, f = candidates[k], float(values[k])
            # index 1 and its like among steepest steps are the longest
            farther = gain > 0 and k in (1, 1 + len(shares)) and waves < MINOR**2
            if farther:
                size /= self.decay  # the longest step is the best: sigma is too small
            elif not gain > LITTLE * abs(f):
                size *= self.decay
            yield Iterate(x, f, sigma=size * float(sigma.max()))
            if waves < MINOR**2 and not farther:
                message = f"No more than {waves:.3g} of it is not parabolic: {FOR_OTHERS}"
                # what the parabolas promised and the step did not keep may be left
                noise = ROUNDINGS * problem.unit * (abs(f) + abs(gain))
                return judge(Knowledge(message, promised=abs(promised - gain), noise=noise))
        message = f"sigma is {size:.3g} of the first"
        if self.xtol is not None:
            return judge(Knowledge(f"{message}, within xtol", tolerance_met=True))
        return judge(Knowledge(f"{message}: {FOR_OTHERS}"))


def _samples(
    problem: Problem, x: Array, f: float, sigma: Array
) -> Generator[Ask, Answers, tuple[Array, Array]]:
    """Offsets along every coordinate, (n, 4), and the rise of the value there."""
    n = x.size
    offsets = sigma[:, None] * NODES
    if problem.box is not None:
        low, high = (bound - x for bound in problem.box)
        offsets = np.clip(offsets, low[:, None], high[:, None])
    rises = np.empty_like(offsets)
    rows = max(1, LARGE // (n * NODES.size))
    for first in range(0, n, rows):
        which = np.arange(first, min(first + rows, n))
        points = np.repeat(x[None], which.size * NODES.size, axis=0)
        across = np.repeat(which, NODES.size)
        points[np.arange(across.size), across] += offsets[which].ravel()
        answers = yield Ask(problem.clip(points), 0)
        rises[which] = (answers.values - f).reshape(-1, NODES.size)
    return offsets, np.where(np.isfinite(rises), rises, np.nanmax(rises, initial=0.0))


def _steps(offsets: Array, rises: Array, sigma: Array) -> tuple[Array, Array, float, float]:
    """Newton's step for the weighted parabola along every coordinate, of bounded length.

    And one along the gradient, with the mean curvature for all: what a curvature owes to
    waves that four points do not resolve is lost in the mean. And the decrease that Newton's
    promises, and the share of the rises' variance that these parabolas leave.
    """
    t = offsets / sigma[:, None]
    # normal equations of c + g t + h t^2 / 2, the middle point being at 0 with no rise
    basis = np.stack([np.ones_like(t), t, 0.5 * t * t])
    gram = np.einsum("aik,bik,k->iab", basis, basis, WEIGHTS)
    gram[:, 0, 0] += MIDDLE
    gram += PRODUCTS * np.eye(3)  # against points on one another at a bound
    right = np.einsum("aik,ik,k->ia", basis, rises, WEIGHTS)
    parabolas = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
    constant, slope, curvature = parabolas.T
    errors = rises - np.einsum("ia,aik->ik", parabolas, basis)
    left = float(np.sum(errors**2 @ WEIGHTS + MIDDLE * constant**2))
    variance = float(np.sum(rises**2 @ WEIGHTS - (rises @ WEIGHTS) ** 2))
    bounded = np.maximum(curvature, np.abs(slope) / REACH)
    newton: Array = -slope / np.maximum(bounded, 1e-300) * sigma
    mean = float(np.mean(np.maximum(curvature, 0.0) / sigma**2))
    floor = SHORT * float((np.abs(slope) / sigma**2).max())
    steepest: Array = -slope / sigma / max(mean, floor, 1e-300)
    promised = 0.5 * float(np.sum(slope**2 / np.maximum(bounded, 1e-300)))
    return newton, steepest, promised, left / max(variance, 1e-300)
