"""Bounds for methods that know of none: the function is mirrored at them.

The function seen inside is the user's, continued beyond each bound by
reflection: continuous, with the same minima, and with a kink at an active
bound, which every descent here can handle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Reply, Steps, resume

HUGE = 1e300  # nothing is farther out: a remainder of infinity is no number


def fold(z: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Reflect ``z`` (..., n) into the box.

    Returns
    -------
    x : ndarray
        The reflected points.
    slope : ndarray
        The derivative of each coordinate of ``x``, 1 or -1.
    """
    if np.all((z >= lower) & (z <= upper)):
        return z, np.ones_like(z)
    below, above = z < lower, z > upper
    with np.errstate(invalid="ignore", over="ignore"):  # of the infinite bounds
        width = upper - lower
        beyond = np.minimum(np.where(below, lower - z, z - upper), HUGE)
        # between two bounds a triangle wave of period two widths
        beyond = np.where(np.isfinite(width), np.mod(beyond, 2 * width), beyond)
        back = beyond <= width  # on the way to the bound opposite
        inward = np.where(back, beyond, 2 * width - beyond)
        x = np.where(below, lower + inward, np.where(above, upper - inward, z))
    slope = np.where((below | above) & back, -1.0, 1.0)
    return np.clip(x, lower, upper), slope


@dataclass(frozen=True)
class Folded(Method):
    """A method run on the mirrored function, without bounds."""

    inner: Method

    handles_bounds = True

    @property
    def needs_gradient(self) -> bool:
        """As the inner method."""
        return self.inner.needs_gradient

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Map the inner method's points into the box and gradients back."""
        assert problem.box is not None
        lower, upper = problem.box
        steps = self.inner.run(replace(problem, box=None), rng)
        reply: Reply = None
        while True:
            message = resume(steps, reply)
            if isinstance(message, Finish):
                return message
            if isinstance(message, Ask):
                points, slope = fold(message.points, lower, upper)
                answers = yield Ask(points, message.order)
                gradients = answers.gradients
                if gradients is not None:
                    gradients = gradients * slope
                reply = Answers(answers.values, gradients)
            else:
                x, slope = fold(message.x, lower, upper)
                grad = None if message.grad is None else message.grad * slope
                reply = yield Iterate(x, message.fun, grad, **message.info)


def within_bounds(method: Method, box: tuple[Array, Array] | None) -> Method:
    """The method itself if it knows of bounds or there are none, else `Folded`."""
    return method if box is None or method.handles_bounds else Folded(method)
