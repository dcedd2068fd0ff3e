"""Bounds for methods that know of none: the function is mirrored at them.

The function seen inside is the user's, continued beyond each bound by
reflection: continuous, with the same minima, and with a kink at an active
bound, which every descent here can handle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from smoothmin._machine import TINY
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Iterate, Problem, Steps
from smoothmin._reformulate import Reformulation, relay


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
        # a remainder of infinity is no number
        beyond = np.minimum(np.where(below, lower - z, z - upper), 1 / TINY)
        # between two bounds a triangle wave of period two widths
        beyond = np.where(np.isfinite(width), np.mod(beyond, 2 * width), beyond)
        back = beyond <= width  # on the way to the bound opposite
        inward = np.where(back, beyond, 2 * width - beyond)
        x = np.where(below, lower + inward, np.where(above, upper - inward, z))
    slope = np.where((below | above) & back, -1.0, 1.0)
    return np.clip(x, lower, upper), slope


class _Mirror(Reformulation):
    """Points anywhere, reflected into the box."""

    def __init__(self, lower: Array, upper: Array) -> None:
        self._lower, self._upper = lower, upper
        self._slope = np.ones(())

    def outward(self, points: Array) -> Array:
        """Into the box."""
        x, self._slope = fold(points, self._lower, self._upper)
        return x

    def inward(self, answers: Answers) -> Answers:
        """With the gradients of the mirrored function."""
        gradients = answers.gradients
        mirrored = None if gradients is None else gradients * self._slope
        return Answers(answers.values, mirrored)

    def iterate(self, message: Iterate) -> Iterate:
        """Where it is in the box."""
        x, slope = fold(message.x, self._lower, self._upper)
        grad = None if message.grad is None else message.grad * slope
        return Iterate(x, message.fun, grad, **message.info)


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
        return relay(_Mirror(*problem.box), self.inner.run(replace(problem, box=None), rng))


def within_bounds(method: Method, box: tuple[Array, Array] | None) -> Method:
    """The method itself if it knows of bounds or there are none, else `Folded`."""
    return method if box is None or method.handles_bounds else Folded(method)
