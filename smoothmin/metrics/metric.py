"""What a metric is to the methods: an estimate of the inverse Hessian."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from typing import ClassVar, NamedTuple, Self

import numpy as np
from scipy.linalg.blas import ddot

from smoothmin._protocol import Array
from smoothmin.subproblems.box_qp import Model
from smoothmin.subproblems.linear_system import inverted


class Ends(NamedTuple):
    """The gradients before and after a step, and the products ``s's`` and ``s'y``."""

    before: Array
    after: Array
    square: float
    curvature: float

    @classmethod
    def of(cls, step: Array, change: Array, before: Array, after: Array) -> Ends:
        """Those of a step and the change of the gradient."""
        return cls(before, after, ddot(step, step), ddot(step, change))


class Changes(NamedTuple):
    """So many changes of the gradient, the oldest first: ``of(part)`` are some columns, a copy."""

    number: int
    of: Callable[[slice], Array]


class Metric(ABC):
    """An estimate H of the inverse Hessian, positive definite."""

    @abstractmethod
    def apply(self, g: Array) -> Array:
        """``H g``, a new array."""

    def times(self, factor: float, g: Array) -> Array:
        """``factor * H g``, a new array."""
        product = self.apply(g)
        product *= factor
        return product

    is_operator: ClassVar[bool] = False  # whether it is made for more variables than a matrix is
    rowwise: ClassVar[bool] = True  # whether rows of `root` depend on their gradient alone

    @abstractmethod
    def root(self, gradients: Array) -> Array:
        """Rows with the inner products in H of the rows of ``gradients``."""

    def apply_to_mix(self, mix: Array, image: Array) -> Array:
        """``H mix`` of gradients mixed, their rows of `root` mixed likewise in ``image``."""
        return self.apply(mix)

    @abstractmethod
    def update(
        self, s: Array, y: Array, cause: Array | None = None, ends: Ends | None = None
    ) -> None:
        """Learn from a step ``s`` and the change ``y`` of the gradient.

        ``cause`` is the vector along whose ``-H cause`` the step was, where it was one;
        ``ends`` is what is known besides: products with the gradient that H was last applied
        to are, where y is the difference of that from another.
        """

    def start(self, scales: Array) -> None:  # noqa: B027  (not all metrics can use it)
        """Take the lengths of coordinates (n,) for the first update to begin with."""

    def arrive(self, x: Array) -> None:  # noqa: B027  (only metrics of a point can)
        """Take note of the point (n,) that the next step begins at."""

    def begin_along(self, curvatures: Array) -> None:
        """Forget everything but these, (n,), along the coordinates, if that is of use."""
        self.reset()

    keeps_changes = False  # whether there are `changes`, so that nobody else has to keep them

    def changes(self, count: int) -> Changes:
        """The latest changes that were learnt from, at most so many."""
        raise NotImplementedError

    @abstractmethod
    def model(self) -> Model:
        """``H^-1``, until the next update."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything."""

    def matrix(self, n: int) -> Array:
        """H (n, n) itself, which leaves the metric as it is."""
        root = self.root(np.eye(n))
        return root @ root.T

    def diagonals(self, n: int) -> tuple[Array, Array]:
        """Those of H and of its inverse, (n,) each."""
        matrix = self.matrix(n)
        return matrix.diagonal(), inverted(matrix).diagonal()

    def copied(self) -> Self:
        """A copy that learns no more."""
        return deepcopy(self)

    @property
    @abstractmethod
    def fresh(self) -> bool:
        """Whether nothing has been learnt since the last reset."""
