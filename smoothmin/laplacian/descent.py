"""Descent in a Sobolev metric that tunes itself to the function.

References: S. Osher, B. Wang, P. Yin, X. Luo, F. Barekat, M. Pham, A. Lin,
"Laplacian smoothing gradient descent", Res. Math. Sci. 9 (2022), (5); J. W.
Neuberger, *Sobolev Gradients and Differential Equations*, 2nd ed. (2010).

Deviations, and why: by default the smoothed gradient is the first direction of an
L-BFGS whose searches see the true gradient, so the rate need not be given; and the
strength of smoothing is fitted to the function's curvature, so that the number of
evaluations does not grow as a field's grid is refined.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import require_integer, require_one_of, require_real
from smoothmin._machine import LARGE
from smoothmin._method import Method
from smoothmin._per_block import per_block, require_per_block
from smoothmin._protocol import Array, Ask, Finish, Problem, Steps
from smoothmin._types import Axes, Shapes
from smoothmin.descent.first_point import first_point
from smoothmin.descent.fixed_rate import Momentum, fixed_rate
from smoothmin.laplacian._blocks import Layout, require_sigma, whole_shape
from smoothmin.laplacian._loops import (
    Ends,
    LoopPoint,
    Smoother,
    SobolevGeometry,
    barzilai_borwein,
    first_scale,
    lbfgs,
)
from smoothmin.laplacian._metric import RenewedMemory, SobolevMemory
from smoothmin.laplacian._probes import probe, strongest
from smoothmin.laplacian._refit import Refit
from smoothmin.laplacian._responsive import in_responsive
from smoothmin.laplacian._transforms import BOUNDARIES
from smoothmin.metrics.lbfgs import PAIRS

STEPS = ("lbfgs", "fixed", "bb")
FEWEST = 4  # steps remembered by default, however many variables there are


@dataclass(frozen=True)
class LaplacianDescent(Method):
    """Descent along smoothed gradients, for fields: signals, images, shapes.

    Parameters
    ----------
    sigma : float or "auto", default "auto"
        Strength of the smoothing in ``A = I + sigma * (-L)**order``, in units of
        ``spacing**(2 * order)``. "auto" fits it to the function's curvature at the
        start, which costs two evaluations, and "lbfgs" again to that of its steps.
    boundary : {"auto", "periodic", "neumann", "dirichlet"}, default "auto"
        As of `LaplacianOperator`. "auto" finds it from the same two evaluations, and
        is "periodic" when ``sigma`` is a number.
    spacing : float or sequence of float, optional
        Distance of grid points, one for all axes or one per axis; 1 by default.
    order : int, default 1
        Power of ``-L`` in ``A``.
    shapes : sequence of int or tuple, optional
        How the flat vector splits into fields, in order. By default it is one field
        of ``x0``'s shape.
    axes : int or sequence of int, optional
        The axes that fields extend along, where an array holds several: ``(1, 2)`` for two
        fields in one of shape (2, H, W). By default all. `spacing` is of these.
    layerwise : bool, default True
        Smooth each field by itself; otherwise all of them joined into one line.
    min_numel : int, default 4
        Fields with fewer elements are left alone, with ``layerwise`` only.
    step : {"lbfgs", "fixed", "bb"}, default "lbfgs"
        "lbfgs": limited-memory BFGS in the metric A, weak Wolfe search. "fixed":
        ``x - lr * A^-1 g``, one evaluation a step. "bb": Barzilai-Borwein lengths in
        the metric A with a nonmonotone search, for short of memory.
    memory : int, optional
        Number of steps "lbfgs" remembers, two vectors each. By default 20, or as many
        as 64 MB hold, but at least 4; 4 with `diffusivity`.
    lr : float or sequence of float, optional
        Rate of "fixed", one for all or one per block of `shapes`. None, with
        ``sigma="auto"`` only: from the same curvature.
    momentum : float, default 0
        Share of the last step added to this one, in [0, 1); "fixed" only.
    decay : float, default 1
        Factor on the rate after each step, in (0, 1]; "fixed" only.
    gtol : float, optional
        Converged as soon as no element of the (projected) gradient is larger, in its units.
        By default where the decrease that is left is negligible beside the last ones, or
        below what rounding and noise let values show.
    ftol : float, optional
        Converged when three steps running lower ``fun`` by at most ``ftol * |fun|`` each.
    diffusivity : callable, optional
        For functions with large slopes. ``diffusivity(square)`` is how much a slope of
        that square resists to be changed, positive: ``1 / sqrt(1 + square)`` for the area of
        a surface, ``1 / sqrt(beta**2 + square)`` for a smoothed total variation, with
        ``spacing`` as in the function. ``A = I + sigma * D' c D`` then follows the point,
        with ``c`` halfway between the diffusivity of its slopes and the Hessian's
        coefficient. That takes far fewer evaluations, and more time of its own: a sparse
        factorization for each on grids of two and more dimensions.
    preconditioner : object, optional
        Anything with ``solve(g)``, used in place of ``A^-1``; it must be symmetric
        and positive definite, and get and return flat vectors. `sigma` and what
        describes the operator are then not used. If it has ``update(x)`` as well, that is
        called with each new point before ``solve`` is.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value, and at the start of a run for shapes
        that do not fit the problem.

    Notes
    -----
    The curvature is taken for ``a*I + b*(-L)**order``, and ``sigma = b/a``; if b is
    not positive nothing is smoothed. The result has ``sigma`` and ``boundary`` as
    used, and the last ``dual_norm``. Bounds are handled by projection, with the
    metric restricted to the variables that are free to move; a fixed variable keeps its
    place in the field. So does one whose gradient has been exactly 0.0 at every point so
    far, a rim that the gradient leaves out, say: it is not moved along with its neighbours.
    Where the gradient at the start has zeros, one more evaluation beside it looks whether
    they stay.

    References
    ----------
    .. [1] S. Osher et al., "Laplacian smoothing gradient descent", Res. Math. Sci. 9
       (2022), :doi:`10.1007/s40687-022-00351-1`.
    .. [2] J. W. Neuberger, *Sobolev Gradients and Differential Equations*, 2nd ed.
       (2010), :doi:`10.1007/978-3-642-04041-2`.

    Examples
    --------
    The number of evaluations does not depend on how finely a string is divided:

    >>> import numpy as np
    >>> import smoothmin
    >>> def fun(x):  # a string under load, held at both ends
    ...     slope = np.diff(x, prepend=0, append=0) * (x.size + 1)
    ...     return (slope @ slope / 2 - x.sum()) / x.size, (
    ...         -np.diff(slope) * (x.size + 1) - 1) / x.size
    >>> for n in (100, 10_000):
    ...     res = smoothmin.minimize(fun, np.zeros(n), jac=True, method="laplacian", rng=0)
    ...     print(res.boundary, res.nfev <= 10, round(res.x.max(), 4))
    dirichlet True 0.125
    dirichlet True 0.125
    """

    name: ClassVar[str] = "laplacian"
    summary: ClassVar[str] = "smoothed gradients, self-tuning; fields on any grid"
    reference: ClassVar[str] = "Osher et al. (2022)"
    scalable: ClassVar[bool] = False
    handles_bounds: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("gtol",)

    sigma: float | str = "auto"
    boundary: str = "auto"
    spacing: ArrayLike | None = None
    order: int = 1
    shapes: Shapes | None = None
    layerwise: bool = True
    min_numel: int = 4
    step: str = "lbfgs"
    memory: int | None = None
    lr: ArrayLike | None = None
    momentum: float = 0.0
    decay: float = 1.0
    gtol: float | None = None
    ftol: float | None = None
    diffusivity: Callable[[Array], Array] | None = None
    preconditioner: object = None
    axes: Axes | None = None

    def __post_init__(self) -> None:
        if isinstance(self.sigma, str):
            require_one_of("sigma", self.sigma, ["auto"])
        else:
            require_sigma(self.sigma)
        Layout.of(self, (*BOUNDARIES, "auto"))
        require_one_of("step", self.step, STEPS)
        if self.memory is not None:
            require_integer("memory", self.memory, 1)
        for name in ("gtol", "ftol"):
            if getattr(self, name) is not None:
                require_real(name, getattr(self, name), minimum=0)
        require_real("momentum", self.momentum, minimum=0, below=1)
        require_real("decay", self.decay, above=0, maximum=1)
        if self.lr is not None:
            require_per_block("lr", self.lr, above=0, below=np.inf)
        if self.step != "fixed" and (self.lr is not None or self.momentum or self.decay != 1):
            raise ValueError(f"lr, momentum and decay need step='fixed', got step={self.step!r}")
        fitted = self.sigma == "auto" and self.preconditioner is None
        if self.step == "fixed" and self.lr is None and not fitted:
            raise ValueError(f"lr must be given with step='fixed' and sigma={self.sigma!r}")
        if self.diffusivity is not None:
            if not callable(self.diffusivity):
                raise TypeError(f"diffusivity must be callable, got {self.diffusivity!r}")
            if self.order > 1 or self.preconditioner is not None:
                raise ValueError("diffusivity needs order=1 and no preconditioner")
        if self.preconditioner is not None:
            solve = getattr(self.preconditioner, "solve", None)
            if not callable(solve):
                raise TypeError(
                    f"preconditioner must have a method solve, got {self.preconditioner!r}"
                )

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Descend in the variables that the function responds to."""
        if self.preconditioner is not None:
            return self._descend(problem, rng)
        return in_responsive(problem, lambda part: self._descend(part, rng))

    def _descend(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Fit the metric, then descend."""
        start = yield from first_point(problem, self.gtol)
        if isinstance(start, Finish):
            return start
        x, f, g = start
        smoother, scale, facts = yield from self._fit(problem, x, g, rng)
        here = LoopPoint.of(problem, smoother, x, f, g)
        done = Ends(problem, self.gtol, self.ftol, facts)
        done.known.begin(x, f, here.free)
        if self.step == "lbfgs":
            kind = RenewedMemory if smoother.changes else SobolevMemory
            few = FEWEST if smoother.changes else _remembered(x)
            memory = kind(x.size, self.memory or few, scale)
            refit = self._refit(problem, here, facts)
            finish = yield from lbfgs(problem, smoother, here, memory, done, refit)
        elif self.step == "bb":
            finish = yield from barzilai_borwein(problem, smoother, here, scale, done)
        else:
            if self.lr is None:
                lr: Any = yield from first_scale(problem, smoother, here, scale)
            else:
                lr = per_block("lr", self.lr, problem, self.shapes)
            rates = (lr * self.decay**k for k in itertools.count())
            geometry, momentum = SobolevGeometry(problem, smoother, done), Momentum(self.momentum)
            finish = yield from fixed_rate(problem, geometry, here, rates, momentum)
        finish.info.update(facts)
        return finish

    def _refit(self, problem: Problem, here: LoopPoint, facts: dict[str, Any]) -> Refit | None:
        """What chooses sigma again, where it is the method's to choose."""
        layout = Layout.of(self, (*BOUNDARIES, "auto"), problem)
        given = self.sigma != "auto" or self.preconditioner is not None
        if given or self.diffusivity is not None or layout.is_empty(whole_shape(problem)):
            return None
        layout = layout.with_boundary(facts["boundary"])
        limit = strongest(layout, whole_shape(problem))
        return Refit(layout, problem, facts["sigma"], limit, here.free)

    def _fit(
        self, problem: Problem, x: Array, g: Array, rng: np.random.Generator
    ) -> Generator[Ask, Any, tuple[Smoother, float, dict[str, Any]]]:
        """The metric, the length of a first step in it (0: unknown), and what to report."""
        if self.preconditioner is not None:
            return _Flat(self.preconditioner), 0.0, {}
        layout = Layout.of(self, (*BOUNDARIES, "auto"), problem)
        scale, sigma = 0.0, self.sigma
        shape = whole_shape(problem)
        if layout.is_empty(shape):
            sigma = 0.0
        if isinstance(sigma, str):
            fit = yield from probe(problem, layout, x, g, rng)
            layout = layout.with_boundary(fit.boundary)
            sigma = fit.sigma(strongest(layout, shape))
            scale = fit.scale(sigma)
        elif layout.boundary == "auto":
            layout = layout.with_boundary("periodic")
        facts = {"sigma": sigma, "boundary": layout.boundary}
        if self.diffusivity is not None:
            return layout.diffusions(problem, sigma, self.diffusivity), scale, facts
        return layout.smoother(problem, sigma), scale, facts


def _remembered(x: Array) -> int:
    """How many steps to remember by default: what they fill costs time."""
    return min(PAIRS, max(FEWEST, LARGE // x.size))


class _Flat:
    """A user's preconditioner, held to flat float64 answers."""

    def __init__(self, preconditioner: Any) -> None:
        self._preconditioner = preconditioner
        self.changes = callable(getattr(preconditioner, "update", None))

    def update(self, x: Array) -> None:
        """Tell it of a new point, by a copy."""
        self._preconditioner.update(x.copy())

    def solve(self, g: Array) -> Array:
        """What the user's ``solve`` makes of a copy of ``g``."""
        result = np.array(self._preconditioner.solve(g.copy()), dtype=float)
        if result.size != g.size:
            raise ValueError(
                f"preconditioner.solve must return {g.size} elements, got {result.size}"
            )
        return result.ravel()
