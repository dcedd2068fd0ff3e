"""What every method is: a frozen dataclass of options, with a generator `run`."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

import numpy as np

from smoothmin._protocol import Problem, Steps

if TYPE_CHECKING:
    from smoothmin._result import Result
    from smoothmin._types import Fun, Start


@dataclass(frozen=True)
class Method(ABC):
    """A way to minimize: a frozen dataclass whose fields are its options.

    Subclasses validate their fields in ``__post_init__`` and implement `run`.
    A method is also a callable with SciPy's custom-method protocol.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    handles_bounds: ClassVar[bool] = False
    handles_constraints: ClassVar[bool] = False
    handles_integers: ClassVar[bool] = False
    scalable: ClassVar[bool] = True  # whether variables may have units of their own
    scale_option: ClassVar[str | None] = None  # the one that says how far variables move
    synonyms: ClassVar[dict[str, str]] = {}  # other names of options
    stochastic: ClassVar[bool] = False
    streams: ClassVar[bool] = False  # whether it goes on before all points have come, if it may
    tolerances: ClassVar[tuple[str, ...]] = ()
    # how the result tells it; "learnt": an array where there is one
    hess_inv: ClassVar[Literal["array", "operator", "learnt"] | None] = None

    @property
    def needs_gradient(self) -> bool:
        """Whether `run` can do nothing with values alone."""
        return True

    @abstractmethod
    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize: yield `Ask` and `Iterate`, return `Finish`."""

    @classmethod
    def class_for(cls, has_gradient: bool) -> type[Method]:
        """What runs where this class is asked for by name."""
        return cls

    def for_problem(self, has_gradient: bool) -> Method:
        """The method that runs where there is a gradient, or none."""
        return self

    def for_constraints(self) -> Method | None:
        """The method that runs where there are constraints; None if a reformulation has to."""
        return self if self.handles_constraints else None

    def with_options(self, **options: object) -> Self:
        """A copy with some options changed, validated again."""
        return dataclasses.replace(self, **options)

    def with_tolerance(self, tol: float) -> Self:
        """A copy whose main tolerances are ``tol``."""
        return self.with_options(**dict.fromkeys(self.tolerances, tol))

    def lower(self) -> str:
        """The name in lower case, which `scipy.optimize.shgo` asks methods for."""
        return (self.name or type(self).__name__).lower()

    def __call__(self, fun: Fun, x0: Start, args: object = (), **options: object) -> Result:
        """Minimize as ``scipy.optimize.minimize(fun, x0, method=self)`` does."""
        from smoothmin._minimize import minimize_as_scipy_method

        return minimize_as_scipy_method(self, fun, x0, args, **cast(dict[str, Any], options))
