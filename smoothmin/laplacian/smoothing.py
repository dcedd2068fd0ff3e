"""Laplacian smoothing of any method, as a change of variables.

Reference: S. Osher, B. Wang, P. Yin, X. Luo, F. Barekat, M. Pham, A. Lin,
"Laplacian smoothing gradient descent", Res. Math. Sci. 9 (2022), (5).

Deviation, and why: the inner method is not handed ``A^-1 g`` for a gradient, which
no line search can use, since it is the slope of no function. It sees the function
``z -> f(x0 + B^-1 z)`` with its true gradient ``B^-T g``, where ``B^T B = A``: its
steps of descent are, in x, the smoothed ones of the reference.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._machine import PRODUCTS
from smoothmin._method import Method
from smoothmin._per_block import with_blocks
from smoothmin._protocol import Answers, Array, Finish, Iterate, Problem, Steps
from smoothmin._reformulate import Reformulation, relay
from smoothmin._types import Axes, Shapes
from smoothmin.descent.convergence import Convergence
from smoothmin.descent.fixed_rate import Geometry, RatePoint
from smoothmin.descent.gradient_descent import GradientDescent
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.laplacian._blocks import Blocks, Layout, require_sigmas, whole_shape


@dataclass(frozen=True)
class LaplacianSmoothing(Method):
    """A method run in the Sobolev metric ``A = I - sigma*L``.

    Parameters
    ----------
    inner : Method, default LBFGS()
        The method whose gradients are smoothed.
    sigma : float or sequence of float, default 1.0
        Strength of the smoothing, in units of ``spacing**(2 * order)``; one for all fields
        or one for each of `shapes`.
    layerwise : bool, default True
        Smooth each field of ``shapes`` by itself; otherwise all of them joined into
        one line.
    min_numel : int, default 4
        Fields with fewer elements are left alone, with ``layerwise`` only.
    shapes : sequence of int or tuple, optional
        How the flat vector splits into fields, in order. By default it is one field
        of ``x0``'s shape. Options of the inner method that may be one per block go by it.
    axes : int or sequence of int, optional
        The axes that fields extend along, where an array holds several: ``(1, 2)`` for two
        fields in one of shape (2, H, W). By default all. `spacing` is of these.
    order : int, default 1
        Power of ``-L`` in ``A``.
    boundary : {"periodic", "neumann", "dirichlet"}, default "periodic"
        As of `LaplacianOperator`.
    spacing : float or sequence of float, optional
        As of `LaplacianOperator`.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value, and at the start of a run for shapes
        that do not fit the problem.

    Notes
    -----
    With ``inner=GradientDescent(lr)`` a step is ``x - lr * (I - sigma*L)^-1 grad``.
    With an inner method that searches along a line, the search sees the true slope
    of the function. Tolerances of the inner method apply to the gradient in its
    variables, ``B^-T grad``.

    References
    ----------
    .. [1] S. Osher et al., "Laplacian smoothing gradient descent", Res. Math. Sci. 9
       (2022), :doi:`10.1007/s40687-022-00351-1`.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> def fun(x):  # a string under load, held at both ends
    ...     slope = np.diff(x, prepend=0, append=0)
    ...     return slope @ slope / 2 - x.sum() / 50, -np.diff(slope) - 1 / 50
    >>> method = smoothmin.LaplacianSmoothing(sigma=100.0, boundary="dirichlet")
    >>> res = smoothmin.minimize(fun, np.zeros(99), jac=True, method=method)
    >>> bool(abs(res.x.max() - 25) < 1e-3)
    True
    """

    summary: ClassVar[str] = "any method with smoothed gradients, by a change of variables"
    reference: ClassVar[str] = "Osher et al. (2022)"

    inner: Method = field(default_factory=LBFGS)
    sigma: ArrayLike = 1.0
    layerwise: bool = True
    min_numel: int = 4
    shapes: Shapes | None = None
    order: int = 1
    boundary: str = "periodic"
    spacing: ArrayLike | None = None
    axes: Axes | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Method):
            raise TypeError(f"inner must be a Method, got {self.inner!r}")
        require_sigmas(self.sigma)
        Layout.of(self)

    @property
    def needs_gradient(self) -> bool:
        """As the inner method."""
        return self.inner.needs_gradient

    def with_tolerance(self, tol: float) -> Self:
        """A copy whose inner method has the tolerance."""
        return dataclasses.replace(self, inner=self.inner.with_tolerance(tol))

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Map the inner method's points to x and the gradients to z."""
        smoother = Layout.of(self, problem=problem).smoother(problem, self.sigma)
        problem = dataclasses.replace(problem, blocks=with_blocks(problem, self.shapes))
        inner = self.inner
        if type(inner) is GradientDescent and inner.lr is not None and problem.box is None:
            return inner.at_fixed_rate(problem, _Linear(problem, smoother, inner.gtol))
        start, shape = np.zeros(smoother.size), whole_shape(problem)
        inside = dataclasses.replace(problem, x0=start, shape=shape, free=None)
        return relay(_InSobolevMetric(smoother, problem.x0), inner.run(inside, rng))


class _InSobolevMetric(Reformulation):
    """The variables z of ``x = start + B^-1 z``."""

    def __init__(self, smoother: Blocks, start: Array) -> None:
        self._smoother, self._start = smoother, start
        self._asked: _Asked | None = None

    def outward(self, points: Array) -> Array:
        """From z to x."""
        x: Array = self._start + self._smoother.half_solve(points)
        self._asked = _Asked(points.copy(), x, None, None)
        return x

    def inward(self, answers: Answers) -> Answers:
        """With gradients ``B^-T g``."""
        asked, gradients = self._asked, answers.gradients
        assert asked is not None
        if gradients is not None:
            asked.gradients, asked.mapped = gradients, self._smoother.half_solve_adjoint(gradients)
        return Answers(answers.values, asked.mapped)

    def iterate(self, message: Iterate) -> Iterate:
        """In x, mapped only where it is not known from the last request."""
        asked = self._asked
        x, grad = (None, None) if asked is None else asked.look_up(message.x, message.grad)
        if x is None:
            x = self._start + self._smoother.half_solve(message.x)
        if grad is None and message.grad is not None:
            grad = self._smoother.half_apply_adjoint(message.grad)
        return Iterate(x, message.fun, grad, **message.info)


class _Linear(Geometry):
    """Steps of a fixed rate in z are ``-lr * A^-1 g`` in x: no square roots of A needed."""

    def __init__(self, problem: Problem, smoother: Blocks, gtol: float | None) -> None:
        super().__init__(problem, Convergence(problem, gtol))
        self._smoother, self._gtol = smoother, gtol

    def at(self, x: Array, fun: float, grad: Array) -> RatePoint:
        """Smooth the gradient."""
        return RatePoint(x, fun, grad, grad, self._smoother.solve(grad))

    def met(self, here: RatePoint) -> Finish | None:
        """The end if the gradient in z is within the user's tolerance, or zero."""
        if self._gtol is None:
            return self.known.met(here.grad)  # zero where that in z is
        # the square of its length is at most n times that of its largest element
        square = float(here.grad.dot(here.smooth))
        if square > self._smoother.size * self._gtol**2 * (1 + PRODUCTS):
            return None
        return self.known.met(self._smoother.half_solve_adjoint(here.grad))


@dataclass
class _Asked:
    """The points last asked for, and their gradients, in both variables.

    An iterate is nearly always one of them, and then needs no mapping back.
    """

    z: Array
    x: Array
    gradients: Array | None
    mapped: Array | None

    def look_up(self, z: Array, grad: Array | None) -> tuple[Array | None, Array | None]:
        """Point and gradient in x where ``z`` was asked for and answered by ``grad``."""
        for k, row in enumerate(self.z):
            if np.array_equal(row, z):
                if self.gradients is None or self.mapped is None or grad is None:
                    return self.x[k], None
                # an aggregate of several gradients is none of them
                same = np.array_equal(self.mapped[k], grad)
                return self.x[k], self.gradients[k] if same else None
        return None, None
